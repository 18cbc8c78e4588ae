// Page request groups: asked by functions, answered by software.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "sim/check/scene.hpp"

#include <cstdint>
#include <deque>
#include <string>
#include <utility>
#include <vector>

namespace viosim::check {

// I9 to I13.
class PageGroups {
 public:
  // `answer_within`: ps, from a group's first request to its answer.
  PageGroups(Scene& scene, std::int64_t answer_within)
      : scene_(scene), answer_within_(answer_within) {}
  void observe(const TraceEvent& event);
  void finish();  // the run is over

 private:
  struct Name {
    std::uint32_t machine = 0;
    std::uint16_t source = 0;
    std::uint16_t group = 0;
    auto operator<=>(const Name&) const = default;
    constexpr std::uint64_t bits() const {
      return std::uint64_t{machine} << 32U | std::uint64_t{source} << 16U | group;
    }
  };
  struct Group {
    TraceEvent first;  // its first request
    Number number;
    Story story;
    std::uint32_t requests = 0;
    std::uint32_t dropped = 0;  // of these, since their queue was full
    bool whole = false;         // its last request has come
    bool responded = false;
    bool blamed = false;     // something was wrong with it before: its index, or its response
    bool failed = false;     // the response is a failure
    bool forgotten = false;  // by a reset, an abort or a failure: nobody waits for a response
  };
  struct Function {
    std::uint32_t credits = 0;  // 0: not known
    std::uint32_t outstanding = 0;
    std::int64_t forgot = -1;  // what was sent until then: by a reset or a failure
    std::deque<std::pair<std::uint16_t, Story>> closed;  // the last that were answered, by index
  };

  void requested(const TraceEvent& event);
  void dropped(const TraceEvent& event);
  void taken(const TraceEvent& event);
  void responded(const TraceEvent& event);
  void responded_to_none(const TraceEvent& event, const Name& name, std::string message);
  void answered(const TraceEvent& event);
  // An allocation; or that of a guest's own number, whose entry becomes present.
  void number_begins(const TraceEvent& event);
  void function_forgets(const Name& function, std::int64_t now);
  void group_forgotten(const Name& name, Group& group);
  void close(const Name& name);
  // Of a group, by what happened to it.
  void complain(Invariant invariant, const TraceEvent& at, const Number& number, const Group& group,
                std::string message, bool overdue = false);
  void complain_of_remains(const TraceEvent& at, const Name& name, const Group& group,
                           std::string message);
  std::vector<Link> last_closed(const Name& name) const;  // the group of this index before
  Function& function_of(const Name& name) { return functions_[{name.machine, name.source}]; }

  Scene& scene_;
  std::int64_t answer_within_;
  FlatMap<Name, Group> groups_;
  FlatMap<Number, std::vector<Name>> by_pasid_;  // those that have a first request, by its number
  FlatMap<OfUnit, Function> functions_;          // by machine
};

}  // namespace viosim::check
