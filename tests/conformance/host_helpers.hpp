// The backends that the vectors speak of: helper pairs whose state outlives registration.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "ioasid/backend.hpp"

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace conformance {

// What was called, as the vectors write it: ["host0.alloc",11,1,9,1].
struct Call {
  std::string name;
  std::vector<std::int64_t> arguments;
  bool operator==(const Call&) const = default;
};

// What the helpers of one pair share.
struct PairState {
  std::set<ioasid::Ioasid> used;
  std::deque<ioasid::Ioasid> queue;
};

class AllocFunction : public ioasid::AllocHelper {
 public:
  AllocFunction(std::string name, PairState& state, std::vector<Call>& calls)
      : name_(std::move(name)), state_(state), calls_(calls) {}
  ioasid::Ioasid alloc(ioasid::Range range, void* pdata) override;

 private:
  ioasid::Ioasid choose(ioasid::Range range);
  std::string name_;
  PairState& state_;
  std::vector<Call>& calls_;
};

class FreeFunction : public ioasid::FreeHelper {
 public:
  FreeFunction(std::string name, PairState& state, std::vector<Call>& calls)
      : name_(std::move(name)), state_(state), calls_(calls) {}
  void free(ioasid::Ioasid id, void* pdata) override;

 private:
  std::string name_;
  PairState& state_;
  std::vector<Call>& calls_;
};

// Every helper of a script, made when first named.
class HostHelpers {
 public:
  // "host0", "host0:altfree", "vcmd1", "feed0", ...
  ioasid::AllocatorOps ops(std::string_view pair, std::uint64_t pdata);
  PairState& state(std::string_view pair);
  std::vector<Call> take_calls() { return std::exchange(calls_, {}); }

 private:
  std::map<std::string, PairState, std::less<>> states_;
  std::map<std::string, std::unique_ptr<AllocFunction>> allocs_;
  std::map<std::string, std::unique_ptr<FreeFunction>> frees_;
  std::vector<Call> calls_;
};

}  // namespace conformance
