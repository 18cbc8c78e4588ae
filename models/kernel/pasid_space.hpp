// A kernel's allocator of PASIDs: the ioasid library, with a lock that is held and waited for in
// simulated time.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/base/error.hpp"
#include "core/base/fields.hpp"
#include "core/base/stats.hpp"
#include "ioasid/space.hpp"
#include "models/cpu/locks.hpp"
#include "models/injection.hpp"
#include "models/kernel/errno.hpp"
#include "models/trace_point.hpp"

#include <algorithm>
#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

namespace viosim {

struct PasidSpaceParams {
  Ps operation = 100ns;
  Ps lock_handover = 100ns;

  static constexpr auto fields() {
    using P = PasidSpaceParams;
    return Fields{
        field("operation", &P::operation,
              "Allocating or freeing a number, or storing its data, under the allocator's lock.",
              "the kernel's own code takes 45-65 ns each in user space, with up to 1 M numbers"),
        field("lock_handover", &P::lock_handover,
              "From the release of that lock to the next holder's going on.", "assumed")};
  }
  bool operator==(const PasidSpaceParams&) const = default;
};

struct PasidSpaceStats {
  std::uint64_t unknown_frees = 0;
  std::uint64_t late_allocators = 0;
  static constexpr auto fields() {
    using S = PasidSpaceStats;
    return Fields{
        metric(
            "unknown_frees", &S::unknown_frees, Unit::count,
            "Times that the kernel freed a number which the allocator does not know (-ENOENT), an "
            "orphan's for example: nothing but a line of its log."),
        metric(
            "late_allocators", &S::late_allocators, Unit::count,
            "vIOMMUs' allocators that could not be registered, since numbers of the kernel's own "
            "live (-EAGAIN).")};
  }
};

// Calls on space() by threads take the lock and the time; those of nobody (before and after a run)
// take neither. A backend's calls happen under the lock, however long they take, as in Linux.
class PasidSpace final : private ioasid::ExternalLock {
 public:
  PasidSpace(Engine& engine, const std::string& path, const PasidSpaceParams& params = {},
             ioasid::SpaceOptions options = {})
      : engine_(engine),
        params_(params),
        lock_(engine, path + ".lock", params.lock_handover),
        space_(with_lock(options)),
        enforces_range_(options.enforce_range) {}

  ioasid::Space& space() { return space_; }
  // Looks at the space, or at a layer on it, without its lock and its time: for what is told of it.
  template <class Look>
  auto peek(Look&& look) const {
    peeks_ = true;
    const auto seen = std::forward<Look>(look)();
    peeks_ = false;
    return seen;
  }
  // Its backends give whichever number they like: a host behind virtual commands is not told a range.
  void backends_know_no_range() { backends_know_ranges_ = false; }
  bool knows_ranges() const { return backends_know_ranges_ || !space_.custom_active(); }
  // What lies outside the range is not what was asked for.
  bool enforces_range() const { return enforces_range_; }
  // Which life each of its numbers is in.
  const PasidLives& lives() const { return lives_; }
  void trace_to(Tracer& tracer, std::uint32_t component) {
    trace_.trace_to(tracer, component, &lives_);
    lock_.trace.trace_to(tracer, component);
  }

  // What Space::alloc and Space::free do, for the kernel itself.
  ioasid::Ioasid alloc(ioasid::SetToken set, ioasid::Range range, void* data) {
    const Instant since = engine_.now();
    const Ruling ruling = injection.ask(InjectionPoint::allocation());
    const ioasid::Ioasid id =
        ruling.passes() ? space_.alloc(set, range, data)
                        : odd(space_, ruling.id, range,
                              [&](ioasid::Range from) { return space_.alloc(set, from, data); });
    if (id == ioasid::invalid_ioasid) return id;
    if (ruling.fate == Fate::allocate && ruling.id == OddId::untracked) space_.free(id);
    begins(id, {range, since});
    return id;
  }
  // Before the run: a driver has taken just this number, which is free.
  void take(Pasid number) {
    const ioasid::Ioasid id = number.value();
    ensure(space_.alloc(this, {id, id}, nullptr) == id, "a driver's own PASID is not free");
    begins(id, {{id, id}, engine_.now()});
  }
  // Told of when the lock has been taken: until then nothing has happened to the number, from then on
  // nobody may use it, and what the call takes (a backend's) may make it another's.
  void free(ioasid::Ioasid id) {
    const Thread* const thread = Thread::current(engine_);
    if (thread == nullptr) {
      ends(id, {engine_.now(), 0, outcome(id)});
      free_counted(id);
      return;
    }
    freed_by_[thread] = {id, engine_.now()};
    const Forget forget{freed_by_, thread};
    free_counted(id);
  }
  // For who allocates and frees by another layer: since when, and who; `owner`: a component and 1, or
  // 0: the kernel.
  struct Asked {
    ioasid::Range range;
    Instant since;
    std::uint64_t owner = 0;
  };
  struct Ended {
    Instant since;
    std::uint64_t owner = 0;
    std::uint16_t error = 0;
  };
  void begins(ioasid::Ioasid id, const Asked& asked) {
    lives_.begin(Pasid(id));
    if (!trace_.on()) return;
    trace_.emit({.kind = EventKind::allocate,
                 .time = engine_.now(),
                 .pasid = Pasid(id),
                 .address = asked.range.min | std::uint64_t{asked.range.max} << 32U,
                 .value = asked.owner,
                 .code = knows(id) ? std::uint16_t{0} : trace_code::untracked,
                 .duration = engine_.now() - asked.since});
  }
  void ends(ioasid::Ioasid id, const Ended& ended) const {
    if (!trace_.on()) return;
    trace_.emit({.kind = EventKind::free,
                 .time = engine_.now(),
                 .pasid = Pasid(id),
                 .value = ended.owner,
                 .code = ended.error,
                 .duration = engine_.now() - ended.since});
  }
  const ioasid::Space& space() const { return space_; }
  SpinLock& spin_lock() { return lock_; }

