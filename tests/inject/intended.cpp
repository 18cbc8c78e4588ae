// The intentions, by how rows begin.
// SPDX-License-Identifier: Apache-2.0
#include "tests/inject/intended.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <initializer_list>
#include <iterator>

namespace viosim::matrix {
namespace {

struct Intention {
  std::string_view what;
  std::initializer_list<unsigned> in_hosts;
  std::initializer_list<unsigned> in_guests = {};  // none: the same
};

// The first that a row begins with counts; a row that is not here violates nothing. What hardware loses of
// a host's descriptors is the invariant of the flush or of the answer; what a hypervisor loses of its
// guest's is I31, for it says that a wait is over before it has done what is ahead of it.
constexpr Intention intentions[] = {
    {"duplicate `page-response`", {10}},
    {"duplicate `page-request`", {10}},
    // The second one is done after the first, as if the guest had asked again; one that came while the first
    // is outstanding is ignored, unless `virtual_command.check_in_progress` is left out.
    {"duplicate `command`", {5}},
    // The response of before is the guest's PASID 0, which it gives back; or a free does not arrive.
    {"drop `command`", {5, 22}},
    {"truncate `pasid-iotlb`", {26}, {31}},
    {"truncate `pasid-devtlb`", {26}, {31}},
    {"truncate `devtlb`", {26}},
    {"drop `context-cache`", {26}, {31}},
    {"delay `context-cache`", {26}, {31}},
    {"reorder `context-cache`", {27}, {31}},
    {"drop `iotlb`", {26}, {31}},
    {"delay `iotlb`", {26}, {31}},
    {"reorder `iotlb`", {27}, {31}},
    {"drop `pasid-iotlb`", {26}, {31}},
    {"delay `pasid-iotlb`", {26}, {31}},
    {"reorder `pasid-iotlb`", {27}, {31}},
    {"drop `pasid-cache`", {26}, {31}},
    {"delay `pasid-cache`", {26}, {31}},
    {"reorder `pasid-cache`", {27}, {31}},
    {"drop `pasid-devtlb`", {26}, {31}},
    {"delay `pasid-devtlb`", {26}, {31}},
    {"reorder `pasid-devtlb`", {26}, {31}},
    {"drop `page-response`", {11}, {31}},
    {"delay `page-response`", {11}, {31}},
    {"reorder `page-response`", {11}, {31}},
    {"drop `invalidation-completion`", {26}},
    {"reorder `invalidation-completion`", {26}},
    // Later than its time-out: software gives the flush up, and goes on.
    {"delay `invalidation-completion`", {26}},
    {"misbehave `never_answer`", {26}},
    {"delay `command-completion`", {19}},
    {"drop `page-request", {11}},
    {"reorder `page-request`", {11}},
    {"drop `unbind-notice`", {30}},
    // Whoever waits for it never goes on: what is bound stays so, and if it was to answer, or holds what the
    // answering thread needs, groups have no answer. Both are asked when the run is over.
    {"drop `wait`", {11, 34}},
    {"reorder `wait`", {11, 34}},
    // The guest's kernel panics, and its hypervisor keeps what is bound for it.
    {"drop `command-completion`", {34}},
    {"drop `unmap-notice`", {26}},
    {"drop `exit-notice`", {26}},
    {"drop `devtlb`", {26}},
    {"delay `devtlb`", {26}},
    {"reorder `devtlb`", {26}},
    {"skip `add.flush_context_cache`", {31}},
    {"swap `add.write_context`", {31}},
    {"skip `set_up.write_fields`", {25}},
    {"swap `set_up.write_fields`", {25}},
    {"swap `set_up.barrier` with `flush_pasid_cache`", {31}},
    {"swap `set_up.set_present` with `flush_", {31}},
    {"skip `set_up.flush_pasid_cache`", {31}},
    // The process' pages are given back while the entry leads to them, or its number is freed: as what goes first.
    {"skip `tear_down.clear_present`", {7, 26}},
    // The flushes come while it is present, whatever is cleared last: they end nothing.
    {"swap `tear_down.clear_present`", {26}},
    {"swap `tear_down.barrier` with `zero_entry`", {26}},
    {"swap `tear_down.barrier`", {27}},
    {"swap `tear_down.flush_pasid_cache` with `zero_entry`", {26}},
    {"swap `tear_down.flush_pasid_cache`", {27}},
    {"swap `tear_down.flush_iotlb_of_entry` with `zero_entry`", {26}},
    {"swap `tear_down.flush_iotlb_of_entry`", {27}},
    {"swap `tear_down.flush_device_tlb`", {26}},
    {"skip `tear_down.flush_", {26}},
    {"skip `unmap_first.flush_", {26}},
    {"swap `unmap_first.flush_", {27}},
    {"swap `remove.tear_down_default` with `zero_context`", {20}},
    {"swap `remove.tear_down_default`", {26}},
    {"swap `remove.disable_", {26}},
    {"skip `remove.clear_context_present`", {20}},
    {"swap `remove.clear_context_present` with `release_domain`", {20}},
    {"swap `remove.clear_context_present`", {26}},
    {"swap `remove.barrier` with `zero_context`", {26}},
    {"swap `remove.barrier`", {27}},
    {"skip `remove.flush_device_tlb`", {}},
    {"skip `remove.flush_", {26}},
    {"swap `remove.flush_context_cache` with `flush_", {27}},
    {"swap `remove.flush_pasid_cache_of_domain` with `flush_", {27}},
    {"swap `remove.flush_", {26}},
    {"skip `bind.lock_order`", {32}},
    {"skip `unbind.tear_down`", {26}},
    {"skip `unbind.drain`", {9}},
    {"skip `exit.tear_down`", {26}},
    {"skip `guest_bind.second_level`", {29}},
    {"skip `queue.check_bound`", {29}},
    {"skip `guest_bind.own_memory`", {29}},
    {"skip `guest_unbind.tear_down`", {7}},
    {"skip `vm_close.tear_down`", {7}},
    {"skip `virtual_command.check_in_progress`", {18}},
    {"skip `virtual_command.check_outstanding`", {18}},
    {"skip `invalidation.submit_again`", {33}},
    {"skip `overflow.discard_incomplete`", {13}},
    {"misbehave `keep_invalidated`", {28}},
    {"misbehave `exceed_credits`", {12}},
    {"misbehave `reuse_group`", {12}},
    {"misbehave `omit_last`", {11}},
    {"misbehave `zero_pasid`", {23}},
    {"misbehave `stop_early`", {9}},
    {"allocate `live-id`", {1}},
    {"allocate `below-range`", {2}},
    {"allocate `above-range`", {2}},
    {"allocate `untracked`", {3}},
    {"defect `D1`", {14}},
    // One switch with D1 and D4: where a vIOMMU comes back it is registered twice, where the head leaves it
    // stays active.
    {"defect `D2`", {14, 17}},
    {"defect `D4`", {14}},
    {"defect `D5`", {5}},
    {"defect `D7`", {6}},
    {"defect `E1`", {22}},
    {"defect `E2`", {4}},
    {"defect `H11`", {2}},
    {"defect `no-owner-check`", {4}},
    {"defect `early-wait`", {31}},
    {"defect `eject-busy`", {19}},
    {"defect `shared-domain`", {36}},
};

}  // namespace

Intended intended(std::string_view what) {
  const auto* const found =
      std::find_if(std::begin(intentions), std::end(intentions),
                   [&](const Intention& one) { return what.starts_with(one.what); });
  if (found == std::end(intentions)) return {};
  const auto& in_guests = found->in_guests.size() == 0 ? found->in_hosts : found->in_guests;
  return {std::vector(found->in_hosts), std::vector(in_guests)};
}

std::string Intended::text() const {
  const auto names = [](const std::vector<unsigned>& all) {
    std::string text;
    for (const unsigned one : all) text += fmt::format("{}I{}", text.empty() ? "" : " ", one);
    return text;
  };
  if (nothing()) return "-";
  if (in_hosts == in_guests) return names(in_hosts);
  return fmt::format("{}, of guests {}", names(in_hosts), names(in_guests));
}

}  // namespace viosim::matrix
