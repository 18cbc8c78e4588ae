// Sets as objects: quotas, references with pending frees, aliases, notifiers.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "ioasid/layer.hpp"
#include "ioasid/notifier.hpp"
#include "ioasid/space.hpp"
#include "ioasid/types.hpp"

#include <cstdint>
#include <exception>
#include <map>
#include <memory>
#include <unordered_map>
#include <vector>

namespace ioasid {

// Who a set belongs to: nobody in particular, or the process whose mm is the token.
enum class SetType : std::uint8_t { null, mm };

struct SetSpec {
  SetType type = SetType::null;
  const void* token = nullptr;  // of an mm set; a null set has none
  std::uint32_t quota = 0;      // ids it may hold, up to what is left; 0: all that is left now
};

struct SetResult {
  Error error = Error::ok;
  SetNumber set = no_set;
};

// The design of the "IOASID extensions" series of 2020-21 as a layer on a Space. Each function
// names its counterpart there (version 4 unless it says otherwise), or that it was added. Each
// feature costs nothing until used: aliases and notifiers are empty containers before. There may be
// several on a space: no two sets have the same number, and a set is one layer's, unknown to the
// others, which find none of its ids by it. Thread-safe; it holds the space's lock while helpers,
// listeners and notifiers are called, and calls from inside those, but find(), throw UsageError.
//
// Memory: where it is short alloc() answers invalid_ioasid, while alloc_set(), free_all_in_set(),
// for_each(), attach_spid() and the three of register_notifier throw std::bad_alloc; nothing has
// changed then, nobody was told, and nothing was visited. The others need none, so that what was
// taken can always be given back; but any call may be a thread's first one (space.hpp).
//
// An id is live from alloc() until its last reference goes. free() gives up the allocator's own
// reference; while others remain the id is pending: its users were told, get() answers -EBUSY, its
// number is not reused, and the last put() ends it. When the space or another layer frees an id, or
// an allocator leaves with its ids, they end there and then, whatever references remain: their
// users are told (FREE unless they were told before, UNBIND where there is an alias), quota and
// aliases are given back, a set that was freed goes, and every later call answers as for an unknown
// id, also when the number is somebody else's by then. What a backend throws when an id ends leaves
// free(), free_all_in_set(), put() or an alloc() that had no memory to keep the id, when all is
// done that the call does otherwise.
class SetSpace final : private Layer {
 public:
  static constexpr std::uint32_t default_capacity = 1u << 20;

  // Added. UsageError: the space has track_beside_live (layer.hpp).
  explicit SetSpace(Space& space);
  // The ids stay in the space, found there as before, and no notice tells of them: Space::free()
  // ends them, or the departure of their allocator. Pending ones stay, too. No other SetSpace knows
  // them, on the same space neither.
  ~SetSpace() override;

  // ioasid_install_capacity: how many ids all quotas may add up to, any number. It is installed
  // once, and before anything takes of it: with 0 there will never be a set, since alloc_set()
  // answers -ENOSPC. -EBUSY: installed already, or there is a set, whatever its quota is now, or a
  // reservation.
  Error install_capacity(std::uint32_t total);
  // ioasid_reserve_capacity: takes capacity that belongs to no set; 0: all that is left. -ENOSPC:
  // more than is left, or nothing is.
  Error reserve_capacity(std::uint32_t count);
  // ioasid_cancel_capacity. -EINVAL: not that much is reserved.
  Error cancel_capacity(std::uint32_t count);
  // Added: what belongs to no set and no reservation.
  std::uint32_t capacity_left() const;

  // ioasid_set_alloc. -EINVAL: an mm set without a token, a null set with one, or neither type.
  // -EEXIST: the token has a set. -ENOSPC: the quota is more than what is left, or nothing is left,
  // neither capacity nor a number (there are 2^32 - 1, for all sets that ever are). The quota is
  // taken from the capacity until the set is gone.
  SetResult alloc_set(const SetSpec& spec);
  // ioasid_set_free. -ENOENT. -EBUSY: it has ids; it takes no new ones, and goes with its last id.
  Error free_set(SetNumber set);
  // ioasid_adjust_set of version 2. quota: any number. -ENOENT. -ENOSPC: more than there is, or
  // less than the set holds. 0 is no ids here, and all that is left only when a set is made.
  Error adjust_quota(SetNumber set, std::uint32_t quota);
  SetNumber find_mm_set(const void* token) const;  // ioasid_find_mm_set. no_set: none
  SetNumber find_set(Ioasid id) const;             // ioasid_find_set. no_set: the id is unknown
  std::uint32_t size(SetNumber set) const;         // added: its ids, pending ones too; 0: unknown
  std::uint32_t quota(SetNumber set) const;        // added: how many it may have; 0: unknown

