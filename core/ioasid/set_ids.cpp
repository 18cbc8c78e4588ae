// Sets as objects: what is done to single ids, and who is told.
// SPDX-License-Identifier: Apache-2.0
#include "ioasid/locked.hpp"
#include "ioasid/readers.hpp"
#include "ioasid/set_object.hpp"
#include "ioasid/sets.hpp"

#include <cstdint>
#include <exception>
#include <iterator>
#include <new>

namespace ioasid {

Error SetSpace::check(SetNumber set, Records::const_iterator record) const {
  if (record == records_.end()) return Error::einval;
  if (set != no_set && record->second.set->number != set) return Error::eacces;
  return Error::ok;
}

Error SetSpace::get(SetNumber set, Ioasid id) {
  const Locked locked(*this, "SetSpace::get");
  const auto record = records_.find(id);
  if (record != records_.end() && record->second.pending) return Error::ebusy;
  if (const Error error = check(set, record); error != Error::ok) return error;
  ++record->second.references;
  return Error::ok;
}

Error SetSpace::get_if_owned(const void* token, Ioasid id) {
  const Locked locked(*this, "SetSpace::get_if_owned");
  const auto record = records_.find(id);
  if (record == records_.end()) return Error::enoent;
  const Set& set = *record->second.set;
  if (set.token == nullptr) return Error::einval;
  if (set.token != token) return Error::eperm;
  if (record->second.pending) return Error::ebusy;
  ++record->second.references;
  return Error::ok;
}

Error SetSpace::put(SetNumber set, Ioasid id) {
  std::exception_ptr thrown;
  {
    const Locked locked(*this, "SetSpace::put");
    const auto record = records_.find(id);
    if (const Error error = check(set, record); error != Error::ok) return error;
    const bool last = record->second.references == 1;
    thrown = drop(record);
    if (!last) return Error::ok;
  }
  detail::let_readers_go();
  if (thrown) std::rethrow_exception(thrown);
  return Error::ok;
}

std::uint64_t SetSpace::references(Ioasid id) const {
  const Locked locked(*this, "SetSpace::references");
  const auto record = records_.find(id);
  return record == records_.end() ? 0 : record->second.references;
}

Found SetSpace::find(SetNumber set, Ioasid id) const { return space_.find(token_of(set), id); }

Error SetSpace::attach_data(Ioasid id, void* data) {
  const Locked locked(*this, "SetSpace::attach_data");
  const auto record = records_.find(id);
  if (record == records_.end()) return Error::enoent;
  if (record->second.pending || space_.find(nullptr, id).data != nullptr) return Error::ebusy;
  return set_data_locked(id, data);  // there is no old data
}

Error SetSpace::detach_data(Ioasid id) {
  {
    const Locked locked(*this, "SetSpace::detach_data");
    if (!records_.contains(id)) return Error::enoent;
    const Error error = set_data_locked(id, nullptr);
    if (error != Error::ok) return error;
  }
  detail::let_readers_go();
  return Error::ok;
}

Error SetSpace::attach_spid(Ioasid id, Ioasid spid) {
  const Locked locked(*this, "SetSpace::attach_spid");
  if (spid == invalid_ioasid) return Error::einval;
  const auto record = records_.find(id);
  if (record == records_.end()) return Error::enoent;
  Set& set = *record->second.set;
  if (set.by_spid.contains(spid)) return Error::einval;
  if (record->second.pending || record->second.spid != invalid_ioasid) return Error::ebusy;
  set.by_spid.emplace(spid, id);
  record->second.spid = spid;
  tell(Event::bind, id, record->second);
  return Error::ok;
}

Error SetSpace::detach_spid(Ioasid id) {
  const Locked locked(*this, "SetSpace::detach_spid");
  const auto record = records_.find(id);
  if (record == records_.end() || record->second.spid == invalid_ioasid) return Error::enoent;
  unbind(id, record->second);
  return Error::ok;
}

void SetSpace::unbind(Ioasid id, Record& record) {
  if (record.spid == invalid_ioasid) return;
  tell(Event::unbind, id, record);
  record.set->by_spid.erase(record.spid);
  record.spid = invalid_ioasid;
}

Ioasid SetSpace::find_by_spid(SetNumber number, Ioasid spid, bool with_reference) {
  const Locked locked(*this, "SetSpace::find_by_spid");
  const Set* set = set_of(number);
  if (set == nullptr) return invalid_ioasid;
  const auto found = set->by_spid.find(spid);
  if (found == set->by_spid.end()) return invalid_ioasid;
  if (!with_reference) return found->second;
  Record& record = records_.find(found->second)->second;
  if (record.pending) return invalid_ioasid;
  ++record.references;
  return found->second;
}

Error SetSpace::register_notifier(Notifier& notifier, Priority priority) {
  const Locked locked(*this, "SetSpace::register_notifier");
  return everywhere_.add(notifier, priority);
}

Error SetSpace::register_notifier(Notifier& notifier, Priority priority, SetNumber number) {
  const Locked locked(*this, "SetSpace::register_notifier");
  Set* set = set_of(number);
  return set == nullptr ? Error::enoent : set->chain.add(notifier, priority);
}

Error SetSpace::register_notifier_mm(Notifier& notifier, Priority priority, const void* token) {
  const Locked locked(*this, "SetSpace::register_notifier_mm");
  if (token == nullptr) return Error::einval;
  const auto [chain, made] = by_token_chains_.try_emplace(token);
  try {
    return chain->second.add(notifier, priority);
  } catch (const std::bad_alloc&) {
    if (made) by_token_chains_.erase(chain);
    throw;
  }
}

Error SetSpace::unregister_notifier(Notifier& notifier) {
  const Locked locked(*this, "SetSpace::unregister_notifier");
  bool found = everywhere_.remove(notifier) == Error::ok;
  for (auto& [number, set] : sets_) found |= set->chain.remove(notifier) == Error::ok;
  for (auto chain = by_token_chains_.begin(); chain != by_token_chains_.end();) {
    found |= chain->second.remove(notifier) == Error::ok;
    chain = chain->second.empty() ? by_token_chains_.erase(chain) : std::next(chain);
  }
  return found ? Error::ok : Error::enoent;
}

}  // namespace ioasid
