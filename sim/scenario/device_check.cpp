// What a device must hold beyond its types, whatever the rest of its host is.
// SPDX-License-Identifier: Apache-2.0
#include "sim/json/json.hpp"
#include "sim/scenario/scenario.hpp"

#include <fmt/format.h>

namespace viosim {

void DmaDevice::check(const Where& where) const {
  if (count == 0 || count > most_functions) {
    (where / "count").reject(fmt::format("read {}; expected 1 to {}", count, most_functions));
  }
  constexpr std::uint64_t limit = std::uint64_t{1} << 47U;
  if (base.value() >= limit || dma.traffic.window.count() > limit - base.value()) {
    (where / "base")
        .reject(fmt::format("read {:#x}; expected base and window to end below 2^47, the end of "
                            "canonical addresses",
                            base.value()));
  }
  const bool known_size = page_size == page_4k || page_size == page_2m || page_size == page_1g;
  if (!known_size) {
    (where / "page_size")
        .reject(fmt::format("read \"{}\"; expected \"4 KiB\", \"2 MiB\" or \"1 GiB\"",
                            to_text(page_size)));
  }
  if (base.page_offset(page_4k) != Bytes(0)) {
    (where / "base").reject(fmt::format("read {:#x}; expected a multiple of 4 KiB", base.value()));
  } else if (known_size && base.page_offset(page_size) != Bytes(0)) {
    (where / "base")
        .reject(fmt::format("read {:#x}; expected a multiple of the page size, \"{}\"",
                            base.value(), to_text(page_size)));
  }
  if (pasid && (pasid->value() == 0 || *pasid > pasid_max)) {
    (where / "pasid")
        .reject(fmt::format("read {}; expected 1 to {}: PASID 0 belongs to requests without one",
                            pasid->value(), pasid_max.value()));
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

}  // namespace viosim
