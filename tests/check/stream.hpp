// Event streams made by hand: a host with a function and two guests, and what happens to them.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "models/iommu/vtd/descriptor.hpp"
#include "sim/check/checker.hpp"

#include <cstdint>
#include <string>
#include <vector>

namespace viosim::test {

// Each event comes a nanosecond after the last.
class Stream {
 public:
  enum Component : std::uint32_t {
    pasids,
    driver,
    queue,
    device,
    app,
    vfio,
    guest_pasids,
    viommu,
    guest_app,
    other_vfio,
    other_viommu,
    viommu_driver,
    vfio_elsewhere,
    pasids_elsewhere,
    cpus_elsewhere,
    driver_elsewhere,
    components
  };
  static std::vector<std::string> paths() {
    return {"host0.kernel.pasids",
            "host0.dmar0.driver",
            "host0.dmar0.invalidation_queue",
            "host0.acc",
            "host0.app",
            "host0.vm[0].vfio",
            "host0.vm[0].kernel.pasids",
            "host0.vm[0].v0",
            "host0.vm[0].app",
            "host0.vm[1].vfio",
            "host0.vm[0].v1",
            "host0.vm[0].v0.driver",
            "host0.vm[0].vfio[host.1]",
            "host[1].kernel.pasids",
            "host0.vm[0].pasid_translation[host.1]",
            "host[1].dmar0.driver"};
  }
  static constexpr std::uint16_t source = 0x100;
  static constexpr std::uint16_t domain = 7;
  static constexpr std::uint64_t page = 0x7000;

  Stream() { emit(EventKind::plug, device, 0, 0, {.address = 2, .value = source}); }

  struct Fields {
    std::uint64_t address = 0;
    std::uint64_t value = 0;
    std::uint16_t code = 0;
    std::int64_t duration = 0;
  };
  Stream& emit(EventKind kind, Component component, std::uint32_t pasid, std::uint32_t epoch,
               const Fields& fields) {
    time_ += 1000;
    TraceEvent event;
    event.time = time_;
    event.duration = fields.duration;
    event.address = fields.address;
    event.value = fields.value;
    event.component = component;
    event.pasid = pasid;
    event.epoch = epoch;
    event.kind = static_cast<std::uint16_t>(kind);
    event.code = fields.code;
    events_.push_back(event);
    return *this;
  }

  Stream& wait(std::int64_t ps) {
    time_ += ps;
    return *this;
  }

