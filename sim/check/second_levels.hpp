// Whose memory a guest's page tables are nested over.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "sim/check/scene.hpp"

#include <cstdint>
#include <map>
#include <utility>

namespace viosim::check {

// I29, asked when a guest has bound a PASID: its entry goes through a table of the guest's own memory.
// Of numbers that are the guest's own in a function, too.
class SecondLevels {
 public:
  explicit SecondLevels(Scene& scene) : scene_(scene) {}
  void observe(const TraceEvent& event);

 private:
  void bound(const TraceEvent& event);

  Scene& scene_;
  std::map<std::pair<std::uint32_t, std::uint64_t>, Link> owners_;  // of tables, by host
  FlatMap<EntryPlace, Link> roots_;                                 // by host
};

}  // namespace viosim::check
