// A storm's VT-d unit, in legacy or scalable mode.
// SPDX-License-Identifier: Apache-2.0
#include "core/base/error.hpp"
#include "tests/models/storm_system.hpp"

#include <utility>
#include <vector>

namespace viosim::test {
namespace {

using vtd::Descriptor;
using vtd::DescriptorType;
using vtd::Granularity;

class VtdSystem final : public StormSystem, public vtd::InvalidationListener {
 public:
  explicit VtdSystem(const StormWorld& world)
      : world_(world),
        unit_("dmar0", draw(world.rng), 0, world.agenda, world.memory, world.seed),
        status_(world.memory.allocate_frames()) {
    unit_.queue().listen(*this);
  }

  Iommu& iommu() override { return unit_.iommu(); }
  vtd::Unit* vtd() override { return &unit_; }
  bool legacy() const override { return unit_.params().mode == vtd::Mode::legacy; }

  void add(const StormFunction& function) override {
    functions_.push_back(function);
    if (legacy()) return;
    vtd::ScalableContext context;
    context.pasid_enable = !function.outlaw;
    context.device_tlb_enable = function.translations;
    context.page_request_enable = function.page_requests;
    context.rid_pasid = entry_of(function);
    context.rid_privileged = function.rid_privileged;
    unit_.tables().attach(function.source, 64, context);
  }

  void bind(const StormFunction& function, PagedSpace& space) override {
    if (legacy()) {
      vtd::LegacyContext context = space.context();
      if (function.translations && context.translation_type == 0) context.translation_type = 1;
      return unit_.tables().attach(function.source, context);
    }
    vtd::PasidEntry entry = space.entry();
    entry.supervisor_requests = function.supervisor;
    entry.execute_requests = function.execute;
    unit_.tables().set_entry(function.source, entry_of(function), entry);
  }

  bool unbind(const StormFunction& function, const PagedSpace& space) override {
    if (legacy()) {
      unit_.tables().detach(function.source);
    } else {
      unit_.tables().clear_present(function.source, entry_of(function));
    }
    forget_entry(function, space.shape().domain);
    if (legacy() || space.shape().second()) {
      forget_space(space);
    } else {
      Descriptor descriptor;
      descriptor.type = DescriptorType::pasid_iotlb;
      descriptor.granularity = Granularity::pasid;
      descriptor.domain = space.shape().domain;
      descriptor.pasid = entry_of(function);
      orders_.push_back(descriptor);
      forget_in_devices({}, Descriptor::every_address);
    }
    return !legacy();
  }

  // Linux: what was absent is cached under domain 0, as a context entry; as a PASID entry, it goes
  // with any domain.
  void announce(const StormFunction& function, const PagedSpace& space) override {
    forget_entry(function, legacy() ? DomainId() : space.shape().domain);
  }

  void forget_entry(const StormFunction& function, DomainId domain) {
    Descriptor descriptor;
    descriptor.domain = domain;
    if (legacy()) {
      descriptor.type = DescriptorType::context_cache;
      descriptor.granularity = Granularity::device;
      descriptor.source = function.source;
    } else {
      descriptor.type = DescriptorType::pasid_cache;
      descriptor.granularity = Granularity::pasid;
      descriptor.pasid = entry_of(function);
    }
    orders_.push_back(descriptor);
  }

  void forget_page(const PagedSpace& space, bool second, Iova at, unsigned level,
                   bool leaf_only) override {
    const auto mask = static_cast<std::uint8_t>(9 * (level - 1));
    if (mask > unit_.params().invalidation.max_address_mask) return forget_space(space);
    Descriptor descriptor;
    descriptor.granularity = Granularity::page;
    descriptor.domain = space.shape().domain;
    descriptor.address = at.page_base(leaf_size(level));
    descriptor.address_mask = mask;
    descriptor.leaf_only = leaf_only;
    descriptor.type = second ? DescriptorType::iotlb : DescriptorType::pasid_iotlb;
    descriptor.drain_reads = descriptor.drain_writes = second;
    // The same table may be that of every requester, each with its own PASID.
    for (const StormFunction& function : functions_) {
      descriptor.pasid = entry_of(function);
      orders_.push_back(descriptor);
      if (second) break;
    }
    const bool known = !(second && space.shape().nested());
    forget_in_devices(descriptor.address, known ? mask : Descriptor::every_address);
  }

  void forget_guest_frame(const PagedSpace& space, Iova at, bool leaf_only) override {
    forget_page(space, true, at, 1, leaf_only);
  }

  void forget_space(const PagedSpace& space) override {
    Descriptor descriptor;
    descriptor.type = DescriptorType::iotlb;
    descriptor.drain_reads = descriptor.drain_writes = true;
    descriptor.granularity = Granularity::domain;
    descriptor.domain = space.shape().domain;
    orders_.push_back(descriptor);
    forget_in_devices({}, Descriptor::every_address);
  }

