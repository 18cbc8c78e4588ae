// The id space: the procedures of the kernel's core, in its own order of steps.
// SPDX-License-Identifier: Apache-2.0
#include "ioasid/space.hpp"

#include "ioasid/layer.hpp"
#include "ioasid/locked.hpp"

#include <algorithm>
#include <exception>
#include <new>
#include <string>
#include <utility>

namespace ioasid {
namespace {

constexpr std::size_t no_group = ~std::size_t{0};

}  // namespace

void detail::refuse_nested(const char* call) {
  throw UsageError(std::string("ioasid: ") + call +
                   " called while this thread is inside the same space (from a helper, a listener "
                   "or a notifier): it would wait for itself; only find() and custom_active() are "
                   "allowed there");
}

void detail::take(ExternalLock& lock, const char* call) {
  reader();  // inside, what looks at readers must not fail for want of memory any more
  if (lock.held()) refuse_nested(call);
  lock.lock();
}

Space::Space(SpaceOptions options) : active_(&default_), options_(options) {}
Space::~Space() = default;

Ioasid Space::alloc(SetToken set, Range range, void* data) {
  const Locked locked(*this, "alloc");
  return alloc_locked(set, range, data);
}

inline Ioasid Space::alloc_locked(SetToken set, Range range, void* data) {
  Group& group = *active_.load(std::memory_order_relaxed);
  return group.custom ? alloc_custom(group, set, range, data) : alloc_default(set, range, data);
}

Ioasid Space::alloc_default(SetToken set, Range range, void* data) {
  try {
    const Ioasid id = default_.ids.insert_lowest(range, set, data);
    if (id != invalid_ioasid) [[likely]]
      return id;
  } catch (const std::bad_alloc&) {
    return invalid_ioasid;  // as in the kernel, short memory is not logged
  }
  give_memory_back();
  say(Message::err_range);
  say(Message::err_alloc);
  return invalid_ioasid;
}

Ioasid Space::alloc_custom(Group& group, SetToken set, Range range, void* data) {
  const Ioasid id = ask(group, range);
  if (id == invalid_ioasid) {
    say(Message::err_alloc);
    return invalid_ioasid;
  }
  if (options_.enforce_range && !range.contains(id) && !group.ids.contains(id)) {
    say(Message::err_out_of_range, id);
    give_back(group, id);
    return invalid_ioasid;
  }
  return track(group, id, set, data) ? id : invalid_ioasid;
}

Ioasid Space::ask(const Group& group, Range range) const {
  const detail::Callback callback(options_.lock == nullptr);
  return group.ops.alloc->alloc(range, group.ops.pdata);
}

void Space::give_back(const Group& group, Ioasid id) const {
  const detail::Callback callback(options_.lock == nullptr);
  group.ops.free->free(id, group.ops.pdata);
}

// Records what the backend returned, or gives it back: with keep_live_on_duplicate only when it is
// not an id that somebody owns.
bool Space::track(Group& group, Ioasid id, SetToken set, void* data) {
  bool live = false;
  try {
    if (group.ids.insert(id, set, data)) return true;
    live = true;
    if (options_.track_beside_live && id + 1 != invalid_ioasid &&
        group.ids.insert(id + 1, set, data))
      return true;
  } catch (const std::bad_alloc&) {
    // Nothing is recorded; an id that was live before still is.
  }
  say(Message::err_track, id);
  if (!(live && options_.keep_live_on_duplicate)) give_back(group, id);
  return false;
}

Error Space::free(Ioasid id) {
  try {
    const Error error = free_without_waiting(id);
    if (error == Error::ok) detail::let_readers_go();
    return error;
  } catch (...) {
    // The helper threw, and the id is gone. Who was refused because of being inside must not wait.
    if (!inside()) detail::let_readers_go();
    throw;
  }
}

Error Space::free_without_waiting(Ioasid id) {
  if (!lock_.favours_this_thread()) default_.ids.warm_up(id);
  const Locked locked(*this, "free");
  return free_locked(id, nullptr);
}

// The layers are told before the helper is, as by the layer that frees. An id that is not known to
// the space is known to none of them.
inline Error Space::free_locked(Ioasid id, const Layer* by) {
  for (Layer* layer = layers_; layer != nullptr; layer = layer->next_)
    if (layer != by) layer->id_lost(id);
  Group& group = *active_.load(std::memory_order_relaxed);
  const bool known = group.custom ? free_custom(group, id) : group.ids.erase(id);
  if (known) [[likely]]
    return Error::ok;
  give_memory_back();
  say(Message::err_free_unknown, id);
  return Error::enoent;
}

// The record goes after the call of the helper, and also when the call throws.
bool Space::free_custom(Group& group, Ioasid id) {
  if (!group.ids.contains(id)) return false;
  struct Erase {
    Group& group;
    Ioasid id;
    ~Erase() { group.ids.erase(id); }
  } const erase{group, id};
  give_back(group, id);
  return true;
}

Error Space::set_data(Ioasid id, void* data) {
  if (detail::must_not_wait())
    throw UsageError(
        "ioasid: set_data called inside a ReadGuard or a callback: it might wait for itself");
  const Error error = set_data_without_waiting(id, data);
  if (error == Error::ok && detail::guards_used()) detail::wait_for_guards();
  return error;
}

Error Space::set_data_without_waiting(Ioasid id, void* data) {
  const Locked locked(*this, "set_data");
  return set_data_locked(id, data);
}

inline Error Space::set_data_locked(Ioasid id, void* data) {
  const bool known = active_.load(std::memory_order_relaxed)->ids.assign(id, data);
  return known ? Error::ok : Error::enoent;
}

// Here, so that the space's own calls have these steps inlined.
Ioasid Layer::alloc_locked(SetToken set, Range range, void* data) {
  return space_.alloc_locked(set, range, data);
}

Error Layer::free_locked(Ioasid id, std::exception_ptr& thrown) {
  try {
    return space_.free_locked(id, this);
  } catch (...) {
    thrown = std::current_exception();
    return Error::ok;
  }
}

Error Layer::set_data_locked(Ioasid id, void* data) { return space_.set_data_locked(id, data); }

Error Space::register_allocator(const AllocatorOps& ops) {
  const Locked locked(*this, "register_allocator");
  if (ops.alloc == nullptr || ops.free == nullptr) return Error::einval;
  reclaim_groups();
  if (groups_.empty() && default_.ids.size() != 0) {
    say(Message::warn_default_busy);
    return Error::eagain;
  }
  try {
    return join_or_queue(ops);
  } catch (const std::bad_alloc&) {
    return Error::enomem;
  }
}

// Who is known is in one group, and stays there, whatever its helpers are by now.
Error Space::join_or_queue(const AllocatorOps& ops) {
  const bool corrected = options_.behaviour == Behaviour::corrected;
  if (const std::size_t index = group_that_knows(ops); index != no_group) {
    if (corrected || groups_[index]->head == &ops) return refuse_duplicate();
    // linux_6_1 answers 0 to a second registration of a sharer; here its list stays sound.
    return Error::ok;
  }
  const Group::Sharer sharer{&ops, ops.pdata};
  if (const std::size_t index = group_with_helpers_of(ops); index != no_group) {
    groups_[index]->sharers.push_back(sharer);
    return Error::ok;
  }
  // Room for its departure: that must not fail for want of memory.
  retired_.reserve(retired_.size() + groups_.size() + 1);
  auto group = std::make_unique<Group>();
  group->custom = true;
  group->ops = ops;
  group->sharers.push_back(sharer);
  group->use(sharer);
  groups_.push_back(std::move(group));
  if (groups_.size() == 1) active_.store(groups_.front().get(), std::memory_order_release);
  default_.ids.keep_nothing();  // it stands by
  return Error::ok;
}

Error Space::refuse_duplicate() const {
  say(Message::err_dup);
  return Error::eexist;
}

// As a sharer, or as the head that has left (linux_6_1).
std::size_t Space::group_that_knows(const AllocatorOps& ops) const {
  for (std::size_t i = 0; i < groups_.size(); ++i)
    if (groups_[i]->head == &ops || groups_[i]->has(ops)) return i;
  return no_group;
}

std::size_t Space::group_with_helpers_of(const AllocatorOps& ops) const {
  for (std::size_t i = 0; i < groups_.size(); ++i)
    if (groups_[i]->ops.same_helpers(ops)) return i;
  return no_group;
}

// linux_6_1 takes a stranger for one of those that have its helpers; corrected does not.
std::size_t Space::group_of(const AllocatorOps& ops) const {
  const std::size_t known = group_that_knows(ops);
  if (known != no_group || options_.behaviour == Behaviour::corrected) return known;
  return group_with_helpers_of(ops);
}

Error Space::unregister_allocator(const AllocatorOps& ops, std::vector<Ioasid>* orphans) {
  const Error error = unregister_without_waiting(ops, orphans);
  if (error == Error::ok) detail::let_readers_go();
  return error;
}

Error Space::unregister_without_waiting(const AllocatorOps& ops, std::vector<Ioasid>* orphans) {
  const Locked locked(*this, "unregister_allocator");
  reclaim_groups();
  if (groups_.empty()) {
    say(Message::warn_no_custom);
    return Error::enoent;
  }
  const std::size_t index = group_of(ops);
  if (index == no_group) return Error::enoent;
  Group& group = *groups_[index];
  if (group.sharers.size() == 1) return leave(index, orphans);
  if (!group.has(ops)) return Error::enoent;
  group.remove(ops);
  // linux_6_1 keeps using what the departed head left behind.
  if (group.head == &ops && options_.behaviour == Behaviour::corrected)
    group.use(group.sharers.front());
  return Error::ok;
}

// The last sharer goes, and the group with it.
Error Space::leave(std::size_t index, std::vector<Ioasid>* orphans) {
  Group& group = *groups_[index];
  if (group.ids.size() != 0) {
    if (options_.refuse_unregister_with_live_ids) {
      say(Message::err_live_ids);
      return Error::ebusy;
    }
    if (orphans != nullptr) {
      const std::vector<Ioasid> ids = group.ids.ids(nullptr);
      orphans->insert(orphans->end(), ids.begin(), ids.end());
    }
    say(Message::warn_outstanding);
    for (Layer* layer = layers_; layer != nullptr; layer = layer->next_) layer->ids_lost();
  }
  drop_group(index);
  return Error::ok;
}

void Space::drop_group(std::size_t index) {
  std::unique_ptr<Group> gone = std::move(groups_[index]);
  groups_.erase(groups_.begin() + static_cast<std::ptrdiff_t>(index));
  const bool was_active = active_.load(std::memory_order_relaxed) == gone.get();
  if (groups_.empty()) {
    active_.store(&default_, std::memory_order_release);
    say(Message::info_to_default);
  } else if (was_active) {
    active_.store(groups_.front().get(), std::memory_order_release);
    say(Message::info_changed);
  }
  retired_.push_back(std::move(gone));  // registration made room
  reclaim_groups();
}

void Space::reclaim_groups() const noexcept {
  if (!retired_.empty() && detail::sections_passed()) retired_.clear();
  if (!groups_.empty() || !retired_.empty()) return;
  Groups().swap(groups_);
  Groups().swap(retired_);
}

// What readers were in the way of, in calls that have the time to look again.
void Space::give_memory_back() const noexcept {
  reclaim_groups();
  default_.ids.trim();
  for (const auto& group : groups_) group->ids.trim();
}

std::size_t Space::size() const {
  const Locked locked(*this, "size");
  give_memory_back();
  return active_.load(std::memory_order_relaxed)->ids.size();
}

std::vector<Ioasid> Space::ids(SetToken set) const {
  const Locked locked(*this, "ids");
  give_memory_back();
  return active_.load(std::memory_order_relaxed)->ids.ids(set);
}

bool Space::custom_active() const { return active_.load(std::memory_order_acquire) != &default_; }

const void* Space::active_pdata() const {
  const Locked locked(*this, "active_pdata");
  const Group& group = *active_.load(std::memory_order_relaxed);
  return group.custom ? group.ops.pdata : nullptr;
}

std::size_t Space::memory() const {
  const Locked locked(*this, "memory");
  give_memory_back();
  std::size_t bytes = sizeof(Space) + default_.ids.bytes();
  for (const Groups* groups : {&groups_, &retired_}) {
    bytes += groups->capacity() * sizeof(groups->front());
    for (const auto& group : *groups) bytes += sizeof(Group) + group->ids.bytes();
  }
  return bytes;
}

}  // namespace ioasid
