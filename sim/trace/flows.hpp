// Which events of a trace led to one another across components: page request groups, descriptors and
// virtual commands, from who asked to who answered, through guests.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "sim/trace/part_names.hpp"
#include "sim/trace/requests.hpp"

#include <cstddef>
#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

namespace viosim {

// The rules are in this folder's README. A flow is over when nothing is open that it has begun: a
// group without its answer, a descriptor that has not ended, a command without its response, what its
// guest makes of it. Kinds are known by their names: a file of an older program has other numbers.
class Flows {
 public:
  using Shown = Requests::Shown;
  // `components`: paths by their numbers. `take`: gets each flow once, ordered by when its events
  // began; a single event led to nothing.
  Flows(const std::vector<std::string>& components, const PartNames& parts, const EventNames& names,
        Requests::Take take);

  // False: no flow joins such events, and nothing was done.
  bool add(const Shown& shown);
  void finish();  // what waits in vain

 private:
  enum class Step : std::uint8_t;
  // At most so many flows are open; then the older half of them is given as it is.
  static constexpr std::size_t most_open = std::size_t{1} << 14U;

  using Id = std::uint64_t;
  struct Flow {
    std::vector<Shown> events;
    std::uint32_t open = 0;  // how many entries of the indices below lead to it
  };
  // Numbers of a host and of a guest, from 1; 0: of none.
  struct Place {
    std::uint32_t host = 0;
    std::uint32_t guest = 0;
  };
  struct Group {
    std::uint32_t host = 0;
    std::uint16_t source = 0;
    std::uint16_t number = 0;
    auto operator<=>(const Group&) const = default;
  };
  struct OpenGroup {
    Id flow = 0;
    bool whole = false;  // its last request has come
  };
  struct Bits {
    std::uint32_t component = 0;
    std::uint64_t high = 0;
    std::uint64_t low = 0;
    auto operator<=>(const Bits&) const = default;
  };
  // A PASID of a machine, by the number of the host or guest.
  struct Number {
    std::uint32_t machine = 0;
    std::uint32_t pasid = 0;
    auto operator<=>(const Number&) const = default;
  };
  struct Command {
    std::uint32_t component = 0;
    std::uint64_t number = 0;
    auto operator<=>(const Command&) const = default;
  };
  struct OpenCommand {
    Id flow = 0;
    std::uint32_t guest = 0;
    std::uint32_t pasid = 0;
    std::uint16_t opcode = 0;
  };
  // A descriptor that waits in a guest's queue.
  struct Order {
    Id flow = 0;
    Bits bits;
    std::uint32_t pasid = 0;
    std::uint16_t type = 0;
  };

  Step step_of(std::uint16_t kind);
  Place place_of(const TraceEvent& event) const;
  Group group_of(const TraceEvent& event, std::uint64_t bits) const;

  void request(const Shown& shown);
  void group_step(const Shown& shown, bool answer);
  void submit(const Shown& shown);
  void descriptor_end(const Shown& shown);
  void command(const Shown& shown);
  void command_done(const Shown& shown);
  bool allocated(const Shown& shown);
  bool freed(const Shown& shown);
  bool bound(const Shown& shown, bool binds);

  void count_bound(const Number& host, const Number& guest, bool binds);
  Id cause_of(const TraceEvent& submission);
  const Order* order_for(const TraceEvent& submission) const;
  const OpenCommand* command_for(const TraceEvent& event, std::uint16_t opcode) const;

  Id begin();
  void append(Id flow, const Shown& shown) { flows_.at(flow).events.push_back(shown); }
  void hold(Id flow) { ++flows_.at(flow).open; }
  void release(Id flow);
  void give(std::vector<Shown> events) const;
  void give_older_half();

  const EventNames& names_;
  Requests::Take take_;
  std::vector<Place> places_;  // by component
  std::vector<Step> steps_;    // by kind, as far as asked for

  Id last_ = 0;
  std::map<Id, Flow> flows_;  // oldest first
  // What is open, and whose it is.
  std::map<Group, OpenGroup> groups_;
  std::multimap<Bits, Id> descriptors_;
  std::map<Command, OpenCommand> commands_;
  std::map<Number, Id> allocations_;  // PASIDs that a guest has been told and not taken up
  std::map<Number, Id> frees_;        // that a guest gives up, before its command

  std::map<std::uint32_t, std::vector<Order>> orders_;  // by guest, oldest first
  // Guests' PASIDs that a host's stands for, and for how many functions.
  std::map<Number, std::map<Number, std::uint32_t>> guests_numbers_;
  std::set<std::uint32_t> commanding_;  // guests that have given commands
  // The last descriptor that a host submitted for a guest: others of its submission go with it.
  struct {
    std::uint32_t component = 0;
    std::uint32_t pasid = 0;
    std::int64_t time = 0;
    Id flow = 0;
  } last_submission_;
};

}  // namespace viosim
