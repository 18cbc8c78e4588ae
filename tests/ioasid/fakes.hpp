// Small stand-ins for what surrounds an allocator.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "ioasid/backend.hpp"
#include "ioasid/listener.hpp"

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

namespace fakes {

// A private pointer that is only a number.
inline void* data(std::uintptr_t n) { return reinterpret_cast<void*>(n); }

class Log : public ioasid::Listener {
 public:
  void message(ioasid::Message message, ioasid::Ioasid) noexcept override {
    lines.emplace_back(ioasid::name_of(message));
  }
  std::vector<std::string> take() { return std::exchange(lines, {}); }

  std::vector<std::string> lines;
};

// Returns what it is told to; remembers how it was called.
class Scripted : public ioasid::Backend {
 public:
  ioasid::Ioasid alloc(ioasid::Range range, void* pdata) override {
    calls.push_back("alloc " + std::to_string(range.min) + ".." + std::to_string(range.max) + " " +
                    number(pdata));
    return next;
  }
  void free(ioasid::Ioasid id, void* pdata) override {
    calls.push_back("free " + std::to_string(id) + " " + number(pdata));
  }
  std::vector<std::string> take() { return std::exchange(calls, {}); }

  ioasid::Ioasid next = 1;
  std::vector<std::string> calls;

 private:
  static std::string number(void* pdata) {
    return std::to_string(reinterpret_cast<std::uintptr_t>(pdata));
  }
};

}  // namespace fakes
