// What each register reads as, and what writing to it does.
// SPDX-License-Identifier: Apache-2.0
#include "models/iommu/vtd/registers.hpp"

#include "core/base/error.hpp"
#include "models/iommu/bits.hpp"

#include <bit>

namespace viosim::vtd {
namespace {

constexpr std::uint64_t bit(unsigned number) { return std::uint64_t{1} << number; }
constexpr std::uint64_t low_half = 0xffffffff;
constexpr unsigned mode_shift = 10;              // RTADDR.TTM
constexpr std::uint64_t wide_entries = bit(11);  // IQA.DW
constexpr std::uint64_t size_bits = 7;           // IQA.QS
constexpr std::uint64_t most_pages = 1U << size_bits;

}  // namespace

Registers::Registers(Unit& unit)
    : unit_(unit),
      root_address_(unit.tables().root().value() |
                    (unit.params().mode == Mode::scalable ? bit(mode_shift) : 0)) {}

// 16 bits of domain ids; second-level tables of 3, 4 and 5 levels, 57 bits, with 2 MiB and 1 GiB
// pages; page-selective invalidation; zero-length reads.
std::uint64_t Registers::capabilities() const {
  const InvalidationQueueParams& queue = unit_.queue().params();
  std::uint64_t value = 6U | std::uint64_t{0b01110} << 8U | std::uint64_t{56} << 16U | bit(22) |
                        std::uint64_t{0b0011} << 34U | bit(39) | bit(56) | bit(60) | bit(63);
  if (unit_.params().caching_mode) value |= bit(7);
  value |= std::uint64_t{queue.max_address_mask} << 48U;
  value |= std::uint64_t{reg::frcd / 16} << 24U;  // FRO
  value |= std::uint64_t{unit_.params().fault_records - 1} << 40U;
  if (queue.drain) value |= bit(54) | bit(55);
  return value;
}

std::uint64_t Registers::extended_capabilities() const {
  // Coherent, queued invalidation, device TLBs, pass-through, snoop control.
  const std::uint64_t value = bit(0) | bit(1) | bit(2) | bit(6) | bit(7);
  // Legacy context entries allow no page requests.
  if (unit_.params().mode == Mode::legacy) return value;
  // PRS, PDS; nested, supervisor and execute requests, extended accessed flag; 20 bits of PASID; device-TLB
  // throttling by physical function; scalable mode with second-level accessed and dirty, second and
  // first level; RID_PASID.
  return value | bit(29) | bit(42) | bit(26) | bit(30) | bit(31) | bit(34) |
         std::uint64_t{19} << 35U | bit(40) | bit(41) | bit(43) | bit(45) | bit(46) | bit(47) |
         bit(48) | bit(49);
}

std::uint32_t Registers::global_status() const {
  return (unit_.translates() ? global::translation : 0) |
         (root_pointer_set_ ? global::root_pointer : 0) |
         (unit_.queue().enabled() ? global::queue : 0);
}

std::uint32_t Registers::fault_status() const {
  const InvalidationErrors& errors = unit_.queue().errors();
  const FaultRecords& faults = unit_.faults();
  return (faults.overflow() ? fault_status::overflow : 0) |
         (faults.pending() ? fault_status::pending | faults.first() << 8U : 0) |
         (errors.queue ? fault_status::queue_error : 0) |
         (errors.completion ? fault_status::completion_error : 0) |
         (errors.timeout ? fault_status::timeout_error : 0);
}

std::uint64_t Registers::queue_address() const {
  const InvalidationQueue& queue = unit_.queue();
  const std::uint64_t pages = queue.entries() * queue.entry_size().count() / page_4k.count();
  ensure(pages >= 1 && pages <= most_pages,
         "an invalidation queue has a ring that IQA cannot name");
  return queue.base().value() | (entry_shift() == 5 ? wide_entries : 0) |
         static_cast<std::uint64_t>(std::countr_zero(pages));
}

std::uint64_t Registers::queue_errors() const {
  const InvalidationErrors& errors = unit_.queue().errors();
  return static_cast<std::uint64_t>(errors.reason) |
         std::uint64_t{errors.timed_out.value()} << 32U |
         std::uint64_t{errors.unexpected.value()} << 48U;
}

std::uint64_t Registers::word(std::uint32_t offset) const {
  if (of_fault_record(offset)) return fault_record(offset);
  constexpr std::uint64_t version = 0x60;  // 6.0
  switch (offset) {
    case reg::ver:
      return version;
    case reg::cap:
      return capabilities();
    case reg::ecap:
      return extended_capabilities();
    case reg::gcmd:  // GCMD is write-only; GSTS is the upper half
      return std::uint64_t{global_status()} << 32U;
    case reg::rtaddr:
      return root_address_;
    case reg::fsts - 4:
      return std::uint64_t{fault_status()} << 32U;
    case reg::iqh:
      return std::uint64_t{unit_.queue().head()} << entry_shift();
    case reg::iqt:
      return tail_;
    case reg::iqa:
      return queue_address();
    case reg::ics - 4:
      return std::uint64_t{unit_.queue().wait_interrupt_pending() ? 1U : 0U} << 32U;
    case reg::iqer:
      return queue_errors();
    case reg::fectl:
    case reg::feaddr:
    case reg::iectl:
    case reg::ieaddr:
    case reg::pectl:
    case reg::peaddr:
      return event_word(offset);
    case reg::pqh:
      return unit_.page_requests().head() * PageRequestEntry::size.count();
    case reg::pqt:
      return unit_.page_requests().tail() * PageRequestEntry::size.count();
    case reg::pqa:
      return page_request_address();
    case reg::prs - 4:
      return std::uint64_t{(unit_.page_requests().pending() ? page_status::pending : 0) |
                           (unit_.page_requests().overflow() ? page_status::overflow : 0)}
             << 32U;
    default:
      return 0;
  }
}

std::uint32_t Registers::read32(std::uint32_t offset) const {
  ensure(offset % 4 == 0, "a register was read at an odd offset");
  return static_cast<std::uint32_t>(word(offset & ~7U) >> (offset % 8 == 0 ? 0U : 32U));
}

std::uint64_t Registers::read64(std::uint32_t offset) const {
  ensure(offset % 8 == 0, "a register was read at an odd offset");
  return word(offset);
}

void Registers::write32(std::uint32_t offset, std::uint32_t value) {
  ensure(offset % 4 == 0, "a register was written at an odd offset");
  if (of_fault_record(offset)) {  // F, in the last of four words, is cleared by a one
    if (offset % 16 == 12 && (value >> 31U) != 0) unit_.faults().clear((offset - reg::frcd) / 16);
    return;
  }
  switch (offset) {
    case reg::gcmd:
      return write_global_command(value);
    case reg::fsts:
      return write_fault_status(value);
    case reg::ics:
      if ((value & 1U) != 0) unit_.queue().clear_wait_interrupt();
      return;
    case reg::iqt:
      return write_tail(value);
    case reg::pqh:
    case reg::prs:
      return write_page_request(offset, value);
    case reg::fectl:
    case reg::fedata:
    case reg::feaddr:
    case reg::feuaddr:
    case reg::iectl:
    case reg::iedata:
    case reg::ieaddr:
    case reg::ieuaddr:
    case reg::pectl:
    case reg::pedata:
    case reg::peaddr:
    case reg::peuaddr:
      return write_event(offset, value);
    case reg::rtaddr:
    case reg::iqa:
    case reg::pqa:
      return write64(offset, (word(offset) & ~low_half) | value);
    case reg::rtaddr + 4:
    case reg::iqa + 4:
    case reg::pqa + 4:
      return write64(offset - 4, (word(offset - 4) & low_half) | std::uint64_t{value} << 32U);
    default:
      return;
  }
}

void Registers::write64(std::uint32_t offset, std::uint64_t value) {
  ensure(offset % 8 == 0, "a register was written at an odd offset");
  if (of_fault_record(offset)) return write32(offset + 4, static_cast<std::uint32_t>(value >> 32U));
  switch (offset) {
    case reg::pqh:
    case reg::pqa:
      return write_page_request(offset, value);
    case reg::prs - 4:
      return write32(reg::prs, static_cast<std::uint32_t>(value >> 32U));
    case reg::fectl:
    case reg::feaddr:
    case reg::iectl:
    case reg::ieaddr:
    case reg::pectl:
    case reg::peaddr:
      write_event(offset, static_cast<std::uint32_t>(value));
      return write_event(offset + 4, static_cast<std::uint32_t>(value >> 32U));
    case reg::rtaddr:
      root_address_ = value & (frame_bits | std::uint64_t{3} << mode_shift);
      return;
    case reg::iqt:
      return write_tail(value);
    case reg::iqa:
      return write_queue_address(value);
    case reg::gcmd:  // and GSTS, which is read-only
      return write_global_command(static_cast<std::uint32_t>(value));
    case reg::fsts - 4:
      return write_fault_status(static_cast<std::uint32_t>(value >> 32U));
    case reg::ics - 4:
      return write32(reg::ics, static_cast<std::uint32_t>(value >> 32U));
    default:
      return;
  }
}

// Software writes the status back with one bit changed. SRTP is a command, the others are states.
void Registers::write_global_command(std::uint32_t value) {
  if ((value & global::root_pointer) != 0) {
    root_pointer_set_ = true;
    unit_.set_root(Hpa(root_address_ & frame_bits),
                   static_cast<RootMode>(root_address_ >> mode_shift & 3U));
  }
  unit_.enable_translation((value & global::translation) != 0);
  unit_.queue().enable((value & global::queue) != 0);
}

void Registers::write_fault_status(std::uint32_t value) {
  if ((value & fault_status::overflow) != 0) unit_.faults().clear_overflow();
  unit_.queue().clear((value & fault_status::queue_error) != 0,
                      (value & fault_status::completion_error) != 0,
                      (value & fault_status::timeout_error) != 0);
}

// Read back as it was written, whatever the queue makes of it.
void Registers::write_tail(std::uint64_t value) {
  constexpr std::uint64_t tail_bits = 0x7fff0;
  tail_ = value & tail_bits;
  unit_.queue().write_tail_register(tail_);
}

// Ignored while the queue is enabled, as software must not do that.
void Registers::write_queue_address(std::uint64_t value) {
  if (unit_.queue().enabled()) return;
  const bool wide = (value & wide_entries) != 0;
  const std::uint64_t bytes = page_4k.count() << (value & size_bits);
  unit_.queue().set_ring(Hpa(value & frame_bits),
                         static_cast<std::uint32_t>(bytes / (wide ? 32 : 16)), wide);
}

}  // namespace viosim::vtd
