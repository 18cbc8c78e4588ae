// Rows of two runs side by side, by what they are called.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <map>
#include <utility>
#include <vector>

namespace viosim {

template <class T>
struct Sides {
  const T* a = nullptr;
  const T* b = nullptr;
};

// Rows of both runs under the same key, in the order of A, then what only B has.
template <class Row, class Key>
class Paired {
 public:
  void add_a(const Key& key, const Row& row) { at(key).a = &row; }
  void add_b(const Key& key, const Row& row) { at(key).b = &row; }
  const std::vector<std::pair<Key, Sides<Row>>>& all() const { return rows_; }

 private:
  Sides<Row>& at(const Key& key) {
    const auto [place, is_new] = places_.try_emplace(key, rows_.size());
    if (is_new) rows_.emplace_back(key, Sides<Row>{});
    return rows_[place->second].second;
  }
  std::vector<std::pair<Key, Sides<Row>>> rows_;
  std::map<Key, std::size_t> places_;
};

}  // namespace viosim
