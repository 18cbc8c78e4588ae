// Holds a run against the invariants, event by event: while it goes on, or from its trace afterwards.
// SPDX-License-Identifier: Apache-2.0
//
// The same events in the same order give the same violations, wherever they come from. Answers to
// single requests may be left out while wants_requests() is false: they change nothing then.
#pragma once

#include "sim/check/aborts.hpp"
#include "sim/check/allocators.hpp"
#include "sim/check/announcements.hpp"
#include "sim/check/bindings.hpp"
#include "sim/check/commands.hpp"
#include "sim/check/contexts.hpp"
#include "sim/check/domains.hpp"
#include "sim/check/entry_writes.hpp"
#include "sim/check/guest_numbers.hpp"
#include "sim/check/identities.hpp"
#include "sim/check/limits.hpp"
#include "sim/check/lock_order.hpp"
#include "sim/check/page_groups.hpp"
#include "sim/check/private_numbers.hpp"
#include "sim/check/quiet_entries.hpp"
#include "sim/check/quotas.hpp"
#include "sim/check/scene.hpp"
#include "sim/check/second_levels.hpp"
#include "sim/check/stale_use.hpp"
#include "sim/check/teardowns.hpp"
#include "sim/check/unmaps.hpp"

#include <array>
#include <string>
#include <utility>
#include <vector>

namespace viosim::check {

class Checker final : public TraceObserver {
 public:
  // `paths`: of the components, by their numbers.
  explicit Checker(std::vector<std::string> paths, const Limits& limits = {})
      : scene_(std::move(paths)), page_groups_(scene_, limits.answer_within.count()) {
    shown_.reserve(batch);
  }

  // Before the first event: the trace is not one of the first programs', which did not tell when the fields of an
  // entry are written. Without it the first entry of each unit is not asked whether they were (I25).
  void expect_fields() { entry_writes_.expect_fields(); }

  void observe(const TraceEvent& event) override {
    if (is_part_of_request(static_cast<EventKind>(event.kind))) return;
    may_want_requests_ = may_want_requests_ || takes_away(event);
    shown_.push_back(event);
    if (shown_.size() == batch) [[unlikely]]
      catch_up();
  }
  // Also as long as it has not looked at what may have taken something away.
  bool wants_requests() const override { return may_want_requests_; }
  // Looks at what it was shown.
  void catch_up();
  // The run came to its end: what has not happened is asked, of these.
  void finish();
  static constexpr std::array asked_at_end{Invariant::every_answer, Invariant::same_numbers,
                                           Invariant::aborts_seen, Invariant::trace_order};

  const std::vector<Violation>& violations() {
    catch_up();
    return scene_.violations();
  }
  std::uint64_t found() {  // with those that were not kept
    catch_up();
    return scene_.found();
  }
  // How often each invariant was violated, by its name.
  const std::map<std::string, std::uint64_t>& counts() {
    catch_up();
    return scene_.counts();
  }

 private:
  static constexpr std::size_t batch = 8192;

  static bool takes_away(const TraceEvent& event) {
    const auto kind = static_cast<EventKind>(event.kind);
    return kind == EventKind::unmap || kind == EventKind::bind ||
           (kind == EventKind::table_write && event.code == trace_code::entry_zeroed);
  }
  bool needs_requests() const {
    return stale_use_.wants_requests() || quiet_entries_.wants_requests();
  }
  void look_at(const TraceEvent& event);
  void check(const TraceEvent& event);

  Scene scene_;
  PrivateNumbers private_numbers_{scene_};
  Identities identities_{scene_};
  Bindings bindings_{scene_};
  Teardowns teardowns_{scene_};
  Unmaps unmaps_{scene_};
  Domains domains_{scene_};
  PageGroups page_groups_;
  StaleUse stale_use_{scene_};
  Commands commands_{scene_};
  Allocators allocators_{scene_};
  Quotas quotas_{scene_};
  GuestNumbers guest_numbers_{scene_};
  SecondLevels second_levels_{scene_};
  EntryWrites entry_writes_{scene_};
  Contexts contexts_{scene_};
  Aborts aborts_{scene_};
  QuietEntries quiet_entries_{scene_};
  Announcements announcements_{scene_};
  LockOrder lock_order_{scene_};
  TraceOrder trace_order_{scene_};
  std::vector<TraceEvent> shown_;
  bool may_want_requests_ = false;
};

}  // namespace viosim::check
