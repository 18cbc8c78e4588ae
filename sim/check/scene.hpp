// What all checks know: whose component is whose, the lives of PASIDs, what happened to them, and what
// was found wrong.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/des/trace.hpp"
#include "models/trace_events.hpp"
#include "sim/check/invariants.hpp"

#include <cstdint>
#include <deque>
#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

namespace viosim::check {

// A PASID of one kernel: of a host, or of a guest.
struct Number {
  std::uint32_t machine = 0;
  std::uint32_t pasid = 0;
  auto operator<=>(const Number&) const = default;
};

struct Life {
  std::uint32_t epoch = 0;
  bool live = false;
  bool pending = false;   // freed, and others have not let go of it
  bool orphaned = false;  // its allocator left without it
  // Of orphans of the number that came before: each has an owner who believes that it is his.
  std::uint32_t orphans = 0;
  std::uint64_t owner = 0;
  std::uint64_t previous_owner = 0;
};

struct Violation {
  Invariant invariant{};
  std::int64_t time = 0;  // ps
  std::uint32_t component = 0;
  std::string actor;
  std::uint32_t pasid = 0;
  std::uint32_t epoch = 0;          // of the object
  std::uint32_t current_epoch = 0;  // of the PASID
  std::string owner;
  std::string previous_owner;
  std::string message;
  std::vector<TraceEvent> chain;  // what led to it, oldest first; the last is where it was noticed
  bool operator==(const Violation&) const = default;
};

class Scene {
 public:
  static constexpr std::size_t chain_length = 16;
  static constexpr std::size_t most_violations = 1000;  // kept; all are counted

  // `paths`: of the components, by their numbers.
  explicit Scene(std::vector<std::string> paths);

  const std::string& path(std::uint32_t component) const;
  // The host or guest that a component is part of, and the host of a guest; by a number of its own.
  std::uint32_t machine_of(std::uint32_t component) const;
  std::uint32_t host_of(std::uint32_t machine) const { return hosts_[machine]; }
  // What a component is a part of: driver and invalidation queue of one IOMMU have the same.
  std::uint32_t unit_of(std::uint32_t component) const;
  // A function vanished, and has not come back.
  bool gone(std::uint32_t machine, std::uint16_t source) const {
    return gone_.contains({machine, source});
  }
  // Whose PASID an event is about.
  Number number_of(const TraceEvent& event) const;

  // Nothing: it was never allocated.
  const Life* life(const Number& number) const;
  // How many live in a machine, and of these belong to one owner.
  std::uint32_t living(std::uint32_t machine) const;
  std::uint32_t living(std::uint32_t machine, std::uint64_t owner) const;
  const std::map<Number, Life>& lives() const { return lives_; }
  void begin(const TraceEvent& allocation);
  void end(const TraceEvent& free);
  // Remembers the event for chains of its PASID; where it is about none, of its machine.
  void note(const TraceEvent& event);

  // `at` is the event that showed it, `number` the PASID concerned, `epoch` that of the object.
  void violate(Invariant invariant, const TraceEvent& at, const Number& number, std::uint32_t epoch,
               std::string message);
  void violate(Invariant invariant, const TraceEvent& at, std::string message) {
    violate(invariant, at, number_of(at), at.epoch, std::move(message));
  }
  const std::vector<Violation>& violations() const { return violations_; }
  std::uint64_t found() const { return found_; }
  const std::map<std::string, std::uint64_t>& counts() const { return counts_; }

 private:
  struct Place {
    std::uint32_t machine = 0;
    std::uint32_t unit = 0;
  };
  std::string owner_name(std::uint64_t owner, std::uint32_t machine) const;
  static Number story_of(const TraceEvent& event, const Number& number);

  std::vector<std::string> paths_;
  std::vector<Place> places_;
  std::vector<std::string> machines_;
  std::vector<std::uint32_t> hosts_;                        // of each machine
  std::set<std::pair<std::uint32_t, std::uint16_t>> gone_;  // functions of machines
  std::map<Number, Life> lives_;
  std::map<std::pair<std::uint32_t, std::uint64_t>, std::uint32_t> living_;  // by owner
  std::map<Number, std::deque<TraceEvent>> history_;
  std::vector<Violation> violations_;
  std::uint64_t found_ = 0;
  std::map<std::string, std::uint64_t> counts_;
};

// One event in words: "allocate by host0.vm[0].vfio".
std::string text_of(const TraceEvent& event, const std::string& path);

}  // namespace viosim::check
