// `viosim replay`: a recording through an IOMMU, and how far the two agree.
// SPDX-License-Identifier: Apache-2.0
#include "sim/json/json.hpp"
#include "sim/run/numbers.hpp"
#include "sim/verbs/presets.hpp"
#include "sim/verbs/verbs.hpp"

#include <fmt/format.h>

namespace viosim {
namespace {

// The scenario that a replay is: one host, one IOMMU, one recording.
Scenario replay_scenario(const RecordedStream& stream, const std::string& trace,
                         const vtd::UnitParams& params) {
  VtdIommu iommu;
  iommu.name = "iommu";
  iommu.params = params;
  RecordedDevice device;
  device.name = "devices";
  device.iommu = "iommu";
  device.trace = trace;
  HostConfig host;
  host.name = "host0";
  host.iommus.emplace_back(iommu);
  host.devices.emplace_back(device);
  Scenario scenario;
  scenario.name = stream.name;
  scenario.hosts.push_back(host);
  return scenario;
}

std::string outcome_text(RecordedOutcome outcome, std::uint64_t address, unsigned reason) {
  switch (outcome) {
    case RecordedOutcome::hit:
      return fmt::format("a hit at {:#x}", address);
    case RecordedOutcome::miss:
      return fmt::format("a miss that found {:#x}", address);
    case RecordedOutcome::fault:
      return reason == 0 ? "a fault" : fmt::format("a fault, reason {:#x}", reason);
    case RecordedOutcome::bypass:
      return "no translation";
    case RecordedOutcome::unknown:
      break;
  }
  return fmt::format("{:#x}", address);
}

std::string text_of(const Disagreement& d) {
  return fmt::format("line {}: {} {} {:#x}: recorded {}; here {}", d.recorded.line,
                     Bdf(d.recorded.sid).text(),
                     (d.recorded.permissions & 1U) != 0 ? "writes" : "reads", d.recorded.iova,
                     outcome_text(d.recorded.outcome, d.recorded.pa, d.recorded.fault_reason),
                     outcome_text(d.outcome, d.address.value(), static_cast<unsigned>(d.fault)));
}

// "100 %", "99.5601 %": never rounded up to 100.
std::string percent(std::uint64_t part, std::uint64_t whole) {
  if (whole == 0) return "nothing to compare";
  if (part == whole) return "100 %";
  return fmt::format("{:.4f} %", std::min(99.9999, 100.0 * static_cast<double>(part) /
                                                       static_cast<double>(whole)));
}

std::string agreement_text(const Agreement& agreement) {
  std::string text;
  for (const Disagreement& disagreement : agreement.first) text += text_of(disagreement) + '\n';
  const std::uint64_t more = agreement.compared - agreement.agreed - agreement.first.size();
  if (more != 0) text += fmt::format("... and {} more\n", grouped(more));
  if (agreement.bypassed != 0) {
    text += fmt::format("not compared, since they were recorded as not translated: {}\n",
                        counted(agreement.bypassed, "request"));
  }
  if (agreement.compared != agreement.comparable) {
    text += fmt::format("not played, see above: {}\n",
                        counted(agreement.comparable - agreement.compared, "request"));
  }
  return text + fmt::format("agreement {}/{} ({})\n", agreement.agreed, agreement.comparable,
                            percent(agreement.agreed, agreement.comparable));
}

Value agreement_json(const Agreement& agreement) {
  Value::Object object;
  add(object, "comparable", agreement.comparable);
  add(object, "compared", agreement.compared);
  add(object, "agreed", agreement.agreed);
  Value::Array first;
  for (const Disagreement& disagreement : agreement.first)
    first.emplace_back(text_of(disagreement));
  add(object, "first_disagreements", std::move(first));
  return Value(std::move(object));
}

}  // namespace

int replay_verb(const ReplayArguments& arguments) {
  // Read once: it may be a pipe.
  const std::string name = arguments.trace.string();
  Progress progress(arguments.progress);
  Recordings recordings;
  const RecordedStream& stream =
      recordings.emplace(name, read_recording(arguments.trace, &progress)).first->second;
  const IommuPreset& preset = find_preset(arguments.iommu, stream);
  const vtd::UnitParams params = preset.params(stream);
  check_playable(stream, name, params);
  const Scenario scenario = replay_scenario(stream, name, params);
  RunOptions options;
  options.out = arguments.out;
  options.file = name;
  options.checks = arguments.checks;
  options.json = arguments.json;
  options.progress = &progress;
  const RunReport report = run_scenario(scenario, recordings, options);
  progress.end();
  const Agreement& agreement = report.agreements.at(0);
  const bool comparable = stream.iommu == "intel-vtd";

  if (arguments.json) {
    Value json = report.json;
    add(*json.if_object(), "agreement", comparable ? agreement_json(agreement) : Value());
    fmt::print("{}\n", to_text(json, Layout::indented));
  } else {
    fmt::print("recorded on {}, played on \"{}\": {}\n", stream.iommu, preset.name,
               preset.sentence);
    if (stream.recovered_maps + stream.recovered_unmaps != 0) {
      fmt::print("the recording lacks {} and {} that its other records prove; they were added\n",
                 counted(stream.recovered_maps, "map"), counted(stream.recovered_unmaps, "unmap"));
    }
    fmt::print("{}{}", report.text, report.text.ends_with("\n\n") ? "" : "\n");
    if (comparable) {
      fmt::print("{}", agreement_text(agreement));
    } else {
      fmt::print(
          "There is no model of {} yet: mappings, invalidations and requests went through a VT-d "
          "IOMMU,\nand the figures above are its own. Outcomes were not compared with the "
          "recorded ones.\n",
          stream.iommu);
    }
  }
  const bool agrees = !comparable || agreement.agreed == agreement.comparable;
  return agrees && all_met(report.verdicts) ? 0 : 1;
}

}  // namespace viosim
