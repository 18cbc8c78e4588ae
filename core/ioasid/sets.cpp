// Sets as objects: capacity, sets, and their ids.
// SPDX-License-Identifier: Apache-2.0
#include "ioasid/sets.hpp"

#include "ioasid/locked.hpp"
#include "ioasid/readers.hpp"
#include "ioasid/set_object.hpp"

#include <new>
#include <utility>

namespace ioasid {

SetSpace::SetSpace(Space& space) : Layer(space) { join_space(); }
SetSpace::~SetSpace() { leave_space(); }

// In the space a set is known by an address that can never be one of an object: one of the last,
// which belong to the kernel. (A low one may be a static object's.) It is another one for each
// layer, so that a set that is not one of ours has none of our ids.
SetToken SetSpace::token_of(SetNumber set) const {
  if (set == no_set) return nullptr;
  const std::uintptr_t number = std::uintptr_t{this->number()} << 32 | set;
  return reinterpret_cast<SetToken>(~number);  // NOLINT(performance-no-int-to-ptr)
}

SetSpace::Set* SetSpace::set_of(SetNumber set) const {
  const auto found = sets_.find(set);
  return found == sets_.end() ? nullptr : found->second.get();
}

Error SetSpace::install_capacity(std::uint32_t total) {
  const Locked locked(*this, "SetSpace::install_capacity");
  if (installed_ || taken_ != 0 || !sets_.empty()) return Error::ebusy;
  capacity_ = total;
  installed_ = true;
  return Error::ok;
}

Error SetSpace::reserve_capacity(std::uint32_t count) {
  const Locked locked(*this, "SetSpace::reserve_capacity");
  const std::uint32_t left = capacity_ - taken_;
  if (count > left || left == 0) return Error::enospc;
  if (count == 0) count = left;
  taken_ += count;
  reserved_ += count;
  return Error::ok;
}

Error SetSpace::cancel_capacity(std::uint32_t count) {
  const Locked locked(*this, "SetSpace::cancel_capacity");
  if (count > reserved_) return Error::einval;
  reserved_ -= count;
  taken_ -= count;
  return Error::ok;
}

std::uint32_t SetSpace::capacity_left() const {
  const Locked locked(*this, "SetSpace::capacity_left");
  return capacity_ - taken_;
}

SetResult SetSpace::alloc_set(const SetSpec& spec) {
  const Locked locked(*this, "SetSpace::alloc_set");
  if (spec.type != SetType::null && spec.type != SetType::mm) return {Error::einval};
  if ((spec.type == SetType::mm) != (spec.token != nullptr)) return {Error::einval};
  if (spec.token != nullptr && by_token_.contains(spec.token)) return {Error::eexist};
  const std::uint32_t left = capacity_ - taken_;
  if (spec.quota > left || left == 0 || next_set() == no_set) return {Error::enospc};
  auto set = std::make_unique<Set>();
  set->number = next_set();
  set->token = spec.token;
  set->quota = spec.quota == 0 ? left : spec.quota;
  Set& object = *set;
  sets_.emplace(object.number, std::move(set));
  try {
    if (spec.token != nullptr) by_token_.emplace(spec.token, &object);
  } catch (const std::bad_alloc&) {
    sets_.erase(object.number);
    throw;
  }
  taken_ += object.quota;
  take_next_set();
  return {Error::ok, object.number};
}

Error SetSpace::free_set(SetNumber number) {
  const Locked locked(*this, "SetSpace::free_set");
  Set* set = set_of(number);
  if (set == nullptr) return Error::enoent;
  set->leaving = true;
  if (!set->ids.empty()) return Error::ebusy;
  end_set(*set);
  return Error::ok;
}

void SetSpace::end_set(Set& set) {
  taken_ -= set.quota;
  if (set.token != nullptr) by_token_.erase(set.token);
  sets_.erase(set.number);
}

Error SetSpace::adjust_quota(SetNumber number, std::uint32_t quota) {
  const Locked locked(*this, "SetSpace::adjust_quota");
  Set* set = set_of(number);
  if (set == nullptr) return Error::enoent;
  const std::uint32_t left = capacity_ - taken_ + set->quota;
  if (quota > left || quota < set->ids.size()) return Error::enospc;
  taken_ = taken_ - set->quota + quota;
  set->quota = quota;
  return Error::ok;
}

SetNumber SetSpace::find_mm_set(const void* token) const {
  const Locked locked(*this, "SetSpace::find_mm_set");
  const auto found = by_token_.find(token);
  return found == by_token_.end() ? no_set : found->second->number;
}

SetNumber SetSpace::find_set(Ioasid id) const {
  const Locked locked(*this, "SetSpace::find_set");
  const auto record = records_.find(id);
  return record == records_.end() ? no_set : record->second.set->number;
}

std::uint32_t SetSpace::size(SetNumber number) const {
  const Locked locked(*this, "SetSpace::size");
  const Set* set = set_of(number);
  return set == nullptr ? 0 : static_cast<std::uint32_t>(set->ids.size());
}

std::uint32_t SetSpace::quota(SetNumber number) const {
  const Locked locked(*this, "SetSpace::quota");
  const Set* set = set_of(number);
  return set == nullptr ? 0 : set->quota;
}

Error SetSpace::list(SetNumber number, std::vector<Ioasid>& ids) const {
  const Locked locked(*this, "SetSpace::list");
  const Set* set = set_of(number);
  if (set == nullptr) return Error::enoent;
  ids.assign(set->ids.begin(), set->ids.end());
  return Error::ok;
}

Ioasid SetSpace::alloc(SetNumber number, Range range, void* data) {
  std::exception_ptr thrown;
  {
    const Locked locked(*this, "SetSpace::alloc");
    Set* set = set_of(number);
    if (set == nullptr || set->leaving || set->ids.size() >= set->quota) return invalid_ioasid;
    const Ioasid id = alloc_locked(token_of(number), range, data);
    if (id == invalid_ioasid) return invalid_ioasid;
    if (track(*set, id)) {
      tell(Event::alloc, id, records_.find(id)->second);
      return id;
    }
    free_locked(id, thrown);
  }
  // Nobody was told of it, but who tries numbers may have found it, and the data with it.
  detail::let_readers_go();
  if (thrown) std::rethrow_exception(thrown);
  return invalid_ioasid;
}

// False: out of memory, and nothing changed.
bool SetSpace::track(Set& set, Ioasid id) {
  try {
    set.ids.insert(id);
    records_[id] = Record{&set};
    return true;
  } catch (const std::bad_alloc&) {
    set.ids.erase(id);
    return false;
  }
}

void SetSpace::id_lost(Ioasid id) noexcept {
  const auto record = records_.find(id);
  if (record == records_.end()) return;
  Set& set = *record->second.set;
  end(record);
  end_if_last(set);
}

// In order of sets and ids, so that a run can be repeated.
void SetSpace::ids_lost() noexcept {
  for (auto at = sets_.begin(); at != sets_.end();) {
    Set& set = *(at++)->second;
    while (!set.ids.empty()) end(records_.find(*set.ids.begin()));
    end_if_last(set);
  }
}

void SetSpace::tell(Event event, Ioasid id, const Record& record) const noexcept {
  const detail::Callback telling = callback();
  void* data = space_.find(nullptr, id).data;
  const Notice notice{event, id, record.set->number, data, record.spid};
  record.set->chain.call(notice);
  if (const auto chain = by_token_chains_.find(record.set->token); chain != by_token_chains_.end())
    chain->second.call(notice);
  everywhere_.call(notice);
}

Error SetSpace::free(SetNumber set, Ioasid id) {
  std::exception_ptr thrown;
  {
    const Locked locked(*this, "SetSpace::free");
    const auto record = records_.find(id);
    if (record == records_.end()) return Error::enoent;
    if (record->second.set->number != set) return Error::eacces;
    thrown = give_up(record);
  }
  detail::let_readers_go();
  if (thrown) std::rethrow_exception(thrown);
  return Error::ok;
}

Error SetSpace::free_all_in_set(SetNumber number) {
  std::exception_ptr first;
  {
    const Locked locked(*this, "SetSpace::free_all_in_set");
    const Set* set = set_of(number);
    if (set == nullptr) return Error::enoent;
    const std::vector<Ioasid> ids(set->ids.begin(), set->ids.end());
    for (const Ioasid id : ids) {
      const std::exception_ptr thrown = give_up(records_.find(id));
      if (!first) first = thrown;
    }
  }
  detail::let_readers_go();
  if (first) std::rethrow_exception(first);
  return Error::ok;
}

// The allocator's own reference goes, once.
std::exception_ptr SetSpace::give_up(Records::iterator record) {
  if (record->second.pending) return nullptr;
  record->second.pending = true;
  tell(Event::free, record->first, record->second);
  return drop(record);
}

// One reference goes; with the last one the id, and the set with its last id if it is leaving.
// Returns what the backend threw: the id is gone all the same, and so is its set.
std::exception_ptr SetSpace::drop(Records::iterator record) {
  if (--record->second.references != 0) return nullptr;
  const Ioasid id = record->first;
  Set& set = *record->second.set;
  end(record);
  std::exception_ptr thrown;
  free_locked(id, thrown);
  end_if_last(set);
  return thrown;
}

// The id's users are told, unless they were told before, and the layer knows it no more.
void SetSpace::end(Records::iterator record) noexcept {
  const Ioasid id = record->first;
  Set& set = *record->second.set;
  if (!record->second.pending) tell(Event::free, id, record->second);
  unbind(id, record->second);
  records_.erase(record);
  set.ids.erase(id);
}

void SetSpace::end_if_last(Set& set) {
  if (set.leaving && set.ids.empty()) end_set(set);
}

}  // namespace ioasid
