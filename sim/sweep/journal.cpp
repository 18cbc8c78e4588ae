// The journal's tables, and whether a sweep is the one that was begun.
// SPDX-License-Identifier: Apache-2.0
#include "sim/sweep/journal.hpp"

#include "sim/json/json.hpp"
#include "sim/record/digest.hpp"
#include "sim/sweep/differences.hpp"
#include "sim/sweep/shell_word.hpp"
#include "sim/version.hpp"

#include <fmt/format.h>

namespace viosim {
namespace {

// synchronous=OFF: a killed program loses nothing that it had handed to the system. The exclusive lock keeps
// a second sweep out for as long as this one lives.
constexpr const char* journal_settings = R"sql(
PRAGMA locking_mode = EXCLUSIVE;
PRAGMA journal_mode = TRUNCATE;
PRAGMA synchronous = OFF;
PRAGMA cache_size = -8192;
BEGIN EXCLUSIVE; COMMIT;
)sql";

constexpr const char* journal_tables = R"sql(
CREATE TABLE identity(key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE finished(run INTEGER PRIMARY KEY, outcome BLOB NOT NULL, seconds REAL NOT NULL,
  memory INTEGER NOT NULL, xxh64 INTEGER NOT NULL);
)sql";

constexpr std::int64_t journal_id = 0x76736a6c;  // "vsjl"
constexpr std::int64_t journal_format = 1;
constexpr const char* journal_noun = "journal of a sweep";

std::int64_t digest_of(const FinishedRun& run, std::span<const std::byte> outcome) {
  RowDigest digest;
  digest.add(static_cast<std::int64_t>(run.run));
  digest.add({reinterpret_cast<const char*>(outcome.data()), outcome.size()});
  digest.add_real(run.cost.seconds);
  digest.add(static_cast<std::int64_t>(run.cost.memory));
  return digest.value();
}

// A document that `path` holds.
Value parse_begun(const std::filesystem::path& path, const std::string& key,
                  const std::string& text) {
  try {
    return parse_json(text, key);
  } catch (const ConfigError&) {
    throw ConfigError(
        {path.string(), "", fmt::format("is damaged: the {} that it holds is no JSON", key)});
  }
}

// Of the other values of axes nothing is kept but a digest.
constexpr const char* scenarios = "scenarios";

}  // namespace

SweepIdentity identity_of(const Experiment& experiment) {
  SweepIdentity identity;
  identity["program_version"] = program_version;
  identity["commit"] = program_commit();
  identity["sweep"] = to_text(write(experiment.sweep()), Layout::indented);
  identity["scenario"] = to_text(write(experiment.scenario(experiment.run(0))), Layout::indented);
  identity[scenarios] =
      fmt::format("{:016x}", static_cast<std::uint64_t>(experiment.digest_of_values()));
  return identity;
}

void check_same_sweep(const std::filesystem::path& path, const SweepIdentity& begun,
                      const SweepIdentity& identity) {
  std::vector<Problem> problems;
  for (const auto& [key, value] : identity) {
    const auto known = begun.find(key);
    const std::string before = known == begun.end() ? "" : known->second;
    if (before == value || key == scenarios) continue;
    const bool document = key == "sweep" || key == "scenario";
    const auto differences =
        document ? differences_of(parse_begun(path, key, before), parse_json(value, key))
                 : std::vector{Difference{"", before, value}};
    for (const Difference& difference : differences) {
      problems.push_back({path.string(), "",
                          fmt::format("cannot be resumed: {} {} was {} and is now {}", key,
                                      difference.pointer, difference.before, difference.after)});
    }
  }
  if (problems.empty() && begun != identity) {
    problems.push_back({path.string(), "",
                        "cannot be resumed: the scenario was another one with some value of an "
                        "axis; that of the first run is the same"});
  }
  if (!problems.empty()) throw ConfigError(std::move(problems));
}

Journal::Journal(const std::filesystem::path& path, const SweepIdentity& identity, Options options)
    : path_(path), most_runs_(options.most_runs) {
  if (open()) {
    const std::int64_t runs = connection_->integer("SELECT count(*) FROM finished");
    if (runs == 0) {
      connection_->run("DROP TABLE identity; DROP TABLE finished");
      begin(identity);
    } else if (!options.resume) {
      throw ConfigError({path.string(), "",
                         fmt::format("holds {} finished runs of a sweep that was interrupted; "
                                     "expected --resume to go on with it, or its removal",
                                     runs)});
    } else {
      check(identity);
    }
  } else {
    begin(identity);
  }
  insert_ = std::make_unique<Statement>(
      connection_->prepare("INSERT OR REPLACE INTO finished VALUES(?, ?, ?, ?, ?)"));
}

