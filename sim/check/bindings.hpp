// Which functions a PASID is bound to, as who bound it knows.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "sim/check/scene.hpp"

#include <cstdint>
#include <map>
#include <set>
#include <utility>

namespace viosim::check {

// Of I6 that no work is done that was sent in an earlier life of its PASID; of I7 that what is freed is bound to no
// function; of I20 that a function, or a vIOMMU, that was let go of has nothing bound; of I23 and I24 that what is
// bound is a number that the function can have; of I29 that a guest's slice has work only with what is bound there
// for it; of I34 that what was bound in a host is unbound, and its number freed, when the run is over.
class Bindings {
 public:
  explicit Bindings(Scene& scene) : scene_(scene) {}
  void observe(const TraceEvent& event);
  void finish();  // the run is over

 private:
  struct Bond {
    Link bind;
    std::uint32_t binder = 0;  // machine: the guest that a host's number is bound for
    std::uint32_t slices = 0;  // of the function, that it is bound to for this guest
  };
  using Bonds = std::map<std::pair<Number, std::uint16_t>, Bond>;

  void written(const TraceEvent& event);
  void bound(const TraceEvent& event);
  void unbound(const TraceEvent& event);
  void used(const TraceEvent& event);
  void begun(const TraceEvent& event);
  void freed(const TraceEvent& event);
  void let_go(const TraceEvent& event);
  void leave_to_host(std::uint32_t guest);
  void presence(const TraceEvent& event);
  void ejected(const TraceEvent& event);

  Bond& add(const Number& number, std::uint16_t source);
  Bonds::iterator erase(Bonds::iterator bond);

  Scene& scene_;
  Bonds bonds_;
  FlatMap<OfUnit, std::set<Number>>
      of_functions_;                     // of these, by the machine whose functions they are
  std::map<Number, Link> of_processes_;  // numbers that kernels bound for their own: the last bind
  FlatMap<OfUnit, std::uint32_t> limits_;  // its PASIDs are below
  std::map<std::uint32_t, std::set<std::uint16_t>>
      behind_;                        // functions, by who writes their tables
  std::set<std::uint32_t> leaving_;   // vIOMMUs whose allocator has left in order
  std::set<std::uint32_t> vanished_;  // but for their commands
};

}  // namespace viosim::check
