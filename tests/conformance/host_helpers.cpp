// The backends of the vectors, as FORMAT.md describes them.
// SPDX-License-Identifier: Apache-2.0
#include "tests/conformance/host_helpers.hpp"

#include <cstdint>

namespace conformance {
namespace {

using ioasid::invalid_ioasid;
using ioasid::Ioasid;

std::int64_t number_of(const void* pdata) {
  return static_cast<std::int64_t>(reinterpret_cast<std::uintptr_t>(pdata));
}

Ioasid lowest_unused(const std::set<Ioasid>& used, ioasid::Range range) {
  for (std::uint64_t id = range.min; id <= range.max && id != invalid_ioasid; ++id)
    if (!used.contains(static_cast<Ioasid>(id))) return static_cast<Ioasid>(id);
  return invalid_ioasid;
}

// "host0" of "host0:altfree".
std::string_view base_of(std::string_view pair) { return pair.substr(0, pair.find(':')); }

}  // namespace

Ioasid AllocFunction::choose(ioasid::Range range) {
  if (name_.starts_with("fail")) return invalid_ioasid;
  if (name_.starts_with("feed")) {
    if (state_.queue.empty()) return invalid_ioasid;
    const Ioasid id = state_.queue.front();
    state_.queue.pop_front();
    return id;
  }
  if (name_.starts_with("vcmd0")) range = {100, 0xfffff};
  if (name_.starts_with("vcmd1")) range = {40, 0xfffff};
  const Ioasid id = lowest_unused(state_.used, range);
  if (id != invalid_ioasid) state_.used.insert(id);
  return id;
}

Ioasid AllocFunction::alloc(ioasid::Range range, void* pdata) {
  const Ioasid id = choose(range);
  calls_.push_back(
      {name_,
       {number_of(pdata), range.min, range.max, id == invalid_ioasid ? -1 : std::int64_t{id}}});
  return id;
}

void FreeFunction::free(Ioasid id, void* pdata) {
  state_.used.erase(id);
  calls_.push_back({name_, {number_of(pdata), id}});
}

PairState& HostHelpers::state(std::string_view pair) { return states_[std::string(base_of(pair))]; }

ioasid::AllocatorOps HostHelpers::ops(std::string_view pair, std::uint64_t pdata) {
  const std::string base(base_of(pair));
  const std::string alloc = base + (pair.ends_with(":altalloc") ? ".altalloc" : ".alloc");
  const std::string free = base + (pair.ends_with(":altfree") ? ".altfree" : ".free");
  auto& alloc_function = allocs_[alloc];
  if (!alloc_function) alloc_function = std::make_unique<AllocFunction>(alloc, state(base), calls_);
  auto& free_function = frees_[free];
  if (!free_function) free_function = std::make_unique<FreeFunction>(free, state(base), calls_);
  return {alloc_function.get(), free_function.get(), reinterpret_cast<void*>(pdata)};
}

}  // namespace conformance
