// Who is told when ids change: chains of notifiers, in order of priority.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "ioasid/types.hpp"

#include <cstdint>
#include <vector>

namespace ioasid {

// A set of a SetSpace. Numbers are never used again, not even by another SetSpace on the same
// space, so that of a set that is gone stays harmless.
using SetNumber = std::uint32_t;
inline constexpr SetNumber no_set = 0;

// What happened to an id: enum ioasid_notify_val of the "IOASID extensions" series (sets.hpp). One
// event for each transition, never one for a call that changed nothing.
enum class Event : std::uint8_t {
  alloc,   // allocated
  free,    // given up: its users must let go of it; its number may be in use still
  bind,    // has got an alias (spid)
  unbind,  // has lost it
};

// struct ioasid_nb_args there.
struct Notice {
  Event event;
  Ioasid id;
  SetNumber set;
  void* data;                    // at the time
  Ioasid spid = invalid_ioasid;  // its alias, if it has one
};

// struct notifier_block of include/linux/notifier.h, called by atomic_notifier_call_chain(). Called
// with the space locked: quick, and of the same space only find(), its own or the SetSpace's, and
// custom_active() may be called; every other call of them throws UsageError. It must not throw
// itself: an exception that leaves it ends the program. It must live until its unregistration has
// returned, or the SetSpace is gone.
class Notifier {
 public:
  virtual ~Notifier() = default;
  virtual void notify(const Notice& notice) noexcept = 0;
};

// enum ioasid_notifier_prios there. Who must know first: the processor's own tables, then the
// IOMMU's, then devices. Within one chain: a set's chain is called as a whole before its process's,
// and that before the system-wide one.
enum class Priority : std::uint8_t { device, iommu, cpu };

// struct atomic_notifier_head. Higher priorities first, among equals who came first. Not
// thread-safe: SetSpace locks.
class NotifierChain {
 public:
  // atomic_notifier_chain_register. -EEXIST: it is in the chain. Throws std::bad_alloc where memory
  // is short; nothing has changed then.
  Error add(Notifier& notifier, Priority priority);
  // atomic_notifier_chain_unregister. -ENOENT: it is not in the chain.
  Error remove(Notifier& notifier);
  bool empty() const { return links_.empty(); }  // added
  // atomic_notifier_call_chain; nobody can stop it here.
  void call(const Notice& notice) const noexcept;

 private:
  struct Link {
    Notifier* notifier;
    Priority priority;
  };
  std::vector<Link> links_;
};

}  // namespace ioasid
