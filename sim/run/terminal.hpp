// One line of a terminal that is written again and again, below what else is printed.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace viosim {

enum class ProgressMode : std::uint8_t {
  automatic,  // where standard error is a terminal
  always,
  never
};

// Whether somebody sits there: standard error is a terminal that can move back to the beginning of a
// line.
bool stderr_is_terminal();

// The line. Takes itself away at the end, and when the program is interrupted.
class StatusLine {
 public:
  explicit StatusLine(int descriptor);
  ~StatusLine();
  StatusLine(const StatusLine&) = delete;
  StatusLine& operator=(const StatusLine&) = delete;

  // In place of what was shown before; as much of it as fits. Plain ASCII. Shows nothing while
  // the program works in the background of its terminal.
  void show(std::string_view text);
  void clear() { show({}); }
  bool visible() const { return shown_ != 0; }

 private:
  std::size_t columns() const;

  int descriptor_;
  std::size_t shown_ = 0;  // characters
};

}  // namespace viosim
