// The board that says when each device acts next, against a plain list.
// SPDX-License-Identifier: Apache-2.0
#include "models/device/arrival_board.hpp"

#include "core/base/rng.hpp"
#include "tests/support/catch.hpp"

#include <algorithm>
#include <array>
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

// Seventeen sources that act once in 1 to 2 us, each so often and then not for a while.
class Bursts {
 public:
  Bursts() {
    for (std::uint64_t source = 0; source < left_.size(); ++source) {
      board_.add();
      board_.set(source, rng_.below(1'000'000));
    }
  }

  void act(std::uint64_t times, std::uint64_t burst, std::uint64_t gap) {
    left_.fill(burst);
    for (const std::uint64_t end = acted_ + times; acted_ < end;) drain(burst, gap);
  }

  // How much later than another one a source acts that is called before it: less than a bucket's width.
  std::uint64_t disorder(std::uint64_t times) {
    disorder_ = 0;
    act(times, times, 0);
    return disorder_;
  }

 private:
  void drain(std::uint64_t burst, std::uint64_t gap) {
    const std::uint64_t end = board_.earliest() + 1'000'000;
    std::uint64_t latest = 0;
    board_.drain_before(
        end,
        [&](std::uint32_t source, std::uint64_t time) {
          ++acted_;
          latest = std::max(latest, time);
          disorder_ = std::max(disorder_, latest - time);
          const std::uint64_t next = time + 1'000'000 + rng_.below(1'000'000);
          if (--left_[source] != 0) return next;
          left_[source] = burst;
          return gap == 0 ? next : (time / gap + 1) * gap + rng_.below(1'000'000);
        },
        [](std::uint32_t, std::size_t) {});
  }

  ArrivalBoard board_;
  Rng rng_{1, "bursts"};
  std::array<std::uint64_t, 17> left_{};
  std::uint64_t acted_ = 0;
  std::uint64_t disorder_ = 0;
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

// At 88 ns from one to the next, four of which make a crowd.
constexpr std::uint64_t few_sources = 500'000;

TEST_CASE("buckets stay narrow in bursts after long gaps", "[models][board]") {
  constexpr std::uint64_t second = 1'000'000'000'000;
  Bursts bursts;
  bursts.act(30 * 17 * 100, 100, second);
  CHECK(bursts.disorder(1'000) < few_sources);
}

TEST_CASE("buckets are soon narrow again when sources that acted rarely act often",
          "[models][board]") {
  constexpr std::uint64_t second = 1'000'000'000'000;
  Bursts bursts;
  bursts.act(10'000, 1, second);
  CHECK(bursts.disorder(1'000) > few_sources);
  bursts.act(500'000, 500'000, 0);
  CHECK(bursts.disorder(1'000) < few_sources);
}