  void forget_nothing() override {
    orders_.clear();
    device_orders_.clear();
  }

  void respond(const PageResponse& response) override {
    Descriptor descriptor;
    descriptor.type = DescriptorType::page_response;
    descriptor.source = response.source;
    descriptor.has_pasid = response.pasid != no_pasid;
    if (descriptor.has_pasid) descriptor.pasid = response.pasid;
    descriptor.group = response.group;
    descriptor.code = response.code;
    descriptor.last = true;
    responses_.push_back(descriptor);
  }

  void submit(bool at_once, std::function<void()> done) override {
    if (at_once && device_orders_.empty() && responses_.empty()) {
      for (const Descriptor& descriptor : std::exchange(orders_, {}))
        iommu().apply(*descriptor.invalidation());
      drained_ = false;
      return done();
    }
    // Whatever walks used of the earlier ones' is in flight when the last one takes effect.
    drained_ = !orders_.empty() && drains(orders_.back());
    for (const Descriptor& descriptor : std::exchange(orders_, {})) put(descriptor);
    // Device TLBs last: they may fill themselves again from the IOTLB. Answers after all of it.
    for (const Descriptor& descriptor : std::exchange(device_orders_, {})) put(descriptor);
    for (const Descriptor& descriptor : std::exchange(responses_, {})) put(descriptor);
    Descriptor wait;
    wait.status_write = true;
    wait.status_data = 1;
    wait.status_address = status_;
    put(wait);
    done_ = std::move(done);
    unit_.queue().write_tail(tail_);
  }

  void status_written(Hpa) override { std::exchange(done_, {})(); }
  void queue_stopped(std::uint32_t) override {
    ensure(false, "a descriptor of a storm was refused");
  }
  void invalidation_timed_out(Bdf) override { ensure(false, "a device of a storm did not answer"); }

 private:
  static vtd::UnitParams draw(Rng& rng) {
    vtd::UnitParams params;
    params.mode = rng.below(4) == 0 ? vtd::Mode::legacy : vtd::Mode::scalable;
    draw_caches(rng, params);
    auto& queue = params.invalidation;
    queue.drain = rng.below(2) == 0;
    queue.pasid_drain = rng.below(4) != 0;
    for (Ps* time : {&queue.doorbell, &queue.fetch, &queue.fetch_each, &queue.context_cache,
                     &queue.pasid_cache, &queue.iotlb, &queue.wait, &queue.device_tlb_send,
                     &queue.page_response})
      *time = storm_time(rng, 4);
    params.page_requests.entries = 128;
    params.page_requests.write = storm_time(rng, 10);
    return params;
  }

  bool drains(const Descriptor& descriptor) const {
    const auto& queue = unit_.params().invalidation;
    if (descriptor.type == DescriptorType::pasid_iotlb) return queue.pasid_drain;
    return queue.drain && descriptor.drain_reads;
  }

  // Where a function's PASID entry is, which for requests without a PASID is RID_PASID.
  static Pasid entry_of(const StormFunction& function) { return Pasid(16 + function.number); }

  void forget_in_devices(Iova at, std::uint8_t mask) {
    for (const StormFunction& function : functions_) {
      if (!function.device_tlb) continue;
      Descriptor descriptor;
      const bool with_pasid = function.pasid != no_pasid;
      descriptor.type = with_pasid ? DescriptorType::pasid_device_tlb : DescriptorType::device_tlb;
      descriptor.source = function.source;
      if (with_pasid) descriptor.pasid = function.pasid;
      descriptor.address = at;
      descriptor.address_mask = mask;
      device_orders_.push_back(descriptor);
    }
  }

  void put(const Descriptor& descriptor) {
    const auto words = descriptor.encode();
    const std::uint64_t size = unit_.queue().entry_size().count();
    const Hpa at = unit_.queue().base() + Bytes(tail_ * size);
    for (std::uint64_t offset = 0; offset < size; offset += 8)
      world_.memory.write(at + Bytes(offset), words[offset / 8]);
    tail_ = (tail_ + 1) % unit_.queue().entries();
  }

  StormWorld world_;
  vtd::Unit unit_;
  std::vector<StormFunction> functions_;
  std::vector<Descriptor> orders_;
  std::vector<Descriptor> device_orders_;
  std::vector<Descriptor> responses_;
  std::function<void()> done_;
  Hpa status_;
  std::uint32_t tail_ = 0;
};

}  // namespace

std::unique_ptr<StormSystem> make_vtd_system(const StormWorld& world) {
  return std::make_unique<VtdSystem>(world);
}

}  // namespace viosim::test
