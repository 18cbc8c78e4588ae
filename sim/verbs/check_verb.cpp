// `viosim check`: the trace of a run against the invariants.
// SPDX-License-Identifier: Apache-2.0
#include "sim/check/checker.hpp"
#include "sim/json/json.hpp"
#include "sim/record/run_reader.hpp"
#include "sim/run/numbers.hpp"
#include "sim/run/violations.hpp"
#include "sim/trace/own_kinds.hpp"
#include "sim/verbs/verbs.hpp"

#include <fmt/format.h>

#include <cstdio>
#include <iterator>
#include <set>
#include <string>
#include <vector>

namespace viosim {

namespace {

// What the scenario that the run had says of violations. One of an older program may say nothing.
struct Asked {
  check::Limits limits;
  std::set<std::string> expected;  // invariants, by their names
};

Asked asked_of(const RunReader& reader) {
  const std::string& text = reader.manifest().scenario;
  if (text.empty()) return {};
  const Value scenario = parse_json(text, reader.file());
  const auto member = [&](std::string_view name) {
    const Value::Object* const members = scenario.if_object();
    return members == nullptr ? nullptr : find(*members, name);
  };
  Asked asked;
  if (const Value* const limits = member("checks"))
    asked.limits = read_document<check::Limits>(*limits, reader.file());
  const Value* const clauses = member("expect");
  if (clauses == nullptr || clauses->if_array() == nullptr) return asked;
  for (const Value& clause : *clauses->if_array()) {
    const Value::Object* const members = clause.if_object();
    const Value* const name = members == nullptr ? nullptr : find(*members, "violation");
    if (name != nullptr && name->if_text() != nullptr) asked.expected.insert(*name->if_text());
  }
  return asked;
}

// What is not as the scenario expects. Of a run that did not finish the rest may have had it.
std::vector<std::string> not_as_expected(const Asked& asked, const ViolationCounts& found,
                                         bool complete) {
  std::vector<std::string> texts;
  for (const auto& [name, times] : found) {
    if (!asked.expected.contains(name))
      texts.push_back(fmt::format("no violation of {}: {}", name, times));
  }
  for (const std::string& name : asked.expected) {
    if (complete && !found.contains(name))
      texts.push_back(fmt::format("violation of {}: none", name));
  }
  return texts;
}

// Nobody should think that a trace was checked for what its program did not write, or this one
// cannot read.
void note_other_kinds(const RunReader& reader, const OwnKinds& kinds) {
  if (!kinds.absent().empty()) {
    std::fputs(fmt::format("viosim: {}: viosim {}, which wrote it, told nothing of {}: invariants "
                           "that are about these had nothing to look at\n",
                           reader.file(), reader.manifest().program_version,
                           fmt::join(kinds.absent(), ", "))
                   .c_str(),
               stderr);
  }
  for (const auto& [name, events] : kinds.unknown()) {
    std::fputs(
        fmt::format("viosim: {}: {} of kind {}, which this viosim does not know, {} left "
                    "out\n",
                    reader.file(), counted(events, "event"), name, events == 1 ? "was" : "were")
            .c_str(),
        stderr);
  }
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
  const bool nothing_happened = reader.complete() && reader.manifest().fact("trace") == "full";
  if (reader.event_count() > 0 || nothing_happened) return;
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
  const Asked asked = asked_of(reader);
  check::Checker checker(reader.components(), asked.limits);
  if (reader.format_version() > 1) checker.expect_fields();
  OwnKinds kinds(reader);
  reader.for_each_event([&](const TraceEvent& event) {
    if (const auto own = kinds.own(event)) checker.observe(*own);
  });
  if (reader.complete()) checker.finish();
  const std::vector<std::string> wrong =
      not_as_expected(asked, checker.counts(), reader.complete());
  if (json) {
    Value::Object object;
    add(object, "complete", reader.complete());
    add(object, "events", static_cast<std::uint64_t>(reader.event_count()));
    add_violations(object, checker.violations(), checker.counts(), reader.components());
    add(object, "as_expected", wrong.empty());
    fmt::print("{}\n", to_text(Value(std::move(object)), Layout::indented));
  } else {
    fmt::print("{}, {}\n{}", counted(static_cast<std::uint64_t>(reader.event_count()), "event"),
               counted(checker.found(), "violation"),
               violations_text(checker.violations(), checker.counts(), reader.components()));
    if (!asked.expected.empty() && wrong.empty()) fmt::print("\nas the scenario expects\n");
    for (const std::string& one : wrong) fmt::print("expected {}\n", one);
  }
  note_other_kinds(reader, kinds);
  note_what_is_not_asked(reader);
  return wrong.empty() ? 0 : 1;
}

}  // namespace viosim
