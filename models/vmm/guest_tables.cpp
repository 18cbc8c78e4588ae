// From the root to an entry.
// SPDX-License-Identifier: Apache-2.0
#include "models/vmm/guest_tables.hpp"

namespace viosim {
namespace {

constexpr std::uint32_t pasids_per_page = 64;

Hpa frame_of(std::uint64_t word) { return Hpa(word).page_base(page_4k); }

}  // namespace

std::optional<vtd::ScalableContext> GuestTables::context(Hpa root, Bdf source) const {
  const std::uint64_t half = source.devfn() >= 128 ? 8 : 0;
  const std::uint64_t word = memory_.read(vtd::root_entry::address(root, source) + Bytes(half));
  if (!vtd::root_entry::present(word)) return {};
  const Hpa at = vtd::root_entry::context_table(word) + Bytes(source.devfn() % 128 * 32);
  const auto read = words<4>(at);
  const vtd::ScalableContext found = vtd::ScalableContext::decode(read);
  if (!found.present) return {};
  return found;
}

vtd::PasidEntry GuestTables::entry(Hpa root, Bdf source, Pasid pasid) const {
  const auto known = context(root, source);
  if (!known || pasid.value() >= known->pasid_limit()) return {};
  const std::uint64_t page = memory_.read(vtd::directory_entry_address(known->directory, pasid));
  if ((page & 1U) == 0) return {};
  const auto read = words<8>(vtd::pasid_entry_address(frame_of(page), pasid));
  return vtd::PasidEntry::decode(read);
}

std::vector<Pasid> GuestTables::present(Hpa root, Bdf source) const {
  std::vector<Pasid> found;
  const auto known = context(root, source);
  if (!known) return found;
  for (std::uint32_t first = 0; first < known->pasid_limit(); first += pasids_per_page) {
    const std::uint64_t page =
        memory_.read(vtd::directory_entry_address(known->directory, Pasid(first)));
    if ((page & 1U) == 0) continue;
    for (std::uint32_t i = 0; i < pasids_per_page; ++i) {
      const Pasid pasid(first + i);
      if ((memory_.read(vtd::pasid_entry_address(frame_of(page), pasid)) & 1U) != 0)
        found.push_back(pasid);
    }
  }
  return found;
}

}  // namespace viosim
