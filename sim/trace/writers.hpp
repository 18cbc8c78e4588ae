// The forms in which a trace leaves viosim.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "sim/record/run_reader.hpp"
#include "sim/trace/event_names.hpp"
#include "sim/trace/selection.hpp"
#include "sim/trace/text_output.hpp"

#include <cstdint>
#include <memory>

namespace viosim {

enum class TraceFormat : std::uint8_t {
  columns,  // for people: one line an event, with units
  jsonl,
  csv,
  perfetto  // Chrome's JSON, which ui.perfetto.dev and chrome://tracing open
};

// Takes begin(), events in the order of the trace, end().
class TraceWriter {
 public:
  virtual ~TraceWriter() = default;
  virtual void begin() {}
  virtual void write(const TraceEvent& event) = 0;
  virtual void end() {}
};

// All of them must outlive the writer.
std::unique_ptr<TraceWriter> make_columns_writer(const RunReader& reader, const EventNames& names,
                                                 const Selection& selection, TextOutput& out);
std::unique_ptr<TraceWriter> make_jsonl_writer(const RunReader& reader, const EventNames& names,
                                               TextOutput& out);
std::unique_ptr<TraceWriter> make_csv_writer(const RunReader& reader, const EventNames& names,
                                             TextOutput& out);
std::unique_ptr<TraceWriter> make_perfetto_writer(const RunReader& reader, const EventNames& names,
                                                  TextOutput& out);

// The events of the selection in this form; how many there were.
std::uint64_t write_trace(RunReader& reader, const Selection& selection, TraceFormat format,
                          TextOutput& out);

}  // namespace viosim
