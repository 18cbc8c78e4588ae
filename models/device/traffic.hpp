// Where a device's DMA goes: address patterns over a window of its address space.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/base/address.hpp"
#include "core/base/fields.hpp"
#include "core/base/rng.hpp"

#include <array>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace viosim {

enum class Pattern : std::uint8_t { sequential, uniform, ring, zipf };

constexpr auto choices(Pattern) {
  return std::array{
      Choice{Pattern::sequential, "sequential",
             "one request after the other through the window, over and over"},
      Choice{Pattern::uniform, "uniform", "any aligned place of the window, equally likely"},
      Choice{Pattern::ring, "ring",
             "a descriptor ring in the window's first pages, each entry followed by one request to "
             "a buffer behind it"},
      Choice{Pattern::zipf, "zipf",
             "pages of the window by popularity: the k-th most popular is drawn in proportion to 1 "
             "/ k^skew"}};
}

enum class Direction : std::uint8_t { read, write, mixed };

constexpr auto choices(Direction) {
  return std::array{Choice{Direction::read, "read", "the device reads memory"},
                    Choice{Direction::write, "write", "the device writes memory"},
                    Choice{Direction::mixed, "mixed", "reads and writes, equally likely"}};
}

struct TrafficParams {
  Pattern pattern = Pattern::uniform;
  Bytes window = 2_MiB;
  Bytes request = 64_B;
  Direction direction = Direction::read;
  double skew = 0.99;
  Bytes ring = 4_KiB;

  static constexpr auto fields() {
    using P = TrafficParams;
    return Fields{
        field("pattern", &P::pattern, "How addresses follow each other."),
        field("window", &P::window, "The part of the address space that is used.")
            .from(page_4k)
            .to(1024_GiB)
            .multiple_of(page_4k),
        field("request", &P::request, "Bytes of one request, which never crosses a page.")
            .power_of_two()
            .from(1_B)
            .to(page_4k),
        field("direction", &P::direction, "Reads, writes or both."),
        field("skew", &P::skew, "Zipf only: 0 is uniform, 0.99 is usual for key-value loads.")
            .from(0)
            .to(10),
        field("ring", &P::ring,
              "Ring only: bytes of the descriptor ring, which is smaller than the window.")
            .from(page_4k)
            .to(1_GiB)
            .multiple_of(page_4k)};
  }
  void check(const Where& where) const;
  bool operator==(const TrafficParams&) const = default;
};

// Draws the page ranks of a Zipf distribution in constant time: Walker's alias method (Vose, 1991).
// Shared by devices of equal parameters. The weights are rounded to multiples of 2^-32, so a
// last-bit difference between mathematics libraries does not show.
class ZipfTable {
 public:
  ZipfTable(std::uint64_t pages, double skew);
  std::uint64_t draw(Rng& rng) const {
    const std::uint64_t column = rng.below(threshold_.size());
    return (rng.next() >> 32U) < threshold_[column] ? column : alias_[column];
  }

 private:
  std::vector<std::uint64_t> threshold_;  // of 2^32
  std::vector<std::uint32_t> alias_;
};

// One device's stream of requests.
class Traffic {
 public:
  struct Next {
    Iova iova;
    Access access;
  };

  // `zipf` is needed by that pattern only, and outlives the stream.
  Traffic(const TrafficParams& params, Iova base, Rng rng, const ZipfTable* zipf);

  Next next() {
    std::uint64_t offset = 0;
    switch (pattern_) {
      case Pattern::sequential:
        offset = position_;
        position_ = position_ + request_ == window_ ? 0 : position_ + request_;
        break;
      case Pattern::uniform:
        offset = rng_.below(places_) * request_;
        break;
      case Pattern::ring:
        offset = next_of_ring();
        break;
      case Pattern::zipf:
        offset = next_of_zipf();
        break;
    }
    Access access = access_;
    if (mixed_) access = (rng_.next() >> 63U) != 0 ? Access::write : Access::read;
    return {Iova(base_ + offset), access};
  }

 private:
  std::uint64_t next_of_ring();
  std::uint64_t next_of_zipf();

  Rng rng_;
  std::uint64_t base_;
  std::uint64_t position_ = 0;
  std::uint64_t places_;
  std::uint64_t window_;
  std::uint32_t request_;
  std::uint32_t ring_ = 0;
  const ZipfTable* zipf_;
  Pattern pattern_;
  Access access_;
  bool mixed_;
  bool descriptor_next_ = true;
};

}  // namespace viosim
