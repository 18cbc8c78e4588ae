// What all checks know: whose component is whose, the lives of PASIDs, what happened to them, and what
// was found wrong.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/base/address.hpp"
#include "core/des/trace.hpp"
#include "models/trace_events.hpp"
#include "sim/check/chains.hpp"
#include "sim/check/invariants.hpp"

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <utility>
#include <vector>

namespace viosim::check {

// How messages name a function: "01:00.0".
inline std::string requester(std::uint16_t source) { return Bdf(source).text(); }

struct Life {
  std::uint32_t epoch = 0;
  bool live = false;
  bool pending = false;   // freed, and others have not let go of it
  bool orphaned = false;  // its allocator left without it
  // Of orphans of the number that came before: each has an owner who believes that it is his.
  std::uint32_t orphans = 0;
  std::uint64_t owner = 0;
  std::optional<std::uint64_t> previous_owner;  // of the life before; none: this is the first
  std::int64_t ended = 0;                       // ps, when it was freed
};

// What is wrong, besides the event that shows it.
struct Finding {
  Invariant invariant{};
  Number number;            // the PASID concerned
  std::uint32_t epoch = 0;  // of the object
  std::string message;
  std::vector<Link> evidence = {};  // what happened to the object, oldest first
  bool overdue =
      false;  // something has not happened: the event is what it was due after, and is evidence
  bool alone = false;  // what else happened to the number lately does not belong to it
};

struct Violation {
  Invariant invariant{};
  std::int64_t time = 0;  // ps; where something did not happen, that of what it was due after
  std::uint32_t component = 0;
  std::string actor;
  std::uint32_t pasid = 0;
  std::uint32_t epoch = 0;          // of the object
  std::uint32_t current_epoch = 0;  // of the PASID
  std::string owner;
  std::string previous_owner;
  std::string message;
  // What led to it, oldest first: how its PASID was allocated and bound, what happened to the object
  // from when it opened, injections. The last is where it was noticed; where something did not happen,
  // the last that happened to the object.
  std::vector<TraceEvent> chain;
  bool operator==(const Violation&) const = default;
};

class Scene {
 public:
  static constexpr std::size_t most_violations = 1000;  // kept, and the first of each invariant

  // `paths`: of the components, by their numbers.
  explicit Scene(std::vector<std::string> paths);

  const std::string& path(std::uint32_t component) const;
  // The host or guest that a component is part of, and the host of a guest; by a number of its own.
  std::uint32_t machine_of(std::uint32_t component) const;
  // Where it lives now.
  std::uint32_t host_of(std::uint32_t machine) const { return hosts_[machine]; }
  // Whose numbers files are about, by which a hypervisor has some: those of a guest that moves are of several hosts.
  std::uint32_t host_of_files(std::uint32_t component) const { return places_[component].files_of; }
  // What a component is a part of: driver and invalidation queue of one IOMMU have the same.
  std::uint32_t unit_of(std::uint32_t component) const;
  // Whose tables an invalidation queue's descriptors are about: a vIOMMU takes its guest's by itself.
  std::uint32_t unit_of_queue(std::uint32_t component) const;
  // A function vanished, and has not come back.
  bool gone(std::uint32_t machine, std::uint16_t source) const {
    const auto last = vanished_.find({machine, source});
    return last != vanished_.end() && !last->second.back;
  }
  // It vanished at `time` or later, whether it has come back or not: what it had sent before nobody can wait for.
  bool vanished_since(std::uint32_t machine, std::uint16_t source, std::int64_t time) const {
    const auto last = vanished_.find({machine, source});
    return last != vanished_.end() && last->second.time >= time;
  }
  // Whose PASID an event is about: the one that is observed now.
  Number number_of(const TraceEvent& event) const;

