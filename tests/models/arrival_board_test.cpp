// The board that says when each device acts next, against a plain list.
// SPDX-License-Identifier: Apache-2.0
#include "models/device/arrival_board.hpp"

#include "core/base/rng.hpp"
#include "tests/support/catch.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

using namespace viosim;

namespace {

class Boards {
 public:
  Boards(std::size_t sources, Rng rng, unsigned magnitude)
      : times_(sources, ArrivalBoard::idle), rng_(rng), magnitude_(magnitude) {
    for (std::size_t i = 0; i < sources; ++i) board_.add();
  }

  void set() {
    const std::size_t source = rng_.below(times_.size());
    times_[source] = rng_.below(8) == 0 ? ArrivalBoard::idle : now_ + gap();
    board_.set(source, times_[source]);
  }

  void drain() {
    const std::uint64_t end = rng_.below(4) == 0 ? now_ + gap() : earliest() + gap() / 16 + 1;
    if (earliest() == ArrivalBoard::idle) return;
    std::vector<std::pair<std::uint32_t, std::uint64_t>> due;
    for (std::uint32_t i = 0; i < times_.size(); ++i) {
      if (times_[i] < end) due.emplace_back(i, times_[i]);
    }
    std::vector<std::pair<std::uint32_t, std::uint64_t>> acted;
    board_.drain_before(
        end,
        [&](std::uint32_t source, std::uint64_t time) {
          acted.emplace_back(source, time);
          return times_[source] = rng_.below(16) == 0 ? ArrivalBoard::idle : end + gap();
        },
        [](std::uint32_t, std::size_t) {});
    std::sort(acted.begin(), acted.end());
    REQUIRE(acted == due);
    now_ = std::max(now_, end);
  }

  void agree() const { REQUIRE(board_.earliest() == earliest()); }

 private:
  // Of all magnitudes up to the largest.
  std::uint64_t gap() { return rng_.next() >> (63U - rng_.below(magnitude_)); }
  std::uint64_t earliest() const { return *std::min_element(times_.begin(), times_.end()); }

  ArrivalBoard board_;
  std::vector<std::uint64_t> times_;
  Rng rng_;
  unsigned magnitude_;
  std::uint64_t now_ = 0;
};

}  // namespace

TEST_CASE("the board of arrivals answers as a plain list does", "[models][board]") {
  const std::size_t sources = GENERATE(1U, 16U, 17U, 100U);
  const unsigned magnitude = GENERATE(8U, 20U, 40U);
  Boards boards(sources, Rng(sources, "board"), magnitude);
  for (int i = 0; i < 5'000; ++i) {
    (i % 3 == 0) ? boards.drain() : boards.set();
    boards.agree();
  }
}

// The wheel's first turn is 64 ns: a hundred seconds are not to be walked through.
TEST_CASE("sources that act once in minutes are found without turning the wheel through them",
          "[models][board]") {
  constexpr std::uint64_t minute = 60'000'000'000'000;
  ArrivalBoard board;
  for (std::uint64_t source = 0; source < 17; ++source) {
    board.add();
    board.set(source, (source + 1) * minute);
  }
  for (std::uint64_t round = 0; round < 8 * 17; ++round) {
    const std::uint64_t at = (round + 1) * minute;
    REQUIRE(board.earliest() == at);
    board.drain_before(
        at + 1, [&](std::uint32_t, std::uint64_t time) { return time + 17 * minute; },
        [](std::uint32_t, std::size_t) {});
  }
}
