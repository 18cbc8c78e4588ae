// A run's trace in the forms in which it leaves viosim, and a Perfetto export read back.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "sim/json/parse.hpp"
#include "sim/trace/writers.hpp"
#include "tests/support/scratch.hpp"
#include "tests/trace/made_run.hpp"

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

namespace viosim::test {

inline std::string exported(const std::filesystem::path& file, TraceFormat format,
                            const TraceFilter& filter = {}) {
  const Scratch scratch;
  RunReader reader = RunReader::open(file);
  TextOutput out(scratch / "out");
  write_trace(reader, Selection(reader, filter), format, out);
  out.close();
  return contents_of(scratch / "out");
}

// One event of a Perfetto export, by the keys that tests ask for.
struct Drawn {
  std::string name;
  std::string phase;
  std::string flow;
  std::string of;  // of metadata: the name that it gives
  bool flow_in = false;
  bool flow_out = false;
  std::int64_t process = 0;
  std::int64_t track = 0;
  std::int64_t begin = 0;
  std::int64_t end = 0;
};

inline std::string text_in(const Value::Object& object, std::string_view key) {
  const Value* const value = find(object, key);
  return value == nullptr ? "" : *value->if_text();
}
inline std::int64_t number_in(const Value::Object& object, std::string_view key) {
  const Value* const value = find(object, key);
  return value == nullptr ? -1 : static_cast<std::int64_t>(*value->whole());
}

inline std::vector<Drawn> drawn_in(const std::string& json) {
  const Value document = parse_json(json, "export");
  std::vector<Drawn> all;
  for (const Value& value : *find(*document.if_object(), "traceEvents")->if_array()) {
    const Value::Object& object = *value.if_object();
    Drawn one{text_in(object, "name"), text_in(object, "ph"), text_in(object, "bind_id"), ""};
    one.flow_in = find(object, "flow_in") != nullptr;
    one.flow_out = find(object, "flow_out") != nullptr;
    one.process = number_in(object, "pid");
    one.track = number_in(object, "tid");
    const Value::Object& arguments = *find(object, "args")->if_object();
    one.of = text_in(arguments, "name");
    one.begin = number_in(arguments, "begin_ps");
    one.end = number_in(arguments, "end_ps");
    all.push_back(one);
  }
  return all;
}

}  // namespace viosim::test
