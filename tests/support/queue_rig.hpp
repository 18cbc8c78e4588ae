// A VT-d unit on the bare agenda, with software that fills its invalidation queue and functions that
// answer invalidation requests; everything that software is told is logged with its instant.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/des/agenda.hpp"
#include "models/event_order.hpp"
#include "models/host/physical_memory.hpp"
#include "models/iommu/vtd/unit.hpp"

#include <fmt/format.h>

#include <cstdint>
#include <string>
#include <vector>

namespace viosim::test {

// A function with a translation cache that takes `work` for a request; by itself, or when told.
class FakeFunction final : public AtsFunction, EventHandler {
 public:
  static constexpr Ps link = 200ns;
  FakeFunction(Agenda& agenda, vtd::Unit& unit, Bdf source, Ps work = 300ns)
      : agenda_(agenda), unit_(unit), source_(source), work_(work) {
    unit.attach_ats(source, *this, link);
  }
  void invalidate(const AtsInvalidation& message) override {
    requests.push_back(message);
    sent_at.push_back(Ps(agenda_.now().ps()));
    if (answers)
      agenda_.schedule(agenda_.now() + link + work_, rank(EventClass::arrival, 1), *this,
                       message.tag);
  }
  void answer(const PageResponse& response) override { responses.push_back(response); }
  void fire(std::uint64_t tag) override { complete(std::uint32_t{1} << tag); }
  void complete(std::uint32_t tags) { unit_.invalidated(source_, tags); }

  bool answers = true;
  std::vector<AtsInvalidation> requests;
  std::vector<Ps> sent_at;
  std::vector<PageResponse> responses;

 private:
  Agenda& agenda_;
  vtd::Unit& unit_;
  Bdf source_;
  Ps work_;
};

class QueueRig final : public vtd::InvalidationListener {
 public:
  using Log = std::vector<std::string>;

  explicit QueueRig(const vtd::UnitParams& params = {})
      : unit("dmar0", params, 0, agenda, memory, 1), status(memory.allocate_frames()) {
    unit.queue().listen(*this);
  }

  vtd::InvalidationQueue& queue() { return unit.queue(); }
  void put(const vtd::DescriptorBits& bits) {
    const std::uint64_t size = queue().entry_size().count();
    const Hpa at = queue().base() + Bytes(tail * size);
    for (std::uint64_t offset = 0; offset < size; offset += 8)
      memory.write(at + Bytes(offset), bits[offset / 8]);
    tail = (tail + 1) % queue().entries();
  }
  void put(const vtd::Descriptor& descriptor) { put(descriptor.encode()); }
  void put_wait(std::uint32_t data, bool fence = false) { put(wait(data, fence)); }
  void submit() { queue().write_tail(tail); }
  // All events up to this instant, at which software acts next; or until nothing is left to happen.
  void run_to(Ps instant) {
    agenda.run_before(Instant(instant + Ps(1)));
    agenda.software_acts_at(Instant(instant));
  }
  void run() { agenda.run_before(Instant::latest()); }

  vtd::Descriptor wait(std::uint32_t data, bool fence = false) const {
    vtd::Descriptor d;
    d.status_write = true;
    d.status_data = data;
    d.status_address = status;
    d.fence = fence;
    return d;
  }
  static vtd::Descriptor device_tlb(Bdf source, std::uint8_t depth = 0) {
    vtd::Descriptor d;
    d.type = vtd::DescriptorType::device_tlb;
    d.source = source;
    d.queue_depth = depth;
    d.address_mask = vtd::Descriptor::every_address;
    return d;
  }
  static vtd::Descriptor iotlb() {
    vtd::Descriptor d;
    d.type = vtd::DescriptorType::iotlb;
    return d;
  }

  void descriptor_executed(std::uint64_t how_many) override {
    note(fmt::format("{} done", how_many));
  }
  void status_written(Hpa) override {
    note(fmt::format("status {}", static_cast<std::uint32_t>(memory.read(status))));
  }
  void wait_aborted(Hpa) override { note("wait aborted"); }
  void wait_interrupt() override { note("interrupt"); }
  void queue_stopped(std::uint32_t head) override { note(fmt::format("IQE at {}", head)); }
  void invalidation_timed_out(Bdf source) override { note("ITE " + source.text()); }
  void unexpected_completion(Bdf source) override { note("ICE " + source.text()); }

  Agenda agenda;
  PhysicalMemory memory;
  vtd::Unit unit;
  Hpa status;
  std::uint32_t tail = 0;
  Log log;

 private:
  void note(const std::string& what) {
    log.push_back(fmt::format("{} {}", to_text(Ps(agenda.now().ps())), what));
  }
};

}  // namespace viosim::test
