// A map in one array: found with one look into cold memory where a tree has ten. Has no order of its own.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/base/prefetch.hpp"

#include <algorithm>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

namespace viosim {

// What an unsigned number, or a type with a member bits(), is looked for by. Different keys may have the same.
template <class Key>
constexpr std::uint64_t key_bits(const Key& key) {
  if constexpr (std::unsigned_integral<Key>)
    return key;
  else
    return key.bits();
}

// Open addressing with linear probing, at most half full. Whoever wants to see all of it sees it in the
// order of keys, so that no output can come in that of the slots. Adding and erasing move values: pointers are good
// until then.
template <class Key, class Value>
class FlatMap {
 public:
  bool empty() const { return size_ == 0; }
  std::size_t size() const { return size_; }

  Value* find(const Key& key) { return const_cast<Value*>(std::as_const(*this).find(key)); }
  const Value* find(const Key& key) const {
    if (size_ == 0) return nullptr;
    const Slot& slot = slots_[place_of(key)];
    return slot.used ? &slot.value : nullptr;
  }
  bool contains(const Key& key) const { return find(key) != nullptr; }
  Value& operator[](const Key& key) {
    if (2 * (size_ + 1) > slots_.size()) grow();
    Slot& slot = slots_[place_of(key)];
    if (!slot.used) {
      slot.used = true;
      slot.key = key;
      ++size_;
    }
    return slot.value;
  }
  // True: there was one.
  bool erase(const Key& key) {
    if (size_ == 0) return false;
    const std::size_t at = place_of(key);
    if (!slots_[at].used) return false;
    free(at);
    return true;
  }
  // Those for which which(key, value) holds; asked in no order, and of some maybe twice.
  template <class Which>
  void erase_if(Which&& which) {
    for (std::size_t i = 0; i < slots_.size();) {
      if (slots_[i].used && which(std::as_const(slots_[i].key), slots_[i].value))
        free(i);
      else
        ++i;
    }
  }
  // The keys of those for which which(key, value) holds, in their order; it is asked in none.
  template <class Which>
  std::vector<Key> keys_if(Which&& which) const {
    std::vector<Key> keys;
    for (const Slot& slot : slots_)
      if (slot.used && which(slot.key, slot.value)) keys.push_back(slot.key);
    std::sort(keys.begin(), keys.end());
    return keys;
  }
  std::vector<Key> keys() const {
    return keys_if([](const Key&, const Value&) { return true; });
  }
  // A hint to the machine we run on: this key will be wanted soon.
  void prefetch(const Key& key) const {
    if (size_ != 0) prefetch_line(&slots_[home_of(key)]);
  }

 private:
  struct Slot {
    Key key{};
    bool used = false;
    Value value{};
  };

  std::size_t home_of(const Key& key) const {
    return static_cast<std::size_t>(key_bits(key) * 0x9e3779b97f4a7c15U >> shift_);
  }
  // Where it is, or would be.
  std::size_t place_of(const Key& key) const {
    const std::size_t mask = slots_.size() - 1;
    std::size_t at = home_of(key);
    while (slots_[at].used && !(slots_[at].key == key)) at = (at + 1) & mask;
    return at;
  }
  // Moves up those behind it that have been pushed over it.
  void free(std::size_t hole) {
    const std::size_t mask = slots_.size() - 1;
    for (std::size_t at = (hole + 1) & mask; slots_[at].used; at = (at + 1) & mask) {
      const std::size_t from_home = (at - home_of(slots_[at].key)) & mask;
      if (from_home < ((at - hole) & mask)) continue;
      slots_[hole] = std::move(slots_[at]);
      hole = at;
    }
    slots_[hole] = Slot{};
    --size_;
  }
  void grow() {
    std::vector<Slot> before = std::exchange(slots_, {});
    slots_.resize(std::max<std::size_t>(16, 2 * before.size()));
    shift_ = slots_.size() == 16 ? 60 : shift_ - 1;
    for (Slot& slot : before)
      if (slot.used) slots_[place_of(slot.key)] = std::move(slot);
  }

  std::vector<Slot> slots_;  // as many as a power of two, or none
  unsigned shift_ = 64;
  std::size_t size_ = 0;
};

}  // namespace viosim
