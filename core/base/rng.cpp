// How a seed and a path become the start of a stream.
// SPDX-License-Identifier: Apache-2.0
#include "core/base/rng.hpp"

namespace viosim {

// FNV-1a over the path, then mixed with the seed: paths that differ in one character start far
// apart.
Rng::Rng(std::uint64_t seed, std::string_view path) : state_(seed) {
  std::uint64_t hash = 0xcbf29ce484222325U;
  for (const char c : path) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3U;
  const std::uint64_t start = next() ^ hash;
  state_ = start;
  state_ = next();
}

}  // namespace viosim
