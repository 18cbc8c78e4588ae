// Whatever is done to it, the space answers as the naive one does.
// SPDX-License-Identifier: Apache-2.0
#include "tests/ioasid/history.hpp"
#include "tests/ioasid/naive_space.hpp"
#include "tests/support/catch.hpp"

#include <rapidcheck.h>

#include <map>
#include <string>
#include <utility>
#include <vector>

namespace {

using history::Backends;
using history::Op;
using history::Step;
using ioasid::Behaviour;

// How often the histories of a property came to what is worth trying.
class Coverage {
 public:
  void count(const naive::Space& space) {
    ++times_["operations"];
    if (space.custom_active()) ++times_["operations on a custom allocator"];
    for (const std::string& line : space.log) ++times_[line];
  }
  void count_heads(const naive::Space& space) {
    times_["head left a group of three"] += space.heads_left_of_three;
    times_["head that left came back"] += space.departed_heads_back;
  }
  // In this many histories each of these happens at least so often, unless the drawing of
  // operations has been spoilt: what is asked for is well below what is usual.
  void check(const ioasid::SpaceOptions& options) const {
    const bool refuses = options.refuse_unregister_with_live_ids;
    at_least("operations on a custom allocator", times("operations") / 3);
    at_least("info:to_default", refuses ? 25 : 60);
    at_least("info:changed", refuses ? 15 : 40);
    at_least("err:dup", 100);
    at_least("err:track", options.track_beside_live ? 3 : 50);
    at_least(refuses ? "err:live_ids" : "WARN:outstanding", 50);
    at_least("head left a group of three", 7);
    if (options.behaviour == Behaviour::linux_6_1) at_least("head that left came back", 7);
    if (options.enforce_range) at_least("err:out_of_range", 100);
  }

 private:
  int times(const std::string& what) const {
    const auto found = times_.find(what);
    return found == times_.end() ? 0 : found->second;
  }
  void at_least(const std::string& what, int least) const {
    INFO(what);
    CHECK(times(what) >= least);
  }

  std::map<std::string, int> times_;
};

void agree(ioasid::SpaceOptions options, const std::vector<Op>& ops, Coverage& coverage) {
  fakes::Log log;
  Backends real_backends;
  Backends naive_backends;
  naive::Space naive_space(options);
  options.listener = &log;
  ioasid::Space space(options);
  for (const Op& op : ops) {
    const Step step = history::step_of(op, naive_space.ids(nullptr));
    RC_ASSERT(apply(space, real_backends, step) == apply(naive_space, naive_backends, step));
    RC_ASSERT(real_backends.take() == naive_backends.take());
    RC_ASSERT(space.custom_active() == naive_space.custom_active());
    RC_ASSERT((space.active_pdata() == naive_space.active_pdata()));
    RC_ASSERT(space.size() == naive_space.ids(nullptr).size());
    coverage.count(naive_space);
    RC_ASSERT(log.take() == std::exchange(naive_space.log, {}));
  }
  RC_ASSERT(space.ids() == naive_space.ids(nullptr));
  coverage.count_heads(naive_space);
}

void check(const char* what, ioasid::SpaceOptions options) {
  INFO(what << (options.behaviour == Behaviour::linux_6_1 ? ", as Linux 6.1" : ", corrected"));
  Coverage coverage;
  const bool holds = rc::check(what, [&] {
    std::vector<Op> ops = *history::beginnings();
    const std::vector<Op> others = *rc::gen::scale(6.0, history::histories());
    ops.insert(ops.end(), others.begin(), others.end());
    agree(options, ops, coverage);
  });
  CHECK(holds);
  if (holds) coverage.check(options);
}

}  // namespace

TEST_CASE("any history agrees with the naive space, as Linux 6.1") {
  check("no policy", {.behaviour = Behaviour::linux_6_1});
}

TEST_CASE("any history agrees with the naive space, corrected") {
  check("no policy", {.behaviour = Behaviour::corrected});
}

TEST_CASE("any history agrees with the naive space under each policy") {
  for (const auto behaviour : {Behaviour::linux_6_1, Behaviour::corrected}) {
    check("enforce_range", {.behaviour = behaviour, .enforce_range = true});
    check("keep_live", {.behaviour = behaviour, .keep_live_on_duplicate = true});
    check("beside", {.behaviour = behaviour, .track_beside_live = true});
    check("refuse", {.behaviour = behaviour, .refuse_unregister_with_live_ids = true});
    check("all", {.behaviour = behaviour,
                  .enforce_range = true,
                  .keep_live_on_duplicate = true,
                  .track_beside_live = true,
                  .refuse_unregister_with_live_ids = true});
  }
}