  static constexpr std::uint64_t owner(Component who) { return std::uint64_t{1} + who; }
  Stream& allocate(std::uint32_t pasid, std::uint32_t epoch, std::uint64_t whose = 0,
                   std::uint32_t lowest = 1, std::uint32_t highest = 100) {
    return emit(EventKind::allocate, pasids, pasid, epoch,
                {.address = lowest | std::uint64_t{highest} << 32U, .value = whose});
  }
  // In the guest's own kernel.
  Stream& guest_allocates(std::uint32_t pasid) {
    return emit(EventKind::allocate, guest_pasids, pasid, 1,
                {.address = 1U | std::uint64_t{100} << 32U});
  }
  Stream& bind(std::uint32_t pasid, std::uint32_t epoch) {
    return emit(EventKind::bind, app, pasid, epoch, {.address = pasid, .value = source});
  }
  Stream& unbind(std::uint32_t pasid, std::uint32_t epoch) {
    return emit(EventKind::unbind, app, pasid, epoch, {.address = pasid, .value = source});
  }
  Stream& free(std::uint32_t pasid, std::uint32_t epoch, std::uint64_t whose = 0,
               std::uint16_t code = 0) {
    return emit(EventKind::free, pasids, pasid, epoch, {.value = whose, .code = code});
  }
  Stream& write(std::uint16_t how, std::uint32_t pasid, std::uint32_t epoch,
                bool device_tlb = true) {
    const EntryWritten written{source, domain, 1, device_tlb, false, 64};
    return emit(EventKind::table_write, driver, pasid, epoch,
                {.value = written.encode(), .code = how});
  }
  Stream& flush(const vtd::Descriptor& descriptor) {
    const vtd::DescriptorBits bits = descriptor.encode();
    return emit(EventKind::invalidate, queue, descriptor.pasid.value(), 0,
                {.address = bits[1],
                 .value = bits[0],
                 .code = static_cast<std::uint16_t>(descriptor.type)});
  }
  Stream& flush_pasid_cache(std::uint32_t pasid) {
    return flush(of_pasid(vtd::DescriptorType::pasid_cache, pasid));
  }
  Stream& flush_iotlb(std::uint32_t pasid) {
    return flush(of_pasid(vtd::DescriptorType::pasid_iotlb, pasid));
  }
  Stream& flush_device_tlb(std::uint32_t pasid) {
    vtd::Descriptor descriptor = of_pasid(vtd::DescriptorType::pasid_device_tlb, pasid);
    descriptor.source = Bdf(source);
    descriptor.address_mask = vtd::Descriptor::every_address;
    return flush(descriptor);
  }
  Stream& tear_down(std::uint32_t pasid, std::uint32_t epoch) {
    return write(trace_code::entry_cleared, pasid, epoch)
        .flush_pasid_cache(pasid)
        .flush_iotlb(pasid)
        .flush_device_tlb(pasid)
        .write(trace_code::entry_zeroed, pasid, epoch);
  }
  // A number that lives, is used, and is given back as it should be.
  Stream& life(std::uint32_t pasid, std::uint32_t epoch) {
    return allocate(pasid, epoch)
        .write(trace_code::entry_set, pasid, epoch)
        .tear_down(pasid, epoch)
        .free(pasid, epoch);
  }
  Stream& ask(std::uint32_t pasid, std::uint32_t epoch, std::uint16_t group, bool last = true,
              std::int64_t duration = 0) {
    const GroupBits bits{source, group, last, true, false};
    return emit(EventKind::page_request, device, pasid, epoch,
                {.address = page, .value = bits.encode(), .duration = duration});
  }
  Stream& respond(std::uint32_t pasid, std::uint32_t epoch, std::uint16_t group,
                  std::uint16_t code = 0) {
    return emit(EventKind::respond, queue, pasid, epoch,
                {.value = GroupBits{source, group}.encode(), .code = code});
  }
  Stream& answered(std::uint32_t pasid, std::uint32_t epoch, std::uint16_t group) {
    return emit(EventKind::group_answered, device, pasid, epoch,
                {.value = GroupBits{source, group}.encode()});
  }
  // A request that takes so long, and ends now.
  Stream& use(std::uint32_t pasid, std::uint32_t epoch, std::int64_t duration,
              std::uint16_t outcome = outcome_hit, std::uint64_t address = page) {
    return emit(EventKind::translate, device, pasid, epoch,
                {.address = address, .value = 0xa000, .code = outcome, .duration = duration});
  }

  const std::vector<TraceEvent>& events() const { return events_; }
  std::vector<check::Violation> violations(bool ended = true,
                                           const check::Limits& limits = {}) const {
    check::Checker checker(paths(), limits);
    for (const TraceEvent& event : events_) checker.observe(event);
    if (ended) checker.finish();
    return checker.violations();
  }
  // "I8 I9": in the order in which they were found.
  std::string found(bool ended = true) const {
    std::string text;
    for (const check::Violation& violation : violations(ended))
      text += (text.empty() ? "" : " ") + check::name_of(violation.invariant);
    return text;
  }

 private:
  static vtd::Descriptor of_pasid(vtd::DescriptorType type, std::uint32_t pasid) {
    vtd::Descriptor descriptor;
    descriptor.type = type;
    descriptor.granularity = vtd::Granularity::pasid;
    descriptor.domain = DomainId(domain);
    descriptor.pasid = Pasid(pasid);
    return descriptor;
  }

  std::int64_t time_ = 0;
  std::vector<TraceEvent> events_;
};

}  // namespace viosim::test
