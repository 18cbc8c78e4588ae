// An array whose memory the machine gives page by page, as it is written to.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <new>
#include <type_traits>

namespace viosim {

// Of a fixed size. What its elements hold before they are written to is said by `Content`: nothing that may be read,
// or zeros, for which small arrays are written to at once.
template <class T>
class LazyArray {
  static_assert(std::is_trivially_copyable_v<T> && std::is_trivially_destructible_v<T>);

 public:
  enum class Content : std::uint8_t { none, zeros };

  LazyArray(std::size_t size, Content content)
      : memory_(content == Content::zeros ? std::calloc(bytes_for(size), 1)
                                          : std::malloc(bytes_for(size))),
        size_(size) {
    if (memory_ == nullptr) throw std::bad_alloc();
    void* first = memory_.get();
    std::size_t space = bytes_for(size);
    first_ = static_cast<T*>(std::align(alignof(T), size * sizeof(T), first, space));
  }

  T& operator[](std::size_t place) { return first_[place]; }
  const T& operator[](std::size_t place) const { return first_[place]; }
  std::size_t size() const { return size_; }

 private:
  struct Free {
    void operator()(void* memory) const { std::free(memory); }
  };
  static std::size_t bytes_for(std::size_t size) { return size * sizeof(T) + alignof(T); }

  std::unique_ptr<void, Free> memory_;
  T* first_;
  std::size_t size_;
};

}  // namespace viosim
