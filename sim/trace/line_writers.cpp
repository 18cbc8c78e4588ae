// Traces as lines: columns for people, JSON lines, CSV.
// SPDX-License-Identifier: Apache-2.0
#include "core/base/time.hpp"
#include "sim/json/value.hpp"
#include "sim/trace/writers.hpp"

#include <fmt/compile.h>
#include <fmt/format.h>

#include <algorithm>
#include <iterator>

namespace viosim {
namespace {

// Names as a form writes them, made once for each.
class WrittenNames {
 public:
  WrittenNames(const RunReader& reader, const EventNames& names,
               std::string (*write)(std::string_view))
      : names_(names), write_(write) {
    for (const std::string& component : reader.components())
      components_.push_back(write(component));
    for (const EventKindRow& kind : reader.kinds()) {
      kinds_.resize(std::max(kinds_.size(), kind.kind + std::size_t{1}));
      kinds_[kind.kind] = write(kind.name);
    }
  }
  const std::string& component(std::uint32_t number) {
    if (number < components_.size()) return components_[number];
    return unknown_component_ = write_(names_.component(number));
  }
  const std::string& kind(std::uint16_t number) {
    if (number < kinds_.size() && !kinds_[number].empty()) return kinds_[number];
    return unknown_kind_ = write_(names_.kind(number).name);
  }

 private:
  const EventNames& names_;
  std::string (*write_)(std::string_view);
  std::vector<std::string> components_;
  std::vector<std::string> kinds_;
  std::string unknown_component_;
  std::string unknown_kind_;
};

class ColumnsWriter final : public TraceWriter {
 public:
  ColumnsWriter(const RunReader& reader, const EventNames& names, const Selection& selection,
                TextOutput& out)
      : names_(names), out_(out) {
    for (std::size_t i = 0; i < reader.components().size(); ++i) {
      if (selection.wants_component(static_cast<std::uint32_t>(i)))
        component_width_ = std::max(component_width_, reader.components()[i].size());
    }
    for (const EventKindRow& kind : reader.kinds())
      kind_width_ = std::max(kind_width_, kind.name.size());
  }

  void begin() override {
    line("time", "duration", "component", "kind", "PASID", "epoch", "address", "value", "code");
  }
  void write(const TraceEvent& event) override {
    const KindMeaning& kind = names_.kind(event.kind);
    line(format_time(Ps(event.time), 12), format_time(Ps(event.duration), 12),
         names_.component(event.component), kind.name, std::to_string(event.pasid),
         std::to_string(event.epoch), kind.address.of(event.address), kind.value.of(event.value),
         kind.code_of(event));
  }

 private:
  void line(std::string_view time, std::string_view duration, std::string_view component,
            std::string_view kind, std::string_view pasid, std::string_view epoch,
            std::string_view address, std::string_view value, std::string_view code) {
    fmt::format_to(std::back_inserter(out_.buffer()),
                   "{:>20} {:>16}  {:<{}}  {:<{}} {:>7} {:>5} {:>18} {:>18}{}{}\n", time, duration,
                   component, component_width_, kind, kind_width_, pasid, epoch, address, value,
                   code.empty() ? "" : "  ", code);
    out_.spill();
  }

  const EventNames& names_;
  TextOutput& out_;
  std::size_t component_width_ = 9;
  std::size_t kind_width_ = 4;
};

class JsonlWriter final : public TraceWriter {
 public:
  JsonlWriter(const RunReader& reader, const EventNames& names, TextOutput& out)
      : written_(reader, names, quote), out_(out) {}

  void write(const TraceEvent& event) override {
    fmt::format_to(std::back_inserter(out_.buffer()),
                   FMT_COMPILE("{{\"time_ps\":{},\"duration_ps\":{},\"component\":{},\"kind\":{},"
                               "\"pasid\":{},\"epoch\":{},\"address\":\"{:#x}\",\"value\":"
                               "\"{:#x}\",\"code\":{}}}\n"),
                   event.time, event.duration, written_.component(event.component),
                   written_.kind(event.kind), event.pasid, event.epoch, event.address, event.value,
                   event.code);
    out_.spill();
  }

 private:
  WrittenNames written_;
  TextOutput& out_;
};

// RFC 4180: what holds a separator stands in quotes, and quotes within are doubled.
std::string csv_text(std::string_view text) {
  if (text.find_first_of("\",\r\n") == std::string_view::npos) return std::string(text);
  std::string quoted = "\"";
  for (const char c : text) {
    if (c == '"') quoted += '"';
    quoted += c;
  }
  return quoted + '"';
}

class CsvWriter final : public TraceWriter {
 public:
  CsvWriter(const RunReader& reader, const EventNames& names, TextOutput& out)
      : written_(reader, names, csv_text), out_(out) {}

  void begin() override {
    out_.buffer().append(
        std::string_view("time_ps,duration_ps,component,kind,pasid,epoch,address,value,code\n"));
  }
  void write(const TraceEvent& event) override {
    fmt::format_to(std::back_inserter(out_.buffer()),
                   FMT_COMPILE("{},{},{},{},{},{},{:#x},{:#x},{}\n"), event.time, event.duration,
                   written_.component(event.component), written_.kind(event.kind), event.pasid,
                   event.epoch, event.address, event.value, event.code);
    out_.spill();
  }

 private:
  WrittenNames written_;
  TextOutput& out_;
};

std::unique_ptr<TraceWriter> make_writer(const RunReader& reader, const EventNames& names,
                                         const Selection& selection, TraceFormat format,
                                         TextOutput& out) {
  switch (format) {
    case TraceFormat::columns:
      return make_columns_writer(reader, names, selection, out);
    case TraceFormat::jsonl:
      return make_jsonl_writer(reader, names, out);
    case TraceFormat::csv:
      return make_csv_writer(reader, names, out);
    case TraceFormat::perfetto:
      break;
  }
  return make_perfetto_writer(reader, names, out);
}

}  // namespace

std::unique_ptr<TraceWriter> make_columns_writer(const RunReader& reader, const EventNames& names,
                                                 const Selection& selection, TextOutput& out) {
  return std::make_unique<ColumnsWriter>(reader, names, selection, out);
}

std::unique_ptr<TraceWriter> make_jsonl_writer(const RunReader& reader, const EventNames& names,
                                               TextOutput& out) {
  return std::make_unique<JsonlWriter>(reader, names, out);
}

std::unique_ptr<TraceWriter> make_csv_writer(const RunReader& reader, const EventNames& names,
                                             TextOutput& out) {
  return std::make_unique<CsvWriter>(reader, names, out);
}

std::uint64_t write_trace(RunReader& reader, const Selection& selection, TraceFormat format,
                          TextOutput& out) {
  const EventNames names(reader);
  const auto writer = make_writer(reader, names, selection, format, out);
  writer->begin();
  const std::uint64_t count =
      for_each_selected(reader, selection, [&](const TraceEvent& event) { writer->write(event); });
  writer->end();
  return count;
}

}  // namespace viosim