  PasidSpaceStats stats;
  InjectionPort injection;  // of the kernel's own allocations
  // A number of `space` that is wrong in this way, where there is one; otherwise a right one (untracked: the
  // caller forgets it). `allocate`: from a range.
  template <class Allocate>
  static ioasid::Ioasid odd(ioasid::Space& space, OddId how, ioasid::Range range,
                            Allocate&& allocate) {
    ioasid::Ioasid id = ioasid::invalid_ioasid;
    if (how == OddId::live) {
      const std::vector<ioasid::Ioasid> ids = space.ids(nullptr);
      if (!ids.empty()) id = *std::min_element(ids.begin(), ids.end());
    } else if (how == OddId::below_range && range.min > 0) {
      id = allocate(ioasid::Range{0, range.min - 1});
    } else if (how == OddId::above_range && range.max < ioasid::invalid_ioasid - 1) {
      id = allocate(ioasid::Range{range.max + 1, ioasid::invalid_ioasid - 1});
    }
    return id == ioasid::invalid_ioasid ? allocate(range) : id;
  }

 private:
  struct Freed {
    ioasid::Ioasid id = ioasid::invalid_ioasid;
    Instant since;
  };
  // Who ends before he has the lock frees nothing, and the next thread may have his place in memory.
  struct Forget {
    std::map<const Thread*, Freed>& freed_by;
    const Thread* thread;
    ~Forget() { freed_by.erase(thread); }
  };
  void free_counted(ioasid::Ioasid id) {
    if (space_.free(id) == ioasid::Error::enoent) ++stats.unknown_frees;
  }
  ioasid::SpaceOptions with_lock(ioasid::SpaceOptions options) {
    options.lock = this;
    return options;
  }
  void tell_freed(const Thread& thread) {
    const auto found = freed_by_.find(&thread);
    if (found == freed_by_.end()) return;
    ends(found->second.id, {found->second.since, 0, outcome(found->second.id)});
    freed_by_.erase(found);
  }
  // Of a free. An orphan's owner does not know that his allocator has left.
  std::uint16_t outcome(ioasid::Ioasid id) const {
    return number_of(knows(id) ? Errno::ok : Errno::enoent);
  }
  bool knows(ioasid::Ioasid id) const {
    return space_.find(nullptr, id).error != ioasid::Error::enoent;
  }
  void lock() override {
    if (peeks_) return;
    Thread* const thread = Thread::current(engine_);
    if (thread == nullptr) return;
    lock_.lock(*thread);
    try {
      tell_freed(*thread);
      thread->run(params_.operation);
    } catch (const ThreadGone&) {
      lock_.unlock(*thread);
      throw;
    }
  }
  void unlock() override {
    if (peeks_) return;
    if (Thread* const thread = Thread::current(engine_)) lock_.unlock(*thread);
  }
  bool held() const override {
    const Thread* const thread = Thread::current(engine_);
    return thread != nullptr && lock_.held_by(*thread);
  }

  Engine& engine_;
  PasidSpaceParams params_;
  SpinLock lock_;
  ioasid::Space space_;
  bool enforces_range_;
  bool backends_know_ranges_ = true;
  PasidLives lives_;
  TracePoint trace_;
  mutable bool peeks_ = false;
  std::map<const Thread*, Freed> freed_by_;  // those who are about to take the lock
};

}  // namespace viosim
