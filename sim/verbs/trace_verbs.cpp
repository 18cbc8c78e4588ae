// `viosim trace show` and `viosim trace export`.
// SPDX-License-Identifier: Apache-2.0
#include "sim/json/value.hpp"
#include "sim/run/numbers.hpp"
#include "sim/verbs/verbs.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cstdio>

namespace viosim {
namespace {

std::optional<Ps> time_of(const char* option, const std::string& text) {
  if (text.empty()) return std::nullopt;
  const std::optional<Ps> time = parse_time(text);
  if (!time)
    throw ConfigError({"", "",
                       fmt::format("{}: read {}; expected a time such as \"1.5 us\"", option,
                                   quote_short(text))});
  return time;
}

// Of a trace that ends where its run was killed nobody should think that nothing happened after it.
void note_incomplete(const RunReader& reader) {
  if (reader.complete()) return;
  std::fputs(
      fmt::format("viosim: {}: the run did not finish; this is its trace up to the last block "
                  "that was stored\n",
                  reader.file())
          .c_str(),
      stderr);
}

// An empty picture looks like a run in which nothing happened.
void note_nothing(const RunReader& reader) {
  std::int64_t first = Instant::latest().ps();
  std::int64_t last = 0;
  for (const BlockInfo& block : reader.blocks()) {
    first = std::min(first, block.first_time);
    last = std::max(last, block.last_time);
  }
  std::fputs(fmt::format("viosim: {}: no event is of this selection; the run's events, {} in all, "
                         "go from {} to {}\n",
                         reader.file(), grouped(static_cast<std::uint64_t>(reader.event_count())),
                         format_time(Ps(first), 12), format_time(Ps(last), 12))
                 .c_str(),
             stderr);
}

}  // namespace

int trace_verb(TraceArguments arguments) {
  arguments.filter.from = time_of("--from", arguments.from);
  arguments.filter.until = time_of("--until", arguments.until);
  RunReader reader = RunReader::open(arguments.database);
  expect_events(reader);
  const Selection selection(reader, arguments.filter);
  if (arguments.out && std::filesystem::exists(*arguments.out) &&
      std::filesystem::equivalent(*arguments.out, arguments.database))
    throw ConfigError({arguments.out->string(), "", "is the run database; expected another file"});
  TextOutput out(arguments.out);
  const std::uint64_t count = write_trace(reader, selection, arguments.format, out);
  if (arguments.format == TraceFormat::columns) {
    const std::string line = fmt::format("{} of {} events\n", grouped(count),
                                         grouped(static_cast<std::uint64_t>(reader.event_count())));
    out.buffer().append(std::string_view(line));
  }
  out.close();
  if (count == 0 && arguments.filter.limit != 0) note_nothing(reader);
  note_incomplete(reader);
  return 0;
}

}  // namespace viosim