  // Nothing: it was never allocated.
  const Life* life(const Number& number) const;
  // Its allocator left without it: somebody believes that he has it, whoever got it since.
  bool orphan(const Number& number) const;
  // The number of an orphan was given out again, or it stands for a guest's of which that is so: what is told of it
  // is of one or of the other.
  bool shared_with_orphans(const Number& number) const;
  // The guest's number that a host's stands for; null: for none.
  const Number* stands_for(const Number& number) const { return stands_for_.find(number); }
  // How many live in a machine, and of these belong to one owner.
  std::uint32_t living(std::uint32_t machine) const;
  std::uint32_t living(std::uint32_t machine, std::uint64_t owner) const;
  // It has a kernel that gives PASIDs, and tells of them.
  bool allocates(std::uint32_t machine) const { return allocates_[machine]; }
  // Numbers that are no machine's: they count by themselves, as if one within the machine `of` had them.
  std::uint32_t add_space(std::uint32_t of);
  // Whose functions have a number: the machine of its own, or that of which a space is.
  std::uint32_t home_of(const Number& number) const {
    return is_space(number.machine) ? hosts_[number.machine] : number.machine;
  }
  bool is_space(std::uint32_t machine) const { return machine >= of_kernels_; }
  void begin(const TraceEvent& allocation);
  void bound_for_guest(const TraceEvent& bind);
  void end(const TraceEvent& free);
  // Of each event that is observed, first. `space`: where its number counts, if not in a machine.
  void step(std::optional<std::uint32_t> space = {}) {
    chains_.step();
    space_ = space;
  }
  // A hint: it will be observed soon.
  void prefetch(const TraceEvent& event) const {
    if (event.component >= places_.size()) return;
    const Number number{places_[event.component].machine, event.pasid};
    chains_.prefetch(number);
    lives_.prefetch(number);
  }
  // Remembers the event for chains of its PASID; where it is about none, of its machine.
  void note(const TraceEvent& event);
  // The event that is observed now, as evidence.
  Link link(const TraceEvent& event) const { return chains_.now(event); }
  // How a number was allocated, bound and freed.
  std::span<const Link> roots(const Number& number) const { return chains_.roots(number); }
  // The same of one life of it.
  std::vector<Link> roots_of(const Number& number, std::uint32_t epoch) const;
  // How some of those that live in a machine, and belong to one owner where there is one, were allocated.
  std::vector<Link> allocations(std::uint32_t machine, std::optional<std::uint64_t> owner) const;
  // "host0.vm[0].vfio"; of the kernel itself "host0.kernel".
  std::string owner_name(std::uint64_t owner, std::uint32_t machine) const;

  void violate(const TraceEvent& at, Finding finding);
  void violate(Invariant invariant, const TraceEvent& at, std::string message,
               std::vector<Link> evidence = {}) {
    violate(at, {invariant, number_of(at), at.epoch, std::move(message), std::move(evidence)});
  }
  const std::vector<Violation>& violations() const { return violations_; }
  std::uint64_t found() const { return found_; }
  const std::map<std::string, std::uint64_t>& counts() const { return counts_; }

 private:
  struct Place {
    std::uint32_t machine = 0;
    std::uint32_t unit = 0;
    std::uint32_t queue_of = 0;
    std::uint32_t files_of = 0;
  };
  static Number story_of(const TraceEvent& event, const Number& number);

  std::vector<std::string> paths_;
  std::vector<Place> places_;
  std::vector<std::string> machines_;
  std::size_t of_kernels_ = 0;        // machines; the others are spaces
  std::vector<std::uint32_t> hosts_;  // of each machine
  std::optional<std::uint32_t> space_;
  std::vector<bool> allocates_;
  struct Vanished {
    std::int64_t time = 0;  // the last one
    bool back = false;
  };
  std::map<OfUnit, Vanished> vanished_;  // functions of machines
  FlatMap<Number, Life> lives_;
  FlatMap<Number, Number> stands_for_;
  std::map<std::pair<std::uint32_t, std::uint64_t>, std::uint32_t> living_;  // by owner
  Chains chains_;
  std::vector<Violation> violations_;
  std::uint64_t found_ = 0;
  std::map<std::string, std::uint64_t> counts_;
};

}  // namespace viosim::check
