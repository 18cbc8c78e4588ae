// SetSpace and References as one would write them in an afternoon, on a space of two allocators.
// The oracle.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "ioasid/sets.hpp"

#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

namespace naive {

using ioasid::Error;
using ioasid::Ioasid;
using ioasid::SetNumber;

// What a notice says, in a line.
inline std::string line_of(const ioasid::Notice& notice) {
  static constexpr const char* names[] = {"alloc", "free", "bind", "unbind"};
  return std::string(names[static_cast<int>(notice.event)]) + " " + std::to_string(notice.id) +
         " of " + std::to_string(notice.set) + " as " + std::to_string(notice.spid) + " with " +
         std::to_string(reinterpret_cast<std::uintptr_t>(notice.data));
}

// The numbers below a set or a count: the default allocator's, and a custom one's, which does not
// hear of the ids that it loses.
class Numbers {
 public:
  Ioasid take(Ioasid from, Ioasid to) {
    std::set<Ioasid>& out = custom ? custom_out_ : default_out_;
    for (Ioasid id = from; id <= to; ++id)
      if (out.insert(id).second) return id;
    return ioasid::invalid_ioasid;
  }
  void give_back(Ioasid id) { (custom ? custom_out_ : default_out_).erase(id); }
  Error arrive() {
    if (custom) return Error::eexist;
    if (!default_out_.empty()) return Error::eagain;
    custom = true;
    return Error::ok;
  }
  Error depart() {
    if (!custom) return Error::enoent;
    custom = false;
    return Error::ok;
  }
  bool custom = false;

 private:
  std::set<Ioasid> default_out_;
  std::set<Ioasid> custom_out_;
};

class Sets {
 public:
  explicit Sets(std::uint32_t capacity) : left_(capacity) {}

  std::vector<std::string> told;

  Error arrive() { return numbers_.arrive(); }
  Error depart() {
    const Error error = numbers_.depart();
    if (error == Error::ok) strangers_.clear();
    for (SetNumber number = 1; error == Error::ok && number <= made_; ++number)
      for (Ioasid id = 0; id < ids_max; ++id)
        if (ids_.contains(id) && ids_[id].set == number) end(id);
    return error;
  }
  // Past the sets, by the space itself.
  Ioasid alloc_elsewhere(Ioasid from, Ioasid to, void* data) {
    const Ioasid id = numbers_.take(from, to);
    if (id != ioasid::invalid_ioasid) strangers_[id] = data;
    return id;
  }
  Error free_elsewhere(Ioasid id) {
    if (ids_.contains(id))
      end(id);
    else if (strangers_.erase(id) == 0)
      return Error::enoent;
    numbers_.give_back(id);
    return Error::ok;
  }
  std::size_t live() const { return ids_.size() + strangers_.size(); }
  Error reserve(std::uint32_t count) {
    if (left_ == 0 || count > left_) return Error::enospc;
    if (count == 0) count = left_;
    left_ -= count;
    reserved_ += count;
    return Error::ok;
  }
  Error cancel(std::uint32_t count) {
    if (count > reserved_) return Error::einval;
    left_ += count;
    reserved_ -= count;
    return Error::ok;
  }
  Error make(const void* token, std::uint32_t quota) {
    for (const auto& [number, set] : sets_)
      if (token != nullptr && set.token == token) return Error::eexist;
    if (left_ == 0 || quota > left_) return Error::enospc;
    if (quota == 0) quota = left_;
    left_ -= quota;
    sets_[++made_] = {token, quota};
    return Error::ok;
  }
  Error free_set(SetNumber number) {
    if (!sets_.contains(number)) return Error::enoent;
    sets_[number].leaving = true;
    return end_if_empty(number) ? Error::ok : Error::ebusy;
  }
  Error adjust(SetNumber number, std::uint32_t quota) {
    if (!sets_.contains(number)) return Error::enoent;
    Set& set = sets_[number];
    if (quota > left_ + set.quota || quota < size(number)) return Error::enospc;
    left_ = left_ + set.quota - quota;
    set.quota = quota;
    return Error::ok;
  }
  std::uint32_t size(SetNumber number) const {
    std::uint32_t count = 0;
    for (const auto& [id, record] : ids_) count += record.set == number ? 1 : 0;
    return count;
  }
  std::uint32_t left() const { return left_; }
  SetNumber find_set(Ioasid id) const { return ids_.contains(id) ? ids_.at(id).set : 0; }
  std::uint64_t references(Ioasid id) const {
    return ids_.contains(id) ? ids_.at(id).references : 0;
  }

