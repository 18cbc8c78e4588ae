// A space with everything on it whose callbacks make one call of the tester's.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "ioasid/ioasid.hpp"
#include "tests/ioasid/crew.hpp"

#include <atomic>
#include <functional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>

namespace nesting {

inline constexpr ioasid::Range all{1, 0xfffff};

enum class Outcome : std::uint8_t { not_met, works, refused };

class World : public ioasid::Backend,
              public ioasid::Listener,
              public ioasid::Notifier,
              public ioasid::VcmdChannel,
              public ioasid::ExternalLock {
 public:
  explicit World(bool external)
      : space({.listener = this, .lock = external ? this : nullptr}),
        sets(space),
        references(space, this),
        global(this) {
    space.register_allocator(ops);
    set = sets.alloc_set({ioasid::SetType::mm, this, 9}).set;
    sets.register_notifier(*this, ioasid::Priority::cpu);
    plain = space.alloc(nullptr, all, nullptr);
    of_set = sets.alloc(set, all, nullptr);
    aliased = sets.alloc(set, all, nullptr);
    sets.attach_spid(aliased, 3);
    referenced = references.alloc(nullptr, all, nullptr);
    elsewhere = other.alloc(nullptr, all, nullptr);
  }

  // What becomes of the call that the first callback of the place makes while `go` runs.
  Outcome meet(std::string_view place, void (*go)(World&), void (*call)(World&)) {
    place_ = place;
    call_ = call;
    go(*this);
    call_ = nullptr;
    return outcome_;
  }

  // A callback of this kind.
  void here(std::string_view kind) noexcept {
    if (call_ == nullptr || !place_.starts_with(kind)) return;
    void (*const call)(World&) = std::exchange(call_, nullptr);
    try {
      call(*this);
      outcome_ = Outcome::works;
    } catch (const ioasid::UsageError&) {
      outcome_ = Outcome::refused;
    }
  }

  ioasid::Ioasid alloc(ioasid::Range, void*) override {
    here("helper");
    return next_++;
  }
  void free(ioasid::Ioasid, void*) override { here("helper"); }
  void message(ioasid::Message, ioasid::Ioasid) noexcept override { here("listener"); }
  void notify(const ioasid::Notice&) noexcept override { here("notifier"); }
  void submit(std::uint64_t, ioasid::VcmdCompletion& completion) override {
    here("channel");
    completion.complete(ioasid::vcmd::response_with(7));
  }
  void lock() override {
    here("lock before");
    if (held_) throw std::logic_error("a lock that is held was taken again");
    held_ = true;
    here("lock while");
  }
  void unlock() override {
    here("unlock while");
    held_ = false;
    here("unlock after");
  }
  bool held() const override { return held_; }

 private:
  // Before the space, which uses them.
  std::string_view place_;
  void (*call_)(World&) = nullptr;
  Outcome outcome_ = Outcome::not_met;
  bool held_ = false;
  ioasid::Ioasid next_ = 1;

  class Silent : public ioasid::Notifier {
   public:
    void notify(const ioasid::Notice&) noexcept override {}
  };

 public:
  ioasid::Space space;
  ioasid::SetSpace sets;
  ioasid::References references;
  ioasid::Space other;
  ioasid::DefaultBackend numbers;
  ioasid::GlobalIdAllocator global;
  ioasid::VcmdBackend driver;
  VcmdChannel& channel = *this;
  Silent silent;
  const ioasid::AllocatorOps ops{this, this, nullptr};
  const ioasid::AllocatorOps virtual_ops = driver.ops(channel);
  const ioasid::AllocatorOps no_ops;
  ioasid::SetNumber set = ioasid::no_set;
  ioasid::Ioasid plain = 0;       // the space's own
  ioasid::Ioasid of_set = 0;      // the set's
  ioasid::Ioasid aliased = 0;     // the set's, with an alias
  ioasid::Ioasid referenced = 0;  // the references'
  ioasid::Ioasid elsewhere = 0;   // the other space's
};

}  // namespace nesting
