// Same scenario, same seed, same bytes: no wall clock, no foreign chance, no order that a hash made.
// SPDX-License-Identifier: Apache-2.0
#include "tests/tidy/rules.hpp"

#include <algorithm>
#include <array>
#include <set>

namespace viosim::tidy {
namespace {

// Where real time is the subject: the wall time a run prints and may take, the benchmarks, and how long bad input
// may keep the reader busy.
constexpr std::array<std::string_view, 5> may_read_clock = {
    "sim/main.cpp", "sim/run/", "sim/sweep/", "tests/bench/", "tests/json/parse_test.cpp"};

constexpr std::array<std::string_view, 9> clocks = {
    "system_clock", "steady_clock", "high_resolution_clock",
    "utc_clock",    "gettimeofday", "clock_gettime",
    "timespec_get", "__DATE__",     "__TIME__"};

constexpr std::array<std::string_view, 14> foreign_chance = {
    "random_device",     "std::mt19937",
    "std::mt19937_64",   "std::minstd_rand",
    "std::minstd_rand0", "std::default_random_engine",
    "std::ranlux48",     "std::knuth_b",
    "std::shuffle",      "std::ranges::shuffle",
    "std::sample",       "srand",
    "drand48",           "arc4random"};

// A word followed by an opening parenthesis.
std::size_t find_call(std::string_view line, std::string_view name, std::size_t start = 0) {
  for (std::size_t at = find_word(line, name, start); at != std::string_view::npos;
       at = find_word(line, name, at + 1)) {
    if (line.substr(at + name.size()).starts_with('(')) return at;
  }
  return std::string_view::npos;
}

// time(nullptr) and its like; a function of ours that is called time is something else.
bool calls_time(std::string_view line) {
  const std::size_t at = find_call(line, "time");
  if (at == std::string_view::npos) return false;
  const std::string_view argument = line.substr(at + std::string_view("time(").size());
  return argument.starts_with("nullptr") || argument.starts_with("NULL") ||
         argument.starts_with("0)") || argument.starts_with('&');
}

// std::uniform_int_distribution and its like: their results differ between standard libraries.
bool names_distribution(std::string_view line) {
  constexpr std::string_view ending = "_distribution";
  const std::size_t end = line.find(ending);
  const std::size_t start = line.find("std::");
  return start < end && end != std::string_view::npos &&
         line.substr(start + 5, end - start - 5).find_first_not_of("abcdefghijklmnopqrstuvwxyz_") ==
             std::string_view::npos;
}

std::string clock_in(std::string_view line) {
  for (const std::string_view name : clocks) {
    if (find_word(line, name) != std::string_view::npos) return std::string(name);
  }
  return calls_time(line) ? "time()" : "";
}

std::string chance_in(std::string_view line) {
  for (const std::string_view name : foreign_chance) {
    if (find_word(line, name) != std::string_view::npos) return std::string(name);
  }
  if (find_call(line, "rand") != std::string_view::npos) return "rand()";
  return names_distribution(line) ? "a standard distribution" : "";
}

// The position after the bracket that closes the one at `open`; the line's end when none does.
std::size_t after_closing(std::string_view line, std::size_t open) {
  int depth = 0;
  for (std::size_t at = open; at < line.size(); ++at) {
    if (line[at] == '<') ++depth;
    if (line[at] == '>' && --depth == 0) return at + 1;
  }
  return line.size();
}

std::string_view leading_name(std::string_view text) {
  text.remove_prefix(std::min(text.find_first_not_of(" &"), text.size()));
  return text.substr(0, text.find_first_not_of("abcdefghijklmnopqrstuvwxyz"
                                               "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_"));
}

// Names of variables that a file declares as unordered containers, on one line each.
std::set<std::string> unordered_names(const SourceFile& file) {
  std::set<std::string> names;
  for (const std::string_view line : file.code) {
    for (const std::string_view type : {"unordered_map", "unordered_set", "unordered_multimap"}) {
      const std::size_t at = find_word(line, type);
      if (at == std::string_view::npos) continue;
      const std::string_view name = leading_name(line.substr(after_closing(line, at)));
      if (!name.empty()) names.emplace(name);
    }
  }
  return names;
}

std::set<std::string> unordered_names(const Tree& tree, const SourceFile& file) {
  std::set<std::string> names = unordered_names(file);
  const std::string header = file.path.substr(0, file.path.size() - 3) + "hpp";
  for (const SourceFile& other : tree.files) {
    if (other.path == header) names.merge(unordered_names(other));
  }
  return names;
}

// What a range-based for on this line goes through; empty when there is none.
std::string_view looped_over(std::string_view line) {
  if (find_word(line, "for") == std::string_view::npos) return {};
  const std::size_t colon = line.find(" : ");
  return colon == std::string_view::npos ? std::string_view()
                                         : leading_name(line.substr(colon + 3));
}

}  // namespace

void check_wall_clock(const Tree& tree, Findings& findings) {
  for (const SourceFile& file : tree.files) {
    if (std::any_of(may_read_clock.begin(), may_read_clock.end(),
                    [&](std::string_view place) { return file.below(place); })) {
      continue;
    }
    for (std::size_t i = 0; i < file.code.size(); ++i) {
      const std::string clock = clock_in(file.code[i]);
      if (clock.empty()) continue;
      findings.push_back({file.path, i + 1, "reads the wall clock with " + clock,
                          "simulated time comes from core/des; real time is for sim/run/ and "
                          "tests/bench/ only"});
    }
  }
}

void check_randomness(const Tree& tree, Findings& findings) {
  for (const SourceFile& file : tree.files) {
    for (std::size_t i = 0; i < file.code.size(); ++i) {
      const std::string chance = chance_in(file.code[i]);
      if (chance.empty()) continue;
      findings.push_back({file.path, i + 1, "draws random numbers with " + chance,
                          "core/base/rng.hpp: one seed, one stream for each component path, the "
                          "same on every system"});
    }
  }
}

void check_unordered_loops(const Tree& tree, Findings& findings) {
  for (const SourceFile& file : tree.files) {
    if (!file.is_cpp()) continue;
    const std::set<std::string> names = unordered_names(tree, file);
    for (std::size_t i = 0; i < file.code.size(); ++i) {
      const std::string name(looped_over(file.code[i]));
      if (!names.contains(name)) continue;
      findings.push_back({file.path, i + 1, "goes through " + name + " in the order of its hashes",
                          "an order of our own: std::map, or a sorted copy"});
    }
  }
}

}  // namespace viosim::tidy
