// `viosim check`: the trace of a run against the invariants.
// SPDX-License-Identifier: Apache-2.0
#include "sim/check/checker.hpp"
#include "sim/record/run_reader.hpp"
#include "sim/run/violations.hpp"
#include "sim/verbs/verbs.hpp"

#include <fmt/format.h>

#include <cstdio>

namespace viosim {

int check_verb(const std::filesystem::path& database, bool json) {
  RunReader reader = RunReader::open(database);
  if (reader.event_count() == 0) {
    throw ConfigError(
        {database.string(), "", "holds no trace; expected one of a run with --trace full"});
  }
  check::Checker checker(reader.components());
  reader.for_each_event([&](const TraceEvent& event) { checker.observe(event); });
  if (reader.complete()) checker.finish();
  if (json) {
    Value::Object object;
    add(object, "events", static_cast<std::uint64_t>(reader.event_count()));
    add(object, "found", checker.found());
    add_violations(object, checker.violations(), reader.components());
    fmt::print("{}\n", to_text(Value(std::move(object)), Layout::indented));
  } else {
    fmt::print("{} events, {} violations\n{}", reader.event_count(), checker.found(),
               violations_text(checker.violations(), checker.found(), reader.components()));
  }
  return checker.found() == 0 ? 0 : 1;
}

}  // namespace viosim
