// ioasid_bench: how fast the allocator is. One JSON line per run.
// SPDX-License-Identifier: Apache-2.0
#include "ioasid/ioasid.hpp"

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <new>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

namespace {

using ioasid::Ioasid;
using Clock = std::chrono::steady_clock;

struct Options {
  std::string op = "pair";
  std::uint32_t live = 1000;
  unsigned threads = 1;
  double seconds = 1.0;
  double holes = -1.0;  // share of free ids among the live ones; churn has a tenth unless told
  unsigned find_pct = 95;
};

constexpr const char* synopsis =
    "usage: ioasid_bench [--op pair|churn|find|mixed] [--live N] [--threads T] [--seconds S]\n"
    "                    [--holes F] [--find-pct P]\n";

[[noreturn]] void usage(std::string_view what) {
  std::fprintf(stderr, "ioasid_bench: %.*s\n%s", static_cast<int>(what.size()), what.data(),
               synopsis);
  std::exit(2);
}

// What could not be written was not said.
int exit_unless_written() {
  if (std::fflush(stdout) == 0 && std::ferror(stdout) == 0) return 0;
  std::fprintf(stderr, "ioasid_bench: cannot write to standard output\n");
  return 2;
}

[[noreturn]] void help() {
  std::printf(
      "%s"
      "Times the allocator on one space, and prints one JSON line.\n"
      "  --op        pair (unless told): alloc of the lowest free id, then its free\n"
      "              churn: free of a random live id, then alloc of the lowest free one\n"
      "              find: look-up of a live id with its set, all in random order\n"
      "              mixed: finds and churn\n"
      "  --live      how many ids are live meanwhile, 0 to 100000000, 1000 unless told; find "
      "needs\n"
      "              one, churn and mixed one for each thread\n"
      "  --threads   how many work on the space, 1 to 256, 1 unless told; in churn and mixed each\n"
      "              has a share of the ids to itself\n"
      "  --seconds   how long, 0.001 to 3600, 1 unless told\n"
      "  --holes     share of free ids among the live ones, 0 to 0.9; 0.1 for churn, else 0, "
      "unless\n"
      "              told. Live ids and holes may be 200000000 together: live / (1 - holes)\n"
      "  --find-pct  finds in a hundred operations of mixed, 0 to 100, 95 unless told\n"
      "Of the answer: ns_per_op is time by the clock for one operation of one thread, "
      "cpu_ns_per_op\n"
      "processor time for one operation, mops_per_s what all threads did, in millions a second;\n"
      "bytes_per_live_id is the whole space's memory before the first operation, left out where no "
      "id\n"
      "is live.\n",
      synopsis);
  std::exit(exit_unless_written());
}

struct Limits {
  double min;
  double max;
};

[[noreturn]] void bad_value(std::string_view name, const char* text, const char* what,
                            Limits limits) {
  std::array<char, 100> expected{};
  std::snprintf(expected.data(), expected.size(), "expected %s from %.9g to %.9g", what, limits.min,
                limits.max);
  usage("bad value for " + std::string(name) + ": '" + text + "', " + expected.data());
}

double number(std::string_view name, const char* text, Limits limits,
              const char* what = "a number") {
  char* end = nullptr;
  const double value = std::strtod(text, &end);
  if (end == text || *end != '\0' || !(value >= limits.min && value <= limits.max))
    bad_value(name, text, what, limits);
  return value;
}

// A number of things: whole.
unsigned count(std::string_view name, const char* text, Limits limits) {
  constexpr const char* what = "a whole number";
  const double value = number(name, text, limits, what);
  if (value != std::floor(value)) bad_value(name, text, what, limits);
  return static_cast<unsigned>(value);
}

// Live ids and holes: all of them are live at first. A rounding error makes no id more or less.
double ids_with_holes(const Options& options) {
  return std::floor(options.live / (1.0 - options.holes) + 1e-6);
}

// Far below how many ids there can be, but each takes 17 bytes of the space, and 8 here.
constexpr double ids_with_holes_max = 2e8;

void refuse_too_many(const Options& options) {
  const double total = ids_with_holes(options);
  if (total <= ids_with_holes_max) return;
  std::array<char, 160> what{};
  std::snprintf(what.data(), what.size(),
                "--live %u with --holes %g is %.0f ids with the holes, expected at most %.0f",
                options.live, options.holes, total, ids_with_holes_max);
  usage(what.data());
}

struct Setting {
  std::string_view name;
  void (*set)(Options& options, std::string_view name, const char* value);
};
constexpr std::array settings{
    Setting{"--op", [](Options& o, std::string_view, const char* value) { o.op = value; }},
    Setting{"--live",
            [](Options& o, std::string_view name, const char* value) {
              o.live = count(name, value, {0, 1e8});
            }},
    Setting{"--threads",
            [](Options& o, std::string_view name, const char* value) {
              o.threads = count(name, value, {1, 256});
            }},
    Setting{"--seconds",
            [](Options& o, std::string_view name, const char* value) {
              o.seconds = number(name, value, {0.001, 3600});
            }},
    Setting{"--holes",
            [](Options& o, std::string_view name, const char* value) {
              o.holes = number(name, value, {0, 0.9});
            }},
    Setting{"--find-pct", [](Options& o, std::string_view name, const char* value) {
              o.find_pct = count(name, value, {0, 100});
            }}};

const Setting& setting_named(std::string_view name) {
  const auto* const found = std::find_if(settings.begin(), settings.end(),
                                         [name](const Setting& s) { return s.name == name; });
  if (found == settings.end()) usage("unknown option " + std::string(name));
  return *found;
}

// --name value, or --name=value. Whether there is such an option is looked at first.
Options parse(int argc, char** argv) {
  Options options;
  for (int i = 1; i < argc; ++i) {
    const std::string_view word = argv[i];
    if (word == "--help" || word == "-h") help();
    if (!word.starts_with("-")) usage("unexpected argument '" + std::string(word) + "'");
    const std::size_t equals = word.find('=');
    const Setting& setting = setting_named(word.substr(0, equals));
    // A null pointer after the last word.
    const char* const value = equals == std::string_view::npos ? argv[++i] : argv[i] + equals + 1;
    if (value == nullptr) usage("no value for " + std::string(setting.name));
    setting.set(options, setting.name, value);
  }
  constexpr std::array ops{"pair", "churn", "find", "mixed"};
  if (std::find(ops.begin(), ops.end(), options.op) == ops.end())
    usage("unknown op '" + options.op + "', expected pair, churn, find or mixed");
  if (options.holes < 0) options.holes = options.op == "churn" ? 0.1 : 0.0;
  refuse_too_many(options);
  return options;
}

// A 64-bit linear congruential generator: a cycle or two, so that the loop measures the allocator.
class Random {
 public:
  explicit Random(std::uint64_t seed) : state_(seed * 0x9e3779b97f4a7c15u + 1) {}
  std::uint32_t below(std::uint32_t bound) {
    state_ = state_ * 6364136223846793005u + 1442695040888963407u;
    return static_cast<std::uint32_t>(((state_ >> 32) * bound) >> 32);
  }