  Ioasid alloc(SetNumber number, Ioasid from, Ioasid to, void* data) {
    if (!sets_.contains(number) || sets_[number].leaving) return ioasid::invalid_ioasid;
    if (size(number) >= sets_[number].quota) return ioasid::invalid_ioasid;
    const Ioasid id = numbers_.take(from, to);
    if (id == ioasid::invalid_ioasid) return id;
    ids_[id] = {number, data};
    tell(ioasid::Event::alloc, id);
    return id;
  }
  Error free(SetNumber number, Ioasid id) {
    if (!ids_.contains(id)) return Error::enoent;
    if (ids_[id].set != number) return Error::eacces;
    if (ids_[id].pending) return Error::ok;
    ids_[id].pending = true;
    tell(ioasid::Event::free, id);
    drop(id);
    return Error::ok;
  }
  Error free_all(SetNumber number) {
    if (!sets_.contains(number)) return Error::enoent;
    for (Ioasid id = 0; id < ids_max; ++id)
      if (find_set(id) == number) free(number, id);
    return Error::ok;
  }
  Error get(SetNumber number, Ioasid id) {
    if (ids_.contains(id) && ids_[id].pending) return Error::ebusy;
    if (!ids_.contains(id)) return Error::einval;
    if (number != 0 && ids_[id].set != number) return Error::eacces;
    ++ids_[id].references;
    return Error::ok;
  }
  Error get_if_owned(const void* token, Ioasid id) {
    if (!ids_.contains(id)) return Error::enoent;
    const void* owner = sets_[ids_[id].set].token;
    if (owner == nullptr) return Error::einval;
    if (owner != token) return Error::eperm;
    return get(0, id);
  }
  Error put(SetNumber number, Ioasid id) {
    if (!ids_.contains(id)) return Error::einval;
    if (number != 0 && ids_[id].set != number) return Error::eacces;
    drop(id);
    return Error::ok;
  }
  ioasid::Found find(SetNumber number, Ioasid id) const {
    if (number == 0 && strangers_.contains(id)) return {Error::ok, strangers_.at(id)};
    if (strangers_.contains(id)) return {Error::eacces, nullptr};
    if (!ids_.contains(id)) return {Error::enoent, nullptr};
    if (number != 0 && ids_.at(id).set != number) return {Error::eacces, nullptr};
    return {Error::ok, ids_.at(id).data};
  }
  Error attach_data(Ioasid id, void* data) {
    if (!ids_.contains(id)) return Error::enoent;
    if (ids_[id].pending || ids_[id].data != nullptr) return Error::ebusy;
    ids_[id].data = data;
    return Error::ok;
  }
  Error detach_data(Ioasid id) {
    if (!ids_.contains(id)) return Error::enoent;
    ids_[id].data = nullptr;
    return Error::ok;
  }
  Error attach_spid(Ioasid id, Ioasid spid) {
    if (spid == ioasid::invalid_ioasid) return Error::einval;
    if (!ids_.contains(id)) return Error::enoent;
    if (by_spid(ids_[id].set, spid)) return Error::einval;
    if (ids_[id].pending || ids_[id].spid != ioasid::invalid_ioasid) return Error::ebusy;
    ids_[id].spid = spid;
    tell(ioasid::Event::bind, id);
    return Error::ok;
  }
  Error detach_spid(Ioasid id) {
    if (!ids_.contains(id) || ids_[id].spid == ioasid::invalid_ioasid) return Error::enoent;
    tell(ioasid::Event::unbind, id);
    ids_[id].spid = ioasid::invalid_ioasid;
    return Error::ok;
  }
  Ioasid find_by_spid(SetNumber number, Ioasid spid, bool with_reference) {
    if (spid == ioasid::invalid_ioasid) return ioasid::invalid_ioasid;
    const auto id = by_spid(number, spid);
    if (!id || (with_reference && get(0, *id) != Error::ok)) return ioasid::invalid_ioasid;
    return *id;
  }

 private:
  static constexpr Ioasid ids_max = 100;
  struct Set {
    const void* token = nullptr;
    std::uint32_t quota = 0;
    bool leaving = false;
  };
  struct Record {
    SetNumber set = 0;
    void* data = nullptr;
    std::uint64_t references = 1;
    bool pending = false;
    Ioasid spid = ioasid::invalid_ioasid;
  };

  std::optional<Ioasid> by_spid(SetNumber number, Ioasid spid) const {
    for (const auto& [id, record] : ids_)
      if (record.set == number && record.spid == spid) return id;
    return std::nullopt;
  }
  void tell(ioasid::Event event, Ioasid id) {
    const Record& record = ids_[id];
    told.push_back(line_of({event, id, record.set, record.data, record.spid}));
  }
  void drop(Ioasid id) {
    if (--ids_[id].references != 0) return;
    end(id);
    numbers_.give_back(id);
  }
  void end(Ioasid id) {
    if (!ids_[id].pending) tell(ioasid::Event::free, id);
    detach_spid(id);
    const SetNumber number = ids_[id].set;
    ids_.erase(id);
    end_if_empty(number);
  }
  bool end_if_empty(SetNumber number) {
    if (!sets_[number].leaving || size(number) != 0) return false;
    left_ += sets_[number].quota;
    sets_.erase(number);
    return true;
  }

  std::uint32_t left_;
  std::uint32_t reserved_ = 0;
  SetNumber made_ = 0;
  std::map<SetNumber, Set> sets_;
  std::map<Ioasid, Record> ids_;
  std::map<Ioasid, void*> strangers_;  // ids of no set, and their data
  Numbers numbers_;
};

class References {
 public:
  Error arrive() { return numbers_.arrive(); }
  Error depart() {
    const Error error = numbers_.depart();
    if (error == Error::ok) counts_.clear();
    return error;
  }
  Ioasid alloc(Ioasid from, Ioasid to) {
    const Ioasid id = numbers_.take(from, to);
    if (id != ioasid::invalid_ioasid) counts_[id] = 1;
    return id;
  }
  Error get(Ioasid id) {
    if (!counts_.contains(id)) return Error::enoent;
    ++counts_[id];
    return Error::ok;
  }
  bool put(Ioasid id) {
    if (!counts_.contains(id) || --counts_[id] != 0) return false;
    counts_.erase(id);
    numbers_.give_back(id);
    return true;
  }
  // By the space itself, whatever the count.
  Error free(Ioasid id) {
    if (counts_.erase(id) == 0) return Error::enoent;
    numbers_.give_back(id);
    return Error::ok;
  }
  std::uint64_t count(Ioasid id) const { return counts_.contains(id) ? counts_.at(id) : 0; }

 private:
  std::map<Ioasid, std::uint64_t> counts_;
  Numbers numbers_;
};

}  // namespace naive
