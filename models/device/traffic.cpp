// How each address pattern picks its next address.
// SPDX-License-Identifier: Apache-2.0
#include "models/device/traffic.hpp"

#include <fmt/format.h>

#include <bit>
#include <cmath>

namespace viosim {
namespace {

constexpr std::uint64_t ring_descriptor =
    16;  // bytes; what NVMe completions and virtio descriptors take

}  // namespace

void TrafficParams::check(const Where& where) const {
  if (pattern == Pattern::ring && ring >= window) {
    (where / "ring")
        .reject(fmt::format("read \"{}\"; expected less than the window, which is \"{}\"",
                            to_text(ring), to_text(window)));
  }
  const TrafficParams defaults;
  if (pattern != Pattern::ring && ring != defaults.ring) {
    (where / "ring")
        .reject(fmt::format("read \"{}\"; expected none: only the ring pattern has a ring",
                            to_text(ring)));
  }
  if (pattern != Pattern::zipf && skew != defaults.skew) {
    (where / "skew")
        .reject(fmt::format("read {}; expected none: only the zipf pattern has a skew", skew));
  }
  constexpr std::uint64_t most_zipf_pages = std::uint64_t{1} << 24U;
  if (pattern == Pattern::zipf && window.count() / page_4k.count() > most_zipf_pages) {
    (where / "window")
        .reject(fmt::format("read \"{}\"; expected at most 64 GiB for the zipf pattern",
                            to_text(window)));
  }
}

ZipfTable::ZipfTable(std::uint64_t pages, double skew) : threshold_(pages), alias_(pages) {
  constexpr double one = 4294967296.0;  // 2^32
  std::vector<double> share(pages);
  double total = 0;
  for (std::uint64_t k = 0; k < pages; ++k) {
    share[k] = std::round(one * std::pow(static_cast<double>(k + 1), -skew));
    total += share[k];
  }
  std::vector<std::uint32_t> poor;
  std::vector<std::uint32_t> rich;
  for (std::uint64_t k = 0; k < pages; ++k) {
    share[k] *= static_cast<double>(pages) / total;
    (share[k] < 1 ? poor : rich).push_back(static_cast<std::uint32_t>(k));
  }
  while (!poor.empty() && !rich.empty()) {
    const std::uint32_t small = poor.back();
    const std::uint32_t large = rich.back();
    poor.pop_back();
    threshold_[small] = static_cast<std::uint64_t>(share[small] * one);
    alias_[small] = large;
    share[large] -= 1 - share[small];
    if (share[large] < 1) {
      rich.pop_back();
      poor.push_back(large);
    }
  }
  for (const auto& rest : {poor, rich}) {
    for (const std::uint32_t k : rest) {
      threshold_[k] = static_cast<std::uint64_t>(one);
      alias_[k] = k;
    }
  }
}

Traffic::Traffic(const TrafficParams& params, Iova base, Rng rng, const ZipfTable* zipf)
    : rng_(rng),
      base_(base.value()),
      places_(params.window.count() / params.request.count()),
      window_(params.window.count()),
      request_(static_cast<std::uint32_t>(params.request.count())),
      ring_(static_cast<std::uint32_t>(params.ring.count())),
      zipf_(zipf),
      pattern_(params.pattern),
      access_(params.direction == Direction::write ? Access::write : Access::read),
      mixed_(params.direction == Direction::mixed) {}

std::uint64_t Traffic::next_of_ring() {
  descriptor_next_ = !descriptor_next_;
  if (!descriptor_next_) {
    const std::uint64_t offset = position_;
    position_ = position_ + ring_descriptor == ring_ ? 0 : position_ + ring_descriptor;
    return offset;
  }
  return ring_ + rng_.below((window_ - ring_) / request_) * request_;
}

// The most popular pages are spread over the window, so that popularity is not also neighbourhood.
std::uint64_t Traffic::next_of_zipf() {
  const std::uint64_t pages = window_ / page_4k.count();
  const std::uint64_t rank = zipf_->draw(rng_);
  constexpr std::uint64_t stride =
      2654435761U;  // prime and larger than any window has pages: a permutation of the ranks
  const std::uint64_t page = rank * stride % pages;
  return page * page_4k.count() + rng_.below(page_4k.count() / request_) * request_;
}

}  // namespace viosim
