// Parameters and counters of an emulated VT-d.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/base/fields.hpp"
#include "core/base/stats.hpp"
#include "models/kernel/kernel_iommu.hpp"
#include "models/vmm/virtual_command_format.hpp"

#include <cstdint>

namespace viosim {

struct ViommuParams {
  VcmdLayout layout = VcmdLayout::current;
  bool offer_pasids = true;
  bool asynchronous_commands = false;
  Ps command_wake_up = 3us;
  bool commands_hang = false;
  bool complete_before_eject = true;
  std::uint32_t page_request_entries = 2048;
  bool skip_flush_of_bind = true;
  bool forward_device_tlb = false;
  bool kill_on_bind_failure = false;
  bool early_waits = false;
  bool direct_invalidation = false;
  std::uint8_t address_width = 48;
  std::uint8_t address_widths = 6;
  std::uint8_t pasid_bits = 20;
  std::uint8_t domain_bits = 16;
  std::uint8_t max_address_mask = 18;
  std::uint8_t large_pages = 3;
  bool pass_through = true;

  static constexpr auto fields() {
    using P = ViommuParams;
    return Fields{
        field("layout", &P::layout, "Layout of the virtual command registers."),
        field("offer_pasids", &P::offer_pasids,
              "Virtual commands allocate PASIDs (VCCAP.PAS), where the host's are system-wide."),
        field("asynchronous_commands", &P::asynchronous_commands,
              "A thread of the hypervisor carries commands out, and the guest polls meanwhile. "
              "Otherwise the vCPU that wrote the command does."),
        field("command_wake_up", &P::command_wake_up,
              "Waking that thread up, from the command's write to its start on it.",
              "assumed: as the host's page request thread, 2-10 us"),
        field("commands_hang", &P::commands_hang,
              "No command is ever completed: an error of the hypervisor, for tests of the guest."),
        field("complete_before_eject", &P::complete_before_eject,
              "A vIOMMU that is taken away goes on with its guest's commands, frees of its PASIDs "
              "among them, until the guest's kernel has unregistered it. Otherwise who has "
              "written one polls registers that are not there any more."),
        field("page_request_entries", &P::page_request_entries,
              "Entries of the guest's page request queue.", "Linux 6.1 uses 2048")
            .power_of_two()
            .from(128)
            .to(16384),  // what PQA_REG can name
        field("skip_flush_of_bind", &P::skip_flush_of_bind,
              "The flush of a whole PASID that follows its bind is not forwarded: the host has "
              "flushed. Right for guests that send flushes for a device only once it is bound."),
        field("forward_device_tlb", &P::forward_device_tlb,
              "Device-TLB descriptors are forwarded, too. The host flushes device TLBs with every "
              "flush of the IOTLB anyway."),
        field("kill_on_bind_failure", &P::kill_on_bind_failure,
              "The machine is killed when the host refuses a bind, which no descriptor can report "
              "to the guest. Otherwise the PASID stays unbound, and its DMA faults."),
        field("early_waits", &P::early_waits,
              "Wait descriptors complete before what is ahead of them has been done in the host: "
              "an error of the hypervisor, for tests."),
        field("direct_invalidation", &P::direct_invalidation,
              "Flushes of translations and device TLBs go to hardware by a queue that is mapped "
              "into the guest. Its doorbell does not leave the guest; other descriptors are "
              "trapped nevertheless.",
              "off: VT-d has no such queue; those of other architectures have (CMDQV of SMMUv3)"),
        field(
            "address_width", &P::address_width,
            "Bits of guest-physical addresses that its second level translates (MGAW), as the "
            "guest reads it. It is compared and limits nothing: guests use the first level, whose "
            "addresses it is not about. A unit that is plugged in with fewer bits than others "
            "have is refused (-EFAULT); so for the next four.")
            .any_of(39, 48, 57),
        field("address_widths", &P::address_widths,
              "Widths of its second-level tables (SAGAW): the sum of 2 for 39 bits, 4 for 48 and 8 "
              "for 57.")
            .from(2)
            .to(14)
            .multiple_of(2),
        field("pasid_bits", &P::pasid_bits, "Bits of its PASIDs (PSS).").from(1).to(20),
        field("domain_bits", &P::domain_bits, "Bits of its domain ids (ND).")
            .from(4)
            .to(16)
            .multiple_of(2),
        field("max_address_mask", &P::max_address_mask,
              "An invalidation is of up to 2 to this many pages (MAMV).")
            .to(63),
        field(
            "large_pages", &P::large_pages,
            "Large pages of second levels (SSLPS): the sum of 1 for 2 MiB and 2 for 1 GiB. A unit "
            "that is plugged in without those that others have is refused (-ENXIO); so for the "
            "next.")
            .to(3),
        field("pass_through", &P::pass_through, "It can pass requests through untranslated (PT).")};
  }
  bool operator==(const ViommuParams&) const = default;
};

struct ViommuStats {
  std::uint64_t descriptors = 0;
  std::uint64_t bound = 0;
  std::uint64_t bind_failed = 0;
  std::uint64_t unbound = 0;
  std::uint64_t rebound = 0;
  std::uint64_t attached = 0;
  std::uint64_t unsupported = 0;
  std::uint64_t flushes = 0;
  std::uint64_t flushes_skipped = 0;
  std::uint64_t page_requests = 0;
  std::uint64_t page_overflows = 0;
  std::uint64_t pages_dropped = 0;
  std::uint64_t responses = 0;
  std::uint64_t responses_refused = 0;
  std::uint64_t queue_errors = 0;

