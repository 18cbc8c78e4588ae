// The registers of faults, of page requests, and of the interrupts about them.
// SPDX-License-Identifier: Apache-2.0
#include "models/iommu/bits.hpp"
#include "models/iommu/vtd/registers.hpp"

#include <bit>

namespace viosim::vtd {
namespace {

constexpr std::uint32_t entries_of_a_page = 128;

std::uint32_t control_of(const EventControl& event) {
  return (event.masked() ? event_control::masked : 0) |
         (event.pending() ? event_control::pending : 0);
}

}  // namespace

bool Registers::of_fault_record(std::uint32_t offset) const {
  return offset >= reg::frcd && offset < reg::frcd + 16 * unit_.params().fault_records;
}

std::uint64_t Registers::fault_record(std::uint32_t offset) const {
  const std::uint32_t at = offset - reg::frcd;
  return unit_.faults().records()[at / 16][at % 16 / 8];
}

// PQS 2:0: 2^PQS pages.
std::uint64_t Registers::page_request_address() const {
  const PageRequestQueue& queue = unit_.page_requests();
  return queue.base().value() |
         static_cast<std::uint64_t>(std::countr_zero(queue.entries() / entries_of_a_page));
}

// Two registers of 32 bits.
std::uint64_t Registers::event_word(std::uint32_t offset) const {
  const auto half = [this](std::uint32_t at) -> std::uint64_t {
    if (at == reg::fectl) return control_of(unit_.faults().event());
    if (at == reg::iectl) return control_of(unit_.queue().event());
    if (at == reg::pectl) return control_of(unit_.page_requests().event());
    const auto found = messages_.find(at);
    return found == messages_.end() ? 0 : found->second;
  };
  return half(offset) | half(offset + 4) << 32U;
}

void Registers::write_event(std::uint32_t offset, std::uint32_t value) {
  const bool masked = (value & event_control::masked) != 0;
  if (offset == reg::fectl) return unit_.faults().mask_event(masked);
  if (offset == reg::iectl) return unit_.queue().mask_event(masked);
  if (offset == reg::pectl) return unit_.page_requests().mask_event(masked);
  messages_[offset] = value;
}

void Registers::write_page_request(std::uint32_t offset, std::uint64_t value) {
  PageRequestQueue& queue = unit_.page_requests();
  constexpr std::uint64_t size = PageRequestEntry::size.count();
  switch (offset) {
    case reg::pqh:  // bits 18:5; beyond the ring they have no meaning
      return queue.write_head(static_cast<std::uint32_t>(value / size) & (queue.entries() - 1));
    case reg::prs:
      if ((value & page_status::pending) != 0) queue.clear_pending();
      if ((value & page_status::overflow) != 0) queue.clear_overflow();
      return;
    default:
      return queue.set_ring(Hpa(value & frame_bits), entries_of_a_page << (value & 7U));
  }
}

}  // namespace viosim::vtd
