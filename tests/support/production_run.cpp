// A small model, run by the engine and its models.
// SPDX-License-Identifier: Apache-2.0
#include "core/des/engine.hpp"
#include "models/trace_events.hpp"
#include "tests/support/small_model.hpp"

#include <algorithm>
#include <memory>
#include <utility>

namespace viosim::test {
namespace {

struct Kept final : TraceSink {
  std::vector<TraceEvent> events;
  std::vector<TraceEvent> take(std::vector<TraceEvent> more) override {
    events.insert(events.end(), more.begin(), more.end());
    more.clear();
    return more;
  }
};

struct Drained final : QueueListener {
  explicit Drained(Engine& engine) : signal(engine, "a queue with nothing in flight") {}
  void queue_stopped(Bdf /*source*/, std::uint32_t /*queue*/) override { signal.raise(); }
  Signal signal;
};

class Production final : FaultService, vtd::InvalidationListener {
 public:
  explicit Production(const SmallModel& model)
      : model_(model),
        tracer_(std::make_unique<Tracer>(kept_)),
        unit_("dmar0", model.iommu, 0, engine_.agenda(), memory_, model.seed),
        small_(model, memory_, unit_.tables(), unit_.queue().base()),
        zipf_(zipf_tables(model)),
        fabric_(engine_.agenda(), *tracer_),
        faulted_(engine_, "a fault"),
        stopped_(engine_, "a queue that stops") {
    engine_.set_run_ahead(fabric_);
    for (std::size_t device = 0; device < model.devices.size(); ++device) add(device);
    unit_.queue().listen(*this);
    run_.operators_done.resize(model.operators.size());
    run_.devices.resize(model.devices.size());
    for (std::size_t number = 0; number < model.operators.size(); ++number) {
      executed_.push_back(std::make_unique<Signal>(engine_, "a status write"));
      engine_.spawn("operator", Lifetime::finishes, [this, number] { operate(number); });
    }
    for (std::uint32_t handler = 0; handler < model.fault_handlers; ++handler)
      engine_.spawn("fault handler", Lifetime::serves, [this] { handle_faults(); });
    engine_.spawn("repairer", Lifetime::serves, [this] { repair_queue(); });
    for (std::size_t device = 0; device < model.devices.size(); ++device) {
      if (model.devices[device].turns.empty()) continue;
      engine_.spawn("driver", Lifetime::finishes, [this, device] { drive(device); });
    }
    if (model.fault_handlers > 0) fabric_.set_fault_service(*this);
  }

  SmallRun run() {
    engine_.run();
    tracer_->finish();
    collect();
    return std::move(run_);
  }

 private:
  void add(std::size_t index) {
    const SmallModel::Device& from = model_.devices[index];
    DmaFabric::Device device;
    device.path = model_.path_of(index);
    device.iommu = &unit_.iommu();
    device.source = from.source;
    device.pasid = from.pasid;
    device.link = from.link;
    device.dma = from.dma;
    device.base = model_.spaces[from.space].base;
    device.memory_latency = model_.memory_latency;
    device.start = from.start;
    device.until = from.until;
    device.zipf = zipf_[index].get();
    device.seed = model_.seed;
    device.number = SmallModel::number_of(index);
    device.component = static_cast<std::uint32_t>(index);
    fabric_.add(device);
  }

  void operate(std::size_t number) {
    for (const SmallModel::Step& step : model_.operators[number]) {
      engine_.sleep_for(step.pause);
      small_.apply(step);
      unit_.queue().write_tail(small_.submit(step, number));
      executed_[number]->wait();
      engine_.sleep_for(step.rest);
      small_.undo(step);
    }
    run_.operators_done[number] = engine_.now().ps();
  }

  void handle_faults() {
    for (;;) {
      faulted_.wait();
      const FaultedRequest fault = faults_.front();
      faults_.pop_front();
      engine_.sleep_for(model_.fault_handling);
      if (small_.resolve(fault.device, fault.iova)) {
        fabric_.retry(fault.cookie);
      } else {
        fabric_.abandon(fault.cookie);
      }
    }
  }

  void repair_queue() {
    for (;;) {
      stopped_.wait();
      engine_.sleep_for(model_.fault_handling);
      small_.repair(unit_.queue().head());
      unit_.queue().clear_error();
    }
  }

  void queue_stopped(std::uint32_t /*head*/) override { stopped_.raise(); }

  void request_faulted(const FaultedRequest& request) override {
    faults_.push_back(request);
    faulted_.raise();
  }

  void status_written(Hpa address) override {
    for (std::size_t number = 0; number < executed_.size(); ++number) {
      if (small_.status_of(number) == address) executed_[number]->raise();
    }
  }

  void drive(std::size_t index) {
    const SmallModel::Device& is = model_.devices[index];
    const auto device = static_cast<std::uint32_t>(index);
    QueueWork work;
    work.pasid = is.pasid;
    work.dma = is.dma;
    work.base = model_.spaces[is.space].base;
    work.until = is.until;
    work.zipf = zipf_[index].get();
    Drained drained(engine_);
    for (const auto& turn : is.turns) {
      engine_.sleep_for(turn.on);
      fabric_.stop(device, &drained);
      drained.signal.wait();
      run_.devices[index].stopped.push_back(engine_.now().ps());
      engine_.sleep_for(turn.off);
      fabric_.enable(device, work);
    }
  }

  void collect() {
    for (const TraceEvent& event : kept_.events) {
      if (event.kind != static_cast<std::uint16_t>(EventKind::translate)) continue;
      run_.devices[event.component].requests.push_back(
          {event.time - event.duration, event.time, event.address, event.value, event.code});
    }
    for (std::size_t device = 0; device < run_.devices.size(); ++device) {
      std::sort(run_.devices[device].requests.begin(), run_.devices[device].requests.end());
      run_.devices[device].stats = fabric_.stats(device);
      run_.devices[device].latency = fabric_.latency(device);
    }
    run_.iommu = unit_.iommu().stats;
    run_.contexts = unit_.iommu().context_stats();
    run_.pasids = unit_.iommu().pasid_stats();
    run_.iotlb = unit_.iommu().iotlb_stats();
    run_.queue = unit_.queue().stats;
    run_.translation_latency = unit_.iommu().translation_latency();
    run_.batch_latency = unit_.queue().batch_latency;
  }

  const SmallModel& model_;
  Engine engine_;
  PhysicalMemory memory_;
  Kept kept_;
  std::unique_ptr<Tracer> tracer_;
  vtd::Unit unit_;
  SmallMemory small_;
  std::vector<std::unique_ptr<ZipfTable>> zipf_;
  DmaFabric fabric_;
  Signal faulted_;
  Signal stopped_;
  std::deque<FaultedRequest> faults_;
  std::vector<std::unique_ptr<Signal>> executed_;
  SmallRun run_;
};

}  // namespace

SmallRun run_production(const SmallModel& model) { return Production(model).run(); }

}  // namespace viosim::test
