// Functions whose PASIDs are a guest's own numbers, which mean nothing to the host's kernel.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "sim/check/scene.hpp"

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <utility>

namespace viosim::check {

// By iommufd a guest that has a whole function puts its numbers into that function's PASID table. What
// is told of them is not about the host's PASID of the same number. They count in a space of the function's:
// a number's lives begin when its entry becomes present.
class PrivateNumbers {
 public:
  explicit PrivateNumbers(Scene& scene) : scene_(scene) {}
  // Where the event's number counts, if it is such a one. Learns from it, so each event is asked about once.
  std::optional<std::uint32_t> space_of(const TraceEvent& event);
  // Which life of it is meant: of a request, that in which it was sent.
  std::uint32_t epoch_of(const TraceEvent& event, std::uint32_t space) const;

 private:
  using Key = std::pair<std::uint32_t, std::uint16_t>;

  using Space = std::optional<std::uint32_t>;
  struct Lives {
    std::uint32_t epoch = 0;
    std::int64_t since = 0;  // of the last
  };

  void own(const TraceEvent& event);
  Space space_of(const Key& function) const;
  Space space_of(const TraceEvent& event, std::uint16_t source) const {
    return space_of({scene_.machine_of(event.component), source});
  }
  Space written(const TraceEvent& event);
  Space described(const TraceEvent& event) const;

  Scene& scene_;
  std::map<Key, std::uint32_t> spaces_;   // of functions: machine, requester
  std::set<Key> functions_;               // those whose numbers are their guest's now
  std::map<Key, std::uint32_t> domains_;  // spaces, by unit and domain of their entries
  std::map<Number, Lives> lives_;
  std::map<std::uint32_t, std::uint16_t> requesters_;  // of the components of functions
};

}  // namespace viosim::check
