// The kinds of event that a run's trace holds, and what their fields mean.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

namespace viosim {

enum class EventKind : std::uint16_t {
  translate,
  invalidate,
  map,
  unmap,
  // The parts of a request's time in an IOMMU, when it is no hit: one begins where the one before
  // ended, the first at the request's arrival. Parts that took no time are left out.
  look_up,
  wait,
  walk,
  answer,
  // The parts of the life of a request of a function with a translation cache, the same way: the
  // first begins where it was issued, the last ends where its `translate` event is.
  device_look_up,
  translation,
  taken_up,
  page,
  transfer,
  action,
  // Numbers, and who has them.
  allocate,
  free,
  table_write,
  bind,
  unbind,
  // Orders to hardware, and to what is emulated.
  submit,
  command,
  command_done,
  // Page requests, and what hardware reports.
  page_request,
  respond,
  group_answered,
  fault,
  // Functions that come and go.
  plug,
  vanish,
  unplug,
  reset,
  lock_wait,
  own_numbers,
  // Who gives a kernel its numbers, and how many.
  allocator,
  viommu,
  command_lost,
  id_set,
  // Guests' numbers and memory, as hosts have them.
  vcpu_pasid,
  second_stage,
  nested,
  // Descriptors that were not completed.
  timed_out,
  aborted,
  given_up,
  // Page requests that are lost, and what software makes of the others.
  request_dropped,
  group_taken,
  lock_order,
  // Of the scenario.
  injection,
  // Guests that go to other hosts.
  moved,
  // What leads a function to its tables.
  context_write,
  // What guests do with slices of functions.
  work,
  guest_memory,
  // What functions do with PASIDs.
  work_begun,
  // What passes before software acts on a plug or an unplug.
  probe_wait,
  removal_wait
};

constexpr bool is_part_of_request(EventKind kind) {
  return kind >= EventKind::look_up && kind <= EventKind::transfer;
}

// TraceEvent::code of a translation.
inline constexpr std::uint16_t outcome_hit = 0;
inline constexpr std::uint16_t outcome_miss = 1;
inline constexpr std::uint16_t outcome_no_page = 2;
constexpr std::uint16_t outcome_fault(std::uint16_t reason) {
  return static_cast<std::uint16_t>(0x100U | reason);
}

// Parts of other events' fields.
namespace trace_code {
// TraceEvent::code of an allocation: the allocator does not know the number that it gave.
inline constexpr std::uint16_t untracked = 1;
// TraceEvent::code of an allocator's event.
inline constexpr std::uint16_t allocator_registered = 1;
inline constexpr std::uint16_t allocator_left = 2;
inline constexpr std::uint16_t allocator_ended = 3;  // its kernel shuts down, and its numbers end
inline constexpr std::uint16_t allocator_kept =
    4;  // its kernel knows that it is gone, and keeps it
// TraceEvent::code of a vIOMMU's event.
inline constexpr std::uint16_t viommu_gone = 0;
inline constexpr std::uint16_t viommu_there = 1;
inline constexpr std::uint16_t viommu_leaves = 2;  // but for its commands
// TraceEvent::code of an invalidation: VT-d's descriptor type, or this and the type of RISC-V's command.
inline constexpr std::uint16_t riscv_command = 0x100;
// TraceEvent::code of a set's event.
inline constexpr std::uint16_t set_gone = 1;
// TraceEvent::code of a table write; of a context entry's, set, cleared or zeroed.
inline constexpr std::uint16_t entry_set = 1;
inline constexpr std::uint16_t entry_cleared = 2;
inline constexpr std::uint16_t entry_changed = 3;
inline constexpr std::uint16_t entry_zeroed = 4;
inline constexpr std::uint16_t entry_fields = 5;
inline constexpr std::uint16_t entry_replaced = 6;  // as a whole, by another one
// TraceEvent::code of a processor's translation of a PASID.
inline constexpr std::uint16_t translation_removed = 0;
inline constexpr std::uint16_t translation_set = 1;
// TraceEvent::code of a bind or unbind: of a process of the same kernel; of a host's number, for the guest that the
// component is of.
inline constexpr std::uint16_t of_process = 0;
inline constexpr std::uint16_t for_guest = 1;
// Of the function's requests that have no PASID; the number is RID_PASID.
inline constexpr std::uint16_t without_pasid = 2;
// TraceEvent::code of work of a slice: its PASID came with ENQCMD, and was not written into a register.
inline constexpr std::uint16_t by_enqcmd = 1;
// TraceEvent::code of what passes before a probe or a removal.
inline constexpr std::uint16_t wait_begun = 0;
inline constexpr std::uint16_t wait_over = 1;
inline constexpr std::uint16_t wait_given_up =
    2;  // pressed again, overtaken, or its machine has stopped
// TraceEvent::code of a page request: its PASID is 0, which is not the same as none.
inline constexpr std::uint16_t has_pasid_zero = 1;
// TraceEvent::code of a command's end, besides status codes: nobody waits for it any more.
inline constexpr std::uint16_t command_dropped = 0x100;
// TraceEvent::code of a free: 0 when the number is nobody's now, or why not (Linux' numbers).
inline constexpr std::uint16_t pending = 115;  // EINPROGRESS: until others let go of it
// Its allocator left without it (ENXIO): the backend was not told, and its owner still has it.
inline constexpr std::uint16_t orphaned = 6;
}  // namespace trace_code

// TraceEvent::value of a table write.
struct EntryWritten {
  std::uint16_t source = 0;
  std::uint16_t domain = 0;
  std::uint8_t type = 0;          // PGTT
  bool device_tlb = false;        // translations are cached in the function, and it is there
  bool caching = false;           // CM: the hypervisor flushes the function's TLB
  std::uint32_t pasid_limit = 0;  // the function's PASIDs are below; 0: not known
  bool quiet = false;             // FPD: faults are not reported
  constexpr std::uint64_t encode() const {
    return source | std::uint64_t{domain} << 16U | std::uint64_t{type} << 32U |
           std::uint64_t{device_tlb} << 40U | std::uint64_t{caching} << 41U |
           std::uint64_t{pasid_limit} << 42U | std::uint64_t{quiet} << 63U;
  }
  static constexpr EntryWritten decode(std::uint64_t bits) {
    return {static_cast<std::uint16_t>(bits),
            static_cast<std::uint16_t>(bits >> 16U),
            static_cast<std::uint8_t>(bits >> 32U),
            (bits >> 40U & 1U) != 0,
            (bits >> 41U & 1U) != 0,
            static_cast<std::uint32_t>(bits >> 42U & 0x1fffffU),
            (bits >> 63U & 1U) != 0};
  }
};

// TraceEvent::value of a context entry's write.
struct ContextWritten {
  std::uint16_t source = 0;
  bool device_tlb = false;  // translations are cached in the function, and it is there
  bool caching = false;     // CM
  constexpr std::uint64_t encode() const {
    return source | std::uint64_t{device_tlb} << 40U | std::uint64_t{caching} << 41U;
  }
  static constexpr ContextWritten decode(std::uint64_t bits) {
    return {static_cast<std::uint16_t>(bits), (bits >> 40U & 1U) != 0, (bits >> 41U & 1U) != 0};
  }
};

// TraceEvent::value of a page request, of its response and of a group's answer.
struct GroupBits {
  std::uint16_t source = 0;
  std::uint16_t group = 0;  // PRG index
  bool last = false;
  bool read = false;
  bool write = false;
  bool private_data = false;
  // Whether it is answered, for its whole group (VT-d 3.x, 7.7).
  constexpr bool closes_group() const { return last || private_data; }
  constexpr bool stop_marker() const { return last && !read && !write; }
  constexpr std::uint64_t encode() const {
    return source | std::uint64_t{group} << 16U | std::uint64_t{last} << 32U |
           std::uint64_t{read} << 33U | std::uint64_t{write} << 34U |
           std::uint64_t{private_data} << 35U;
  }
  static constexpr GroupBits decode(std::uint64_t bits) {
    return {static_cast<std::uint16_t>(bits), static_cast<std::uint16_t>(bits >> 16U),
            (bits >> 32U & 1U) != 0,          (bits >> 33U & 1U) != 0,
            (bits >> 34U & 1U) != 0,          (bits >> 35U & 1U) != 0};
  }
};

// One row of the run database's event_kind table. An empty meaning: the field is not used.
struct EventKindInfo {
  EventKind kind;
  std::string_view name;
  std::string_view sentence;
  std::string_view address;  // what TraceEvent::address holds
  std::string_view value;
  std::string_view code;
};

std::span<const EventKindInfo> event_kinds();
std::string_view name_of(EventKind kind);

}  // namespace viosim
