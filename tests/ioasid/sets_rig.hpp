// Sets on a space, and a notifier that writes down what it is told; with the library's words for
// both, so that tests of sets begin with `using namespace sets_rig`.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "ioasid/sets.hpp"
#include "tests/support/catch.hpp"

#include <array>
#include <string>
#include <utility>
#include <vector>

namespace sets_rig {

using ioasid::Error;
using ioasid::invalid_ioasid;
using ioasid::Ioasid;
using ioasid::no_set;
using ioasid::Priority;
using ioasid::SetNumber;

inline constexpr ioasid::Range all{1, 0xfffff};
using Lines = std::vector<std::string>;

struct Rig {
  ioasid::Space space;
  ioasid::SetSpace sets{space};
  SetNumber make(const ioasid::SetSpec& spec) {
    const ioasid::SetResult result = sets.alloc_set(spec);
    REQUIRE(result.error == Error::ok);
    return result.set;
  }
};

class Recorder : public ioasid::Notifier {
 public:
  Recorder(std::string name, Lines& lines) : name_(std::move(name)), lines_(lines) {}
  void notify(const ioasid::Notice& notice) noexcept override {
    static constexpr std::array names{"alloc", "free", "bind", "unbind"};
    std::string line =
        name_ + names[static_cast<std::size_t>(notice.event)] + " " + std::to_string(notice.id);
    if (notice.spid != invalid_ioasid) line += " as " + std::to_string(notice.spid);
    lines_.push_back(line);
  }

 private:
  std::string name_;
  Lines& lines_;
};

}  // namespace sets_rig
