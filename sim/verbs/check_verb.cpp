// `viosim check`: the trace of a run against the invariants.
// SPDX-License-Identifier: Apache-2.0
#include "sim/check/checker.hpp"
#include "sim/json/json.hpp"
#include "sim/record/run_reader.hpp"
#include "sim/run/numbers.hpp"
#include "sim/run/violations.hpp"
#include "sim/verbs/verbs.hpp"

#include <fmt/format.h>

#include <cstdio>
#include <iterator>
#include <string>
#include <vector>

namespace viosim {

namespace {

// Of the scenario that the run had. One of an older program says nothing of it.
check::Limits limits_of(const RunReader& reader) {
  const std::string& text = reader.manifest().scenario;
  if (text.empty()) return {};
  const Value scenario = parse_json(text, reader.file());
  const Value::Object* const members = scenario.if_object();
  const Value* const limits = members == nullptr ? nullptr : find(*members, "checks");
  return limits == nullptr ? check::Limits() : read_document<check::Limits>(*limits, reader.file());
}

// Of a trace that ends where its run was killed nobody should think that all of it was checked.
void note_what_is_not_asked(const RunReader& reader) {
  if (reader.complete()) return;
  std::vector<std::string> names;
  names.reserve(std::size(check::Checker::asked_at_end));
  for (const check::Invariant one : check::Checker::asked_at_end)
    names.push_back(check::name_of(one));
  std::fputs(fmt::format("viosim: {}: the run did not finish, or still goes on: this is about its "
                         "trace up to the last block that was stored, and {} are asked at the end "
                         "of a run only; let it come to its end, or run it again, and check the "
                         "run.db that it leaves\n",
                         reader.file(), fmt::join(names, ", "))
                 .c_str(),
             stderr);
}

}  // namespace

void expect_events(const RunReader& reader) {
  if (reader.event_count() > 0) return;
  throw ConfigError({reader.file(), "",
                     reader.complete()
                         ? "holds no trace: the run was made with --trace off, or nothing "
                           "happened in it; expected the run.db of one with --trace full"
                         : "holds no event: the run did not finish, or still goes on, and no block "
                           "of its trace is stored; expected the run.db of one that has finished"});
}

int check_verb(const std::filesystem::path& database, bool json) {
  RunReader reader = RunReader::open(database);
  expect_events(reader);
  check::Checker checker(reader.components(), limits_of(reader));
  reader.for_each_event([&](const TraceEvent& event) { checker.observe(event); });
  if (reader.complete()) checker.finish();
  if (json) {
    Value::Object object;
    add(object, "complete", reader.complete());
    add(object, "events", static_cast<std::uint64_t>(reader.event_count()));
    add_violations(object, checker.violations(), checker.counts(), reader.components());
    fmt::print("{}\n", to_text(Value(std::move(object)), Layout::indented));
  } else {
    fmt::print("{}, {}\n{}", counted(static_cast<std::uint64_t>(reader.event_count()), "event"),
               counted(checker.found(), "violation"),
               violations_text(checker.violations(), checker.counts(), reader.components()));
  }
  note_what_is_not_asked(reader);
  return checker.found() == 0 ? 0 : 1;
}

}  // namespace viosim