// Whether there is one. A file without a table is what is left of a sweep that was killed when it had just begun;
// nothing is written into any other one, nor is it ever removed.
bool Journal::open() {
  if (std::filesystem::exists(path_) && !std::filesystem::is_regular_file(path_))
    throw ConfigError({path_.string(), "", "is no file; expected the journal of a sweep, or none"});
  connection_ =
      std::make_unique<Connection>(path_.string(), Connection::Mode::create, journal_noun);
  const bool ours = connection_->integer("PRAGMA application_id") == journal_id;
  if (!ours && connection_->integer("SELECT count(*) FROM sqlite_master") != 0) {
    throw ConfigError({path_.string(), "",
                       "is another program's database; expected the journal of a sweep, or none"});
  }
  connection_->run(journal_settings);
  if (ours) check_format();
  return ours;
}

void Journal::check_format() {
  const std::int64_t format = connection_->integer("PRAGMA user_version");
  if (format == journal_format) return;
  throw ConfigError(
      {path_.string(), "",
       fmt::format("has format {}; expected {}: the program that has begun this sweep "
                   "can go on with it",
                   format, journal_format)});
}

void Journal::begin(const SweepIdentity& identity) {
  Transaction transaction(*connection_);
  connection_->run(journal_tables);
  connection_->run(fmt::format("PRAGMA application_id = {}; PRAGMA user_version = {}", journal_id,
                               journal_format));
  Statement insert = connection_->prepare("INSERT INTO identity VALUES(?, ?)");
  for (const auto& [key, value] : identity) insert.bind(1, key).bind(2, value).run();
  transaction.commit();
}

void Journal::check(const SweepIdentity& identity) {
  SweepIdentity begun;
  Statement rows = connection_->prepare("SELECT key, value FROM identity");
  while (rows.step()) begun[std::string(rows.text(0))] = rows.text(1);
  check_same_sweep(path_, begun, identity);
}

void Journal::for_each(const std::function<void(const FinishedRun&)>& visit) {
  Statement rows = connection_->prepare(
      "SELECT run, outcome, seconds, memory, xxh64 FROM finished ORDER BY run");
  while (rows.step()) {
    visit(read(rows));
  }
}

// Of the table's row. What is wrong comes with what can be done: nothing here is repaired unasked.
FinishedRun Journal::read(Statement& row) const {
  FinishedRun run;
  std::string why;
  try {
    run.run = row.index(0, most_runs_, "finished.run");
    run.cost = {row.finite(2, "finished.seconds"), row.count(3, "finished.memory")};
    if (digest_of(run, row.blob(1)) != row.integer(4))
      throw BadBytes("it is not as it was written");
    ByteReader reader(row.blob(1));
    run.outcome = decode_outcome(reader);
    return run;
  } catch (const BadBytes& error) {
    why = error.what();
  } catch (const ConfigError& error) {
    why = error.problems().front().message;
  }
  throw ConfigError(
      {path_.string(), "",
       fmt::format(
           "run {0} is damaged: {1}. To have it done again: sqlite3 {2} 'DELETE FROM finished "
           "WHERE run = {0}'. To begin anew, remove the file",
           row.integer(0), why, shell_word(path_.string()))});
}

void Journal::store(const std::vector<FinishedRun>& runs) {
  if (runs.empty()) return;
  Transaction transaction(*connection_);
  for (const FinishedRun& run : runs) {
    ByteWriter writer;
    encode(run.outcome, writer);
    insert_->bind(1, static_cast<std::int64_t>(run.run))
        .bind(2, writer.bytes())
        .bind_real(3, run.cost.seconds)
        .bind(4, static_cast<std::int64_t>(run.cost.memory))
        .bind(5, digest_of(run, writer.bytes()))
        .run();
  }
  transaction.commit();
}

void Journal::remove() {
  insert_.reset();
  connection_.reset();
  std::filesystem::remove(path_);
  std::filesystem::remove(std::filesystem::path(path_) += "-journal");
}

}  // namespace viosim
