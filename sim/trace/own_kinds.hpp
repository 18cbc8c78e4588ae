// Events of a file, with this program's numbers of their kinds: what reads events by its own table needs them.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "sim/record/run_reader.hpp"

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace viosim {

// Kinds are the same when their names are: another version of the program may have numbered them anew.
class OwnKinds {
 public:
  explicit OwnKinds(const RunReader& reader);

  // The event as this program would have written it; nothing for a kind that it does not know.
  // Throws ConfigError for a number that the file has no name for.
  std::optional<TraceEvent> own(const TraceEvent& event);

  // Names of kinds that the file's program did not write, since it did not know them.
  const std::vector<std::string>& absent() const { return absent_; }
  // How many events of each kind that this program does not know own() was asked for.
  const std::map<std::string, std::uint64_t>& unknown() const { return unknown_; }

 private:
  struct Kind {
    std::string name;
    std::optional<std::uint16_t> own;
  };
  std::string file_;
  std::vector<std::optional<Kind>> kinds_;  // by the file's numbers
  std::vector<std::string> absent_;
  std::map<std::string, std::uint64_t> unknown_;
};

}  // namespace viosim
