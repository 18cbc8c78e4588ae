// The map in one array against one that is obviously right.
// SPDX-License-Identifier: Apache-2.0
#include "core/base/flat_map.hpp"

#include "tests/support/catch.hpp"

#include <compare>
#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

using namespace viosim;

namespace {

// All look for the same slots, so that they push each other away, and around the end.
struct Crowded {
  std::uint32_t number = 0;
  auto operator<=>(const Crowded&) const = default;
  std::uint64_t bits() const { return number % 3; }
};

template <class Key>
void compare(const FlatMap<Key, std::string>& flat, const std::map<Key, std::string>& tree) {
  REQUIRE(flat.size() == tree.size());
  std::vector<Key> keys;
  for (const auto& [key, value] : tree) {
    keys.push_back(key);
    REQUIRE(flat.find(key) != nullptr);
    CHECK(*flat.find(key) == value);
  }
  CHECK(flat.keys() == keys);
}

template <class Key>
void try_all(std::uint32_t most) {
  FlatMap<Key, std::string> flat;
  std::map<Key, std::string> tree;
  CHECK(flat.find(Key{1}) == nullptr);
  CHECK(!flat.erase(Key{1}));
  std::uint32_t x = 1;
  for (std::uint32_t i = 0; i < 4000; ++i) {
    x = x * 1664525U + 1013904223U;
    const Key key{(x >> 8U) % most};
    if ((x >> 4U) % 2 == 0)
      flat[key] = tree[key] = std::to_string(i);
    else
      CHECK(flat.erase(key) == (tree.erase(key) != 0));
    if (i % 500 == 0) compare(flat, tree);
  }
  const auto which = [](const Key&, const std::string& value) { return value.back() < '5'; };
  flat.erase_if(which);
  std::erase_if(tree, [&](const auto& one) { return which(one.first, one.second); });
  compare(flat, tree);
  flat.erase_if([](const Key&, const std::string&) { return true; });
  CHECK(flat.empty());
}

}  // namespace

TEST_CASE("a flat map holds what a tree holds") {
  try_all<std::uint32_t>(10);
  try_all<std::uint32_t>(300);
  try_all<Crowded>(40);
}