  // ioasid_alloc: Space::alloc in a set. invalid_ioasid also when the set is unknown or being
  // freed, or its quota is reached. Where memory is short it may wait as Space::free does: the data
  // is nobody's then.
  Ioasid alloc(SetNumber set, Range range, void* data);
  // ioasid_free. -ENOENT: unknown. -EACCES: not of this set. 0 also when it was freed before and is
  // pending.
  Error free(SetNumber set, Ioasid id);
  // ioasid_free_all_in_set. -ENOENT. Where a backend throws for some of them the others are freed
  // as well, and the first exception is thrown in the end.
  Error free_all_in_set(SetNumber set);
  // ioasid_set_for_each_ioasid. Calls visit(id) for each id that the set has at the call,
  // ascending, without the lock: it may free them. -ENOENT. What it throws leaves here; the ids
  // after that one are not visited.
  template <class Visit>
  Error for_each(SetNumber set, Visit&& visit) const {
    std::vector<Ioasid> ids;
    const Error error = list(set, ids);
    for (const Ioasid id : ids) visit(id);
    return error;
  }

  // ioasid_get. set: no_set for whichever. -EINVAL: unknown. -EBUSY: pending, whosever it is.
  // -EACCES: not of this set.
  Error get(SetNumber set, Ioasid id);
  // ioasid_get_if_owned, for a process that claims an id. -ENOENT: unknown. -EINVAL: its set is not
  // an mm set. -EPERM: of another process. -EBUSY: pending.
  Error get_if_owned(const void* token, Ioasid id);
  // ioasid_put. set: no_set for whichever. -EINVAL: unknown. -EACCES: not of this set. The last
  // reference ends the id; then it waits as Space::free.
  Error put(SetNumber set, Ioasid id);
  std::uint64_t references(Ioasid id) const;  // added; 0: unknown

  // ioasid_find: Space::find by set; lock-free. Works until the id ends, also while it is pending.
  // -ENOENT: the space does not know the id. -EACCES: not of this set, or the set is not one of
  // this layer; unless the id was allocated past the layers for a set that is no object's address
  // (types.hpp). no_set matches all, the ids of others on the space, too.
  Found find(SetNumber set, Ioasid id) const;
  // ioasid_attach_data. -ENOENT: unknown. -EBUSY: it has data, or is pending. nullptr is no data.
  Error attach_data(Ioasid id, void* data);
  // ioasid_detach_data. -ENOENT: unknown; 0 also when there is no data. Waits as Space::free does.
  Error detach_data(Ioasid id);

  // ioasid_attach_spid: the number a guest knows the id by, at most one for an id, unique in the
  // set. -EINVAL: spid is invalid_ioasid. -ENOENT: unknown id. -EINVAL: spid is in use in the set.
  // -EBUSY: the id has another one, or is pending.
  Error attach_spid(Ioasid id, Ioasid spid);
  Error detach_spid(Ioasid id);  // ioasid_detach_spid. -ENOENT: unknown, or it has none
  // ioasid_find_by_spid. invalid_ioasid: none, or with_reference and pending.
  Ioasid find_by_spid(SetNumber set, Ioasid spid, bool with_reference = false);

  // ioasid_register_notifier, of all sets and of one; ioasid_register_notifier_mm;
  // ioasid_unregister_notifier. The set's own chain is called before its process's, and that before
  // the system-wide one, whatever the priorities: these order notifiers within a chain. A notifier
  // in several chains is told of each transition by each. -EEXIST: it is in that chain.
  Error register_notifier(Notifier& notifier, Priority priority);
  Error register_notifier(Notifier& notifier, Priority priority, SetNumber set);  // -ENOENT
  // Of the mm set with that token, now or as soon as there is one. -EINVAL: no token.
  Error register_notifier_mm(Notifier& notifier, Priority priority, const void* token);
  Error unregister_notifier(Notifier& notifier);  // from all chains; -ENOENT

 private:
  struct Set;
  struct Record {
    Set* set = nullptr;
    std::uint64_t references = 1;  // so many that nobody can count to the end of them
    bool pending = false;
    Ioasid spid = invalid_ioasid;
  };
  using Records = std::unordered_map<Ioasid, Record>;

  SetToken token_of(SetNumber set) const;
  Set* set_of(SetNumber set) const;
  Error list(SetNumber set, std::vector<Ioasid>& ids) const;
  Error check(SetNumber set, Records::const_iterator record) const;
  void tell(Event event, Ioasid id, const Record& record) const noexcept;
  bool track(Set& set, Ioasid id);
  void id_lost(Ioasid id) noexcept override;
  void ids_lost() noexcept override;
  std::exception_ptr give_up(Records::iterator record);
  std::exception_ptr drop(Records::iterator record);
  void end(Records::iterator record) noexcept;
  void end_if_last(Set& set);
  void unbind(Ioasid id, Record& record);
  void end_set(Set& set);

  std::uint32_t capacity_ = default_capacity;
  std::uint32_t taken_ = 0;     // by quotas and reservations
  std::uint32_t reserved_ = 0;  // by reservations alone
  bool installed_ = false;
  std::map<SetNumber, std::unique_ptr<Set>> sets_;
  std::map<const void*, Set*> by_token_;
  Records records_;
  NotifierChain everywhere_;
  std::map<const void*, NotifierChain> by_token_chains_;  // survive the sets they wait for
};

}  // namespace ioasid
