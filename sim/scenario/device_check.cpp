// What a device must hold beyond its types, whatever the rest of its host is.
// SPDX-License-Identifier: Apache-2.0
#include "sim/json/json.hpp"
#include "sim/scenario/scenario.hpp"

#include <fmt/format.h>

namespace viosim {

void DmaDevice::check(const Where& where) const {
  const unsigned bits = 9 * levels + 11;
  const std::uint64_t limit = std::uint64_t{1} << bits;
  if (base.value() >= limit || dma.traffic.window.count() > limit - base.value()) {
    (where / "base")
        .reject(fmt::format(
            "read {:#x}; expected base and window to end at 2^{} or below, where canonical "
            "addresses of first-level tables of {} levels end: it holds for all tables here",
            base.value(), bits, levels));
  }
  check_levels(where);
  if (base.page_offset(page_size) != Bytes(0)) {
    (where / "base")
        .reject(fmt::format("read {:#x}; expected a multiple of the page size, \"{}\"",
                            base.value(), to_text(page_size)));
  }
  if (!populate && !pri && dma.on_fault == OnFault::abort) {
    (where / "populate")
        .reject(
            "read false with \"on_fault\": \"abort\"; expected true, or \"on_fault\": \"retry\": "
            "no request could ever succeed");
  }
  if (ats && dma.on_fault == OnFault::retry) {
    (where / "on_fault")
        .reject(
            "read \"retry\" with \"ats\"; expected \"abort\": such a device sends page requests "
            "(\"pri\")");
  }
  if (pri && !(ats && pasid)) {
    (where / "pri")
        .reject(
            "read it without \"ats\" or without \"pasid\"; expected both: page requests follow "
            "from "
            "translation requests, and the kernel serves those with a PASID");
  }
}

void DmaDevice::check_levels(const Where& where) const {
  if (table == TableKind::pass_through && levels != 4)
    (where / "levels")
        .reject(fmt::format("read {} with \"table\": \"pass-through\"; expected none", levels));
  if (table != TableKind::nested && second_levels != 4) {
    (where / "second_levels")
        .reject(fmt::format("read {} without \"table\": \"nested\"; expected none", second_levels));
  }
  constexpr Bytes most(std::uint64_t{1} << 38U);
  if (second_levels == 3 && dma.traffic.window > most) {
    (where / "second_levels")
        .reject(fmt::format("read 3 with a window of \"{}\"; expected 4 or 5: what 3 levels reach "
                            "holds such a guest's tables and \"256 GiB\"",
                            to_text(dma.traffic.window)));
  }
}

}  // namespace viosim
