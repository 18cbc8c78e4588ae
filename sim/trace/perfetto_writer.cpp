// Traces in Chrome's JSON form, for ui.perfetto.dev and chrome://tracing. Hosts, guests and IOMMUs are
// processes, components are threads, events with a duration are slices, the others instants; flows join
// what belongs to one request.
// SPDX-License-Identifier: Apache-2.0
#include "sim/json/value.hpp"
#include "sim/trace/flows.hpp"
#include "sim/trace/part_names.hpp"
#include "sim/trace/requests.hpp"
#include "sim/trace/tracks.hpp"
#include "sim/trace/writers.hpp"

#include <fmt/format.h>

#include <iterator>

namespace viosim {
namespace {

// Microseconds with all the digits of a picosecond.
std::string microseconds(std::int64_t ps) {
  const std::uint64_t size =
      ps < 0 ? 0 - static_cast<std::uint64_t>(ps) : static_cast<std::uint64_t>(ps);
  return fmt::format("{}{}.{:06}", ps < 0 ? "-" : "", size / 1'000'000, size % 1'000'000);
}

class PerfettoWriter final : public TraceWriter {
 public:
  PerfettoWriter(const RunReader& reader, const EventNames& names, TextOutput& out)
      : reader_(reader),
        names_(names),
        out_(out),
        parts_(reader.manifest(), reader.file()),
        tracks_(reader.components(), parts_),
        requests_(names, [this](const std::vector<Requests::Shown>& group) { write_group(group); }),
        flows_(reader.components(), parts_, names,
               [this](const std::vector<Requests::Shown>& group) { write_group(group); }) {}

  // What the file is; the names of its processes.
  void begin() override {
    put("{{\"displayTimeUnit\":\"ns\",\"otherData\":{{\"program\":{},\"seed\":{},\"complete\":{}}},"
        "\"traceEvents\":[",
        quote("viosim " + reader_.manifest().program_version),
        quote(std::to_string(reader_.manifest().seed)), reader_.complete());
    for (const Tracks::Process& process : tracks_.processes()) {
      put_separator();
      put("{{\"ph\":\"M\",\"name\":\"process_name\",\"pid\":{},\"args\":{{\"name\":{}}}}}",
          process.number, quote(process.name));
    }
  }

  void write(const TraceEvent& event) override {
    const Tracks::Place place = tracks_.place(event);
    if (place.is_new) put_thread_name(event.component, place);
    const Requests::Shown shown{event, place.track};
    if (!flows_.add(shown)) requests_.add(shown);
  }

  void end() override {
    flows_.finish();
    requests_.finish();
    put("\n]}}\n");
  }

 private:
  template <class... Args>
  void put(fmt::format_string<Args...> format, Args&&... args) {
    fmt::format_to(std::back_inserter(out_.buffer()), format, std::forward<Args>(args)...);
  }
  void put_separator() {
    put("{}", first_ ? "\n" : ",\n");
    first_ = false;
  }

  void put_thread_name(std::uint32_t component, const Tracks::Place& place) {
    std::string name = names_.component(component);
    if (place.lane > 0) name += fmt::format(" #{}", place.lane + 1);
    const std::uint32_t process = tracks_.process_of(component);
    put_separator();
    put("{{\"ph\":\"M\",\"name\":\"thread_name\",\"pid\":{},\"tid\":{},\"args\":{{\"name\":{}}}}}",
        process, place.track, quote(name));
    put_separator();
    put("{{\"ph\":\"M\",\"name\":\"thread_sort_index\",\"pid\":{},\"tid\":{},\"args\":{{"
        "\"sort_index\":{}}}}}",
        process, place.track, tracks_.sort_index(component, place.lane));
  }

  void write_group(const std::vector<Requests::Shown>& group) {
    const bool joined = group.size() > 1;
    flow_ += joined ? 1 : 0;
    for (const Requests::Shown& shown : group) {
      put_event(shown, joined);
      if (joined) {
        put(",\"bind_id\":\"{:#x}\"", flow_);
        if (&shown != &group.front()) put(",\"flow_in\":true");
        if (&shown != &group.back()) put(",\"flow_out\":true");
      }
      put("}}");
      out_.spill();
    }
  }

  // Without its closing brace. A flow goes from slice to slice, however short they are.
  void put_event(const Requests::Shown& shown, bool joined) {
    const TraceEvent& event = shown.event;
    const KindMeaning& kind = names_.kind(event.kind);
    put_separator();
    put("{{\"name\":{},\"pid\":{},\"tid\":{},\"ts\":{}", quote(kind.name),
        tracks_.process_of(event.component), shown.track,
        microseconds(event.time - event.duration));
    if (event.duration == 0 && !joined) {
      put(",\"ph\":\"i\",\"s\":\"t\"");
    } else {
      put(",\"ph\":\"X\",\"dur\":{}", microseconds(event.duration));
    }
    put(",\"args\":{{\"begin_ps\":{},\"end_ps\":{},\"pasid\":{},\"epoch\":{}",
        event.time - event.duration, event.time, event.pasid, event.epoch);
    put_field(kind.address, event.address);
    put_field(kind.value, event.value);
    if (kind.code.used()) put(",\"code\":{}", quote(kind.code_of(event)));
    put("}}");
  }
  void put_field(const FieldMeaning& meaning, std::uint64_t value) {
    if (meaning.used()) put(",{}:{}", quote(meaning.text()), quote(meaning.of(value)));
  }

  const RunReader& reader_;
  const EventNames& names_;
  TextOutput& out_;
  PartNames parts_;
  Tracks tracks_;
  Requests requests_;
  Flows flows_;
  std::uint64_t flow_ = 0;
  bool first_ = true;
};

}  // namespace

std::unique_ptr<TraceWriter> make_perfetto_writer(const RunReader& reader, const EventNames& names,
                                                  TextOutput& out) {
  return std::make_unique<PerfettoWriter>(reader, names, out);
}

}  // namespace viosim