  static constexpr auto fields() {
    using S = ViommuStats;
    return Fields{
        metric("descriptors", &S::descriptors, Unit::count, "Descriptors taken from the guest."),
        metric("bound", &S::bound, Unit::count, "Page tables bound in the host."),
        metric("bind_failed", &S::bind_failed, Unit::count, "Binds that the host refused."),
        metric("unbound", &S::unbound, Unit::count, "Page tables unbound."),
        metric("rebound", &S::rebound, Unit::count,
               "Changed entries: replaced in the host, with a gap for DMA where it can only unbind "
               "and bind again."),
        metric("attached", &S::attached, Unit::count,
               "Entries that pass requests through to guest physical addresses."),
        metric("unsupported", &S::unsupported, Unit::count,
               "Entries that cannot be shadowed: second-level ones."),
        metric("flushes", &S::flushes, Unit::count, "Invalidations forwarded to the host."),
        metric("flushes_skipped", &S::flushes_skipped, Unit::count,
               "Invalidations that the host had no need of: those of a bind."),
        metric("page_requests", &S::page_requests, Unit::count,
               "Page requests put into the guest's queue."),
        metric("page_overflows", &S::page_overflows, Unit::count, "Overflows of that queue."),
        metric("pages_dropped", &S::pages_dropped, Unit::count,
               "Page requests dropped because it was full."),
        metric("responses", &S::responses, Unit::count, "Answers of the guest passed on."),
        metric("responses_refused", &S::responses_refused, Unit::count,
               "Answers of the guest to page requests that wait no more."),
        metric("queue_errors", &S::queue_errors, Unit::count,
               "Descriptors that were not understood: the guest's queue stopped.")};
  }
};

// What an emulated unit says of itself.
constexpr IommuAbilities viommu_abilities(const ViommuParams& params, bool virtual_commands) {
  IommuAbilities can;
  can.address_width = params.address_width;
  can.address_widths = params.address_widths;
  can.pasid_bits = params.pasid_bits;
  can.domain_bits = params.domain_bits;
  can.max_address_mask = params.max_address_mask;
  can.large_pages = params.large_pages;
  can.pass_through = params.pass_through;
  can.caching_mode = true;
  can.emulated = true;
  can.nesting = false;
  can.virtual_commands = virtual_commands;
  return can;
}

}  // namespace viosim