 private:
  std::uint64_t state_;
};

constexpr char the_set = 0;
constexpr ioasid::Range whole{1, ioasid::invalid_ioasid - 1};
void* data_of(std::uint32_t n) { return reinterpret_cast<void*>(std::uintptr_t{n} * 64 + 64); }

[[noreturn]] void wrong(const char* what) {
  std::fprintf(stderr, "ioasid_bench: the allocator answered wrongly: %s\n", what);
  std::exit(1);
}

// Fills the space to `live` ids with holes among them; returns the live ids in random order.
std::vector<Ioasid> fill(ioasid::Space& space, const Options& options) {
  const auto total = static_cast<std::uint32_t>(ids_with_holes(options));
  std::vector<Ioasid> ids;
  ids.reserve(total);
  for (std::uint32_t i = 0; i < total; ++i) {
    ids.push_back(space.alloc(&the_set, whole, data_of(i)));
    if (ids.back() == ioasid::invalid_ioasid) throw std::bad_alloc();  // there are enough ids
  }
  Random random(1);
  for (std::uint32_t i = total; i > 1; --i) std::swap(ids[i - 1], ids[random.below(i)]);
  for (std::uint32_t i = options.live; i < total; ++i) space.free(ids[i]);
  ids.resize(options.live);
  return ids;
}

void pair(ioasid::Space& space, Random&, std::vector<Ioasid>&, unsigned, int rounds) {
  for (int i = 0; i < rounds; ++i) {
    const Ioasid id = space.alloc(&the_set, whole, data_of(1));
    if (id == ioasid::invalid_ioasid) wrong("pair: alloc failed");
    space.free(id);
  }
}

// The victim of the next round is drawn, and read from the benchmark's own table, before this
// round's calls, so that the table's cache misses are not counted as the allocator's.
void churn(ioasid::Space& space, Random& random, std::vector<Ioasid>& mine, unsigned, int rounds) {
  const auto count = static_cast<std::uint32_t>(mine.size());
  std::uint32_t next = random.below(count);
  for (int i = 0; i < rounds; ++i) {
    const std::uint32_t at = next;
    next = random.below(count);
    __builtin_prefetch(&mine[next], 1);
    space.free(mine[at]);
    mine[at] = space.alloc(&the_set, whole, data_of(at));
    if (mine[at] == ioasid::invalid_ioasid) wrong("churn: alloc failed");
  }
}

// Finds walk through the shuffled ids one by one: every visit goes to another random place of the
// allocator's memory, none of the benchmark's own.
class Walk {
 public:
  Walk(const std::vector<Ioasid>& ids, Random& random)
      : ids_(ids), at_(random.below(static_cast<std::uint32_t>(ids.size()))) {}
  std::size_t next() {
    if (++at_ >= ids_.size()) at_ = 0;
    return at_;
  }

