// The summary of full blocks.
// SPDX-License-Identifier: Apache-2.0
#include "ioasid/full_blocks.hpp"

#include <algorithm>
#include <bit>
#include <new>
#include <utility>

namespace ioasid::detail {

FullBlocks::Word* FullBlocks::find(std::uint32_t key) const noexcept {
  if (capacity_ == 0) return nullptr;
  for (std::uint32_t at = home(key);; at = (at + 1) & (capacity_ - 1)) {
    if (words_[at].key == key) return &words_[at];
    if (words_[at].key == vacant) return nullptr;
  }
}

FullBlocks::Word& FullBlocks::add(std::uint32_t key) noexcept {
  std::uint32_t at = home(key);
  for (; words_[at].key != vacant; ++steps_) at = (at + 1) & (capacity_ - 1);
  words_[at].key = key;
  ++used_;
  return words_[at];
}

void FullBlocks::reserve() {
  if ((used_ + levels) * 4 > capacity_ * 3 || crowded()) rebuild();
}

// With room for what is there and one set() more, twice over.
void FullBlocks::rebuild() {
  const std::uint32_t capacity = std::bit_ceil((used_ - zero_ + levels) * 2);
  auto old = std::make_unique<Word[]>(capacity);
  old.swap(words_);
  const std::uint32_t old_capacity = std::exchange(capacity_, capacity);
  shift_ = 32 - static_cast<std::uint32_t>(std::countr_zero(capacity));
  while (!fill(old.get(), old_capacity)) {
    salt_ = salt_ * 0x9e3779b1u + 0x85ebca6bu;  // goes through all numbers before it comes back
    std::fill_n(words_.get(), capacity, Word{});
  }
}

// False, and not done: the keys lie too close together. Well before a table is crowded, so that one
// that is done is not crowded again a moment later.
bool FullBlocks::fill(const Word* words, std::uint32_t count) noexcept {
  used_ = zero_ = 0;
  steps_ = 0;
  for (std::uint32_t at = 0; at < count; ++at) {
    if (words[at].key == vacant || words[at].bits == 0) continue;
    add(words[at].key).bits = words[at].bits;
    if (steps_ > 2 * std::uint64_t{used_} + 32) return false;
  }
  return true;
}

void FullBlocks::set(std::uint32_t block) noexcept {
  for (std::uint32_t level = 0; level < levels; ++level, block >>= 6) {
    const std::uint32_t key = key_of(level, block >> 6);
    Word* word = find(key);
    if (word == nullptr)
      word = &add(key);
    else if (word->bits == 0)
      --zero_;
    word->bits |= std::uint64_t{1} << (block & 63);
    if (word->bits != ~std::uint64_t{0}) return;
  }
}

void FullBlocks::clear(std::uint32_t block) noexcept {
  clear_bits(block);
  if ((used_ - zero_ + levels) * 8 <= capacity_) shrink();
}

void FullBlocks::clear_bits(std::uint32_t block) noexcept {
  for (std::uint32_t level = 0; level < levels; ++level, block >>= 6) {
    Word* word = find(key_of(level, block >> 6));
    const bool was_full = word->bits == ~std::uint64_t{0};
    word->bits &= ~(std::uint64_t{1} << (block & 63));
    if (word->bits == 0) ++zero_;
    if (!was_full) return;
  }
}

void FullBlocks::shrink() noexcept {
  try {
    rebuild();
  } catch (const std::bad_alloc&) {
    // A large table serves as well; the next clear() tries again.
  }
}

std::uint32_t FullBlocks::next_with_room(std::uint32_t block) const noexcept {
  if (block >= blocks) return none;
  std::uint32_t index = block;
  for (std::uint32_t level = 0; level < levels; ++level) {
    const std::uint64_t room = ~bits(level, index >> 6) & (~std::uint64_t{0} << (index & 63));
    if (room != 0) {
      index = (index & ~63u) | static_cast<std::uint32_t>(std::countr_zero(room));
      for (; level > 0; --level)
        index = index << 6 | static_cast<std::uint32_t>(std::countr_one(bits(level - 1, index)));
      return index < blocks ? index : none;
    }
    index = (index >> 6) + 1;
    if ((index << 6 * (level + 1)) >= blocks) return none;
  }
  return none;
}

void FullBlocks::forget_all() noexcept {
  words_.reset();
  capacity_ = used_ = zero_ = shift_ = salt_ = 0;
  steps_ = 0;
}

}  // namespace ioasid::detail
