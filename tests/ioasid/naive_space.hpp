// The allocator as one would write it in an afternoon: maps, loops, no concurrency. The oracle.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "ioasid/space.hpp"

#include <algorithm>
#include <list>
#include <map>
#include <string>
#include <vector>

namespace naive {

using ioasid::AllocatorOps;
using ioasid::Error;
using ioasid::Found;
using ioasid::Ioasid;
using ioasid::Range;
using ioasid::SetToken;

class Space {
 public:
  explicit Space(ioasid::SpaceOptions options) : options_(options) {}

  std::vector<std::string> log;
  int heads_left_of_three = 0;  // how often the head left a group of three or more
  int departed_heads_back = 0;  // how often one that had left, and is in use, was registered again

  Ioasid alloc(SetToken set, Range range, void* data) {
    if (groups_.empty()) {
      for (std::uint64_t id = range.min; id <= range.max && id < ioasid::invalid_ioasid; ++id)
        if (default_.try_emplace(static_cast<Ioasid>(id), Record{set, data}).second)
          return static_cast<Ioasid>(id);
      log.insert(log.end(), {"err:range", "err:alloc"});
      return ioasid::invalid_ioasid;
    }
    Group& group = groups_.front();
    const Ioasid id = group.helpers.alloc->alloc(range, group.pdata);
    if (id == ioasid::invalid_ioasid) {
      log.push_back("err:alloc");
    } else if (group.ids.contains(id) && options_.track_beside_live &&
               id < ioasid::invalid_ioasid - 1 && !group.ids.contains(id + 1)) {
      group.ids[id + 1] = {set, data};
      return id;
    } else if (group.ids.contains(id)) {
      log.push_back("err:track");
      if (!options_.keep_live_on_duplicate) group.helpers.free->free(id, group.pdata);
    } else if (options_.enforce_range && (id < range.min || id > range.max)) {
      log.push_back("err:out_of_range");
      group.helpers.free->free(id, group.pdata);
    } else {
      group.ids[id] = {set, data};
      return id;
    }
    return ioasid::invalid_ioasid;
  }

  Error free(Ioasid id) {
    if (!active().contains(id)) {
      log.push_back("err:free_unknown");
      return Error::enoent;
    }
    if (!groups_.empty()) groups_.front().helpers.free->free(id, groups_.front().pdata);
    active().erase(id);
    return Error::ok;
  }

  Found find(SetToken set, Ioasid id) {
    const auto record = active().find(id);
    if (record == active().end()) return {Error::enoent, nullptr};
    if (set != nullptr && set != record->second.set) return {Error::eacces, nullptr};
    return {Error::ok, record->second.data};
  }

  template <class Getter>
  Found find(SetToken set, Ioasid id, Getter getter) {
    Found found = find(set, id);
    if (found.error == Error::ok && !getter(found.data)) found.data = nullptr;
    return found;
  }

  Error set_data(Ioasid id, void* data) {
    if (!active().contains(id)) return Error::enoent;
    active()[id].data = data;
    return Error::ok;
  }

  Error register_allocator(const AllocatorOps& ops) {
    if (groups_.empty() && !default_.empty()) {
      log.push_back("warn:default_busy");
      return Error::eagain;
    }
    const bool quirky = options_.behaviour == ioasid::Behaviour::linux_6_1;
    for (Group& group : groups_)
      if (!quirky && member(group, ops)) return duplicate();
    for (Group& group : groups_) {
      if (group.head == &ops) {
        if (!member(group, ops)) ++departed_heads_back;
        return duplicate();
      }
      if (!group.helpers.same_helpers(ops)) continue;
      if (!member(group, ops)) group.sharers.push_back(&ops);
      return Error::ok;
    }
    groups_.push_back({ops, ops.pdata, &ops, {&ops}, {}});
    return Error::ok;
  }

  Error unregister_allocator(const AllocatorOps& ops, std::vector<Ioasid>* orphans) {
    if (groups_.empty()) {
      log.push_back("warn:no_custom");
      return Error::enoent;
    }
    const bool quirky = options_.behaviour == ioasid::Behaviour::linux_6_1;
    for (auto group = groups_.begin(); group != groups_.end(); ++group) {
      if (!group->helpers.same_helpers(ops)) continue;
      if (!quirky && !member(*group, ops)) return Error::enoent;
      if (group->sharers.size() > 1) {
        if (std::erase(group->sharers, &ops) == 0) return Error::enoent;
        if (group->head == &ops && group->sharers.size() > 1) ++heads_left_of_three;
        if (!quirky && group->head == &ops) {
          group->head = group->sharers.front();
          group->pdata = group->head->pdata;
        }
        return Error::ok;
      }
      if (!group->ids.empty() && options_.refuse_unregister_with_live_ids) {
        log.push_back("err:live_ids");
        return Error::ebusy;
      }
      if (!group->ids.empty()) log.push_back("WARN:outstanding");
      for (const auto& [id, record] : group->ids) orphans->push_back(id);
      const bool was_active = group == groups_.begin();
      groups_.erase(group);
      if (groups_.empty())
        log.push_back("info:to_default");
      else if (was_active)
        log.push_back("info:changed");
      return Error::ok;
    }
    return Error::enoent;
  }

  std::vector<Ioasid> ids(SetToken set) {
    std::vector<Ioasid> all;
    for (const auto& [id, record] : active())
      if (set == nullptr || record.set == set) all.push_back(id);
    return all;
  }
  bool custom_active() const { return !groups_.empty(); }
  const void* active_pdata() const { return groups_.empty() ? nullptr : groups_.front().pdata; }

 private:
  struct Record {
    SetToken set;
    void* data;
  };
  using Ids = std::map<Ioasid, Record>;
  struct Group {
    AllocatorOps helpers;
    void* pdata;
    const AllocatorOps* head;
    std::vector<const AllocatorOps*> sharers;
    Ids ids;
  };
  static bool member(const Group& group, const AllocatorOps& ops) {
    return std::count(group.sharers.begin(), group.sharers.end(), &ops) != 0;
  }
  Error duplicate() {
    log.push_back("err:dup");
    return Error::eexist;
  }
  Ids& active() { return groups_.empty() ? default_ : groups_.front().ids; }

  ioasid::SpaceOptions options_;
  Ids default_;
  std::list<Group> groups_;
};

}  // namespace naive