 private:
  const std::vector<Ioasid>& ids_;
  std::size_t at_;
};

void find(ioasid::Space& space, Random& random, std::vector<Ioasid>& mine, unsigned, int rounds) {
  Walk walk(mine, random);
  std::uintptr_t failures = 0;
  for (int i = 0; i < rounds; ++i)
    failures += space.find(&the_set, mine[walk.next()]).data == nullptr;
  if (failures != 0) wrong("find: a live id was not found");
}

void mixed(ioasid::Space& space, Random& random, std::vector<Ioasid>& mine, unsigned find_pct,
           int rounds) {
  Walk walk(mine, random);
  std::uintptr_t failures = 0;
  for (int i = 0; i < rounds; ++i) {
    const std::size_t at = walk.next();
    if (random.below(100) < find_pct) {
      failures += space.find(&the_set, mine[at]).data == nullptr;
    } else {
      space.free(mine[at]);
      mine[at] = space.alloc(&the_set, whole, data_of(static_cast<std::uint32_t>(at)));
    }
  }
  if (failures != 0) wrong("mixed: a live id was not found");
}

using Op = void (*)(ioasid::Space&, Random&, std::vector<Ioasid>&, unsigned, int);
Op op_of(const std::string& name) {
  if (name == "pair") return pair;
  if (name == "churn") return churn;
  return name == "find" ? find : mixed;
}

struct Measured {
  std::uint64_t ops = 0;
  double seconds = 0;
  double cpu_seconds = 0;  // of all threads: what is left when others take the processor away
};

double cpu_seconds_of_this_thread() {
  timespec time{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
  return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_nsec) * 1e-9;
}

// On a cache line of its own.
struct alignas(64) Tally {
  std::uint64_t ops = 0;
  double cpu_seconds = 0;
};

// Each thread works on ids of its own where it frees them, and on all of them where it only reads.
std::vector<std::vector<Ioasid>> shares_of(const std::vector<Ioasid>& ids, const Options& options) {
  std::vector<std::vector<Ioasid>> shares(options.threads);
  for (unsigned t = 0; t < options.threads; ++t) {
    shares[t].reserve(options.op == "find" ? ids.size() : ids.size() / options.threads + 1);
    for (std::size_t i = 0; i < ids.size(); ++i)
      if (options.op == "find" || i % options.threads == t) shares[t].push_back(ids[i]);
  }
  return shares;
}

Measured run(ioasid::Space& space, const Options& options, const std::vector<Ioasid>& ids) {
  const Op op = op_of(options.op);
  std::atomic<unsigned> ready{0};
  std::atomic<bool> go{false};
  std::atomic<bool> stop{false};
  std::vector<std::vector<Ioasid>> shares = shares_of(ids, options);
  std::vector<Tally> tallies(options.threads);
  std::vector<std::thread> threads;
  for (unsigned t = 0; t < options.threads; ++t)
    threads.emplace_back([&, t] {
      std::vector<Ioasid>& mine = shares[t];
      Random random(t + 100);
      op(space, random, mine, options.find_pct, 20'000);
      ready.fetch_add(1);
      while (!go.load()) std::this_thread::yield();
      Tally tally;
      const double cpu_before = cpu_seconds_of_this_thread();
      for (; !stop.load(std::memory_order_relaxed); tally.ops += 1024)
        op(space, random, mine, options.find_pct, 1024);
      tally.cpu_seconds = cpu_seconds_of_this_thread() - cpu_before;
      tallies[t] = tally;
    });
  while (ready.load() != options.threads) std::this_thread::yield();
  const auto begin = Clock::now();
  go.store(true);
  std::this_thread::sleep_for(std::chrono::duration<double>(options.seconds));
  stop.store(true);
  for (std::thread& thread : threads) thread.join();
  Measured measured;
  measured.seconds = std::chrono::duration<double>(Clock::now() - begin).count();
  for (const Tally& tally : tallies) {
    measured.ops += tally.ops;
    measured.cpu_seconds += tally.cpu_seconds;
  }
  return measured;
}

int measure(const Options& options) {
  const unsigned needed = options.op == "pair" ? 0 : options.op == "find" ? 1 : options.threads;
  if (options.live < needed)
    usage("--op " + options.op + " needs --live " + std::to_string(needed) + " or more");
  ioasid::Space space;
  const std::vector<Ioasid> ids = fill(space, options);
  const auto bytes = static_cast<double>(space.memory());
  const Measured measured = run(space, options, ids);
  const auto ops = static_cast<double>(measured.ops);
  std::printf(
      "{\"op\":\"%s\",\"live\":%u,\"threads\":%u,\"seconds\":%.3f,\"holes\":%.3f,"
      "\"find_pct\":%u,\"ops\":%llu,\"ns_per_op\":%.2f,\"mops_per_s\":%.3f,\"cpu_ns_per_op\":%.2f",
      options.op.c_str(), options.live, options.threads, measured.seconds, options.holes,
      options.find_pct, static_cast<unsigned long long>(measured.ops),
      measured.seconds * 1e9 * options.threads / ops, ops / measured.seconds / 1e6,
      measured.cpu_seconds * 1e9 / ops);
  if (options.live != 0) std::printf(",\"bytes_per_live_id\":%.2f", bytes / options.live);
  std::printf("}\n");
  return exit_unless_written();
}

}  // namespace

int main(int argc, char** argv) {
  const Options options = parse(argc, argv);
  try {
    return measure(options);
  } catch (const std::bad_alloc&) {
    std::fprintf(stderr, "ioasid_bench: memory is short for %.0f ids\n", ids_with_holes(options));
    return 2;
  }
}
