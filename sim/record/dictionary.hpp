// Numbers the distinct keys of a block in the order in which they are first seen.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace viosim {

// Key has hash() (32 good bits) and ==. Open addressing; the numbers depend on the order of the
// keys only, never on the table's size.
template <class Key>
class Dictionary {
 public:
  void clear() {
    keys_.clear();
    slots_.assign(smallest_table, Slot{});
    mask_ = smallest_table - 1;
  }
  const std::vector<Key>& keys() const { return keys_; }
  std::size_t size() const { return keys_.size(); }

  std::uint32_t number_of(const Key& key) {
    std::size_t slot = key.hash() & mask_;
    for (;; slot = (slot + 1) & mask_) {
      const Slot& found = slots_[slot];
      if (found.key == key && found.number != nothing) [[likely]]
        return found.number;
      if (found.number == nothing) return add(key, slot);
    }
  }

 private:
  static constexpr std::uint32_t nothing = 0xffff'ffffU;
  static constexpr std::uint32_t smallest_table = 1024;
  struct Slot {
    Key key{};
    std::uint32_t number = nothing;
  };

  [[gnu::noinline]] std::uint32_t add(const Key& key, std::size_t slot) {
    const auto number = static_cast<std::uint32_t>(keys_.size());
    slots_[slot] = {key, number};
    keys_.push_back(key);
    if (keys_.size() * 4 > slots_.size()) grow();
    return number;
  }
  void grow() {
    slots_.assign(slots_.size() * 4, Slot{});
    mask_ = static_cast<std::uint32_t>(slots_.size() - 1);
    for (std::uint32_t number = 0; number < keys_.size(); ++number) {
      std::size_t slot = keys_[number].hash() & mask_;
      while (slots_[slot].number != nothing) slot = (slot + 1) & mask_;
      slots_[slot] = {keys_[number], number};
    }
  }

  std::vector<Key> keys_;
  std::vector<Slot> slots_;
  std::uint32_t mask_ = 0;
};

}  // namespace viosim
