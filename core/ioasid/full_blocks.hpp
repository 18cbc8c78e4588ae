// Which blocks of 64 ids are full, summarised upwards 64-fold: the next block with a free id is a
// few words away however long the run of full blocks is.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "ioasid/mix.hpp"

#include <cstddef>
#include <cstdint>
#include <memory>

namespace ioasid::detail {

// Level 0 has a bit per block, level n+1 a bit per word of level n, set when that word is all
// ones. Words that would be zero need not exist: the words live in a small hash table, and far
// apart ids, which fill no block, cost nothing. A table with few words that are not zero is replaced
// by a smaller one: not before an eighth of its words have become zero, which pays for that. Where
// keys lie so close together that a look-up is a walk, having been chosen for that, the next table
// mixes them with another salt, as that of the blocks does (directory.hpp).
class FullBlocks {
 public:
  static constexpr std::uint32_t none = 0xffffffffu;

  void reserve();  // room for one set(); throws std::bad_alloc
  void set(std::uint32_t block) noexcept;
  void clear(std::uint32_t block) noexcept;
  // The first block at or after `block` that is not full, or none.
  std::uint32_t next_with_room(std::uint32_t block) const noexcept;
  void forget_all() noexcept;
  std::size_t bytes() const { return capacity_ * sizeof(Word); }
  // From where they belong to where they are, all words added up.
  std::uint64_t steps() const { return steps_; }

 private:
  static constexpr std::uint32_t levels = 5;
  static constexpr std::uint32_t blocks = 1u << 26;
  static constexpr std::uint32_t vacant = 0xffffffffu;
  struct Word {
    std::uint32_t key = vacant;  // level and index
    std::uint32_t unused = 0;
    std::uint64_t bits = 0;
  };

  static std::uint32_t key_of(std::uint32_t level, std::uint32_t index) {
    return level << 20 | index;
  }
  std::uint32_t home(std::uint32_t key) const { return mix(key ^ salt_) >> shift_; }
  bool crowded() const { return steps_ > 6 * std::uint64_t{used_} + 64; }
  Word* find(std::uint32_t key) const noexcept;
  Word& add(std::uint32_t key) noexcept;
  void clear_bits(std::uint32_t block) noexcept;
  void shrink() noexcept;
  std::uint64_t bits(std::uint32_t level, std::uint32_t index) const noexcept {
    const Word* word = find(key_of(level, index));
    return word == nullptr ? 0 : word->bits;
  }
  void rebuild();
  bool fill(const Word* words, std::uint32_t count) noexcept;

  std::unique_ptr<Word[]> words_;
  std::uint32_t capacity_ = 0;  // a power of two, or none
  std::uint32_t used_ = 0;      // words with a key
  std::uint32_t zero_ = 0;      // of these
  std::uint32_t shift_ = 0;
  std::uint32_t salt_ = 0;
  std::uint64_t steps_ = 0;  // from home to each key, all added up
};

}  // namespace ioasid::detail
