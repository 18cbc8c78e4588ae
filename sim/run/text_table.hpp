// Tables on the terminal, and which components share a row where they are too many.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "sim/run/results.hpp"

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <utility>
#include <vector>

namespace viosim {

// Columns as wide as they need; the first to the left, the others to the right.
class TextTable {
 public:
  static constexpr std::size_t most_rows = 24;  // on the terminal; the database has all

  // `rest`: where those are that do not fit.
  explicit TextTable(std::vector<std::string> head, std::size_t most = most_rows,
                     std::string rest = "in the database")
      : most_(most), rest_(std::move(rest)) {
    rows_.push_back(std::move(head));
  }
  void add(std::vector<std::string> row) { rows_.push_back(std::move(row)); }
  std::string text() const;  // empty when there is no row

 private:
  std::size_t most_;
  std::string rest_;
  std::vector<std::vector<std::string>> rows_;
};

// A component, or many whose paths differ in their indices only: "host0.vm[*].acc[*] (4,000)".
struct TableRow {
  std::string name;
  std::vector<std::size_t> members;  // places in the list that rows_of() was given
};
// Of components by their paths and what else tells them apart. Those that would not fit into a
// table share rows.
struct RowKey {
  std::string path;
  std::string more;
};
std::vector<TableRow> rows_of(const std::vector<RowKey>& keys);

// Metrics of one component, or of several together, by name.
using Metrics = std::map<std::string, std::uint64_t>;

// Of these components as one: sums, and of what is a longest the longest.
Metrics together(const std::vector<Metrics>& metrics, const std::vector<std::size_t>& components);

// Of each component, by its number.
std::vector<Metrics> metrics_by_component(const Results& results, std::size_t components);

// The components that `shown` accepts: a line of `row` for each, or for each group of them.
std::string metrics_table(std::vector<std::string> head, const std::vector<Metrics>& metrics,
                          const std::vector<std::string>& components,
                          const std::function<bool(const Metrics&)>& shown,
                          const std::function<std::vector<std::string>(const Metrics&)>& row);

}  // namespace viosim
