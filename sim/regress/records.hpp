// Recorded runs that regressions are held against: a folder each, with what is recorded and how closely
// it is held.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/base/fields.hpp"
#include "sim/compare/tolerances.hpp"

#include <filesystem>
#include <string>
#include <vector>

namespace viosim {

// record.json.
struct RecordDescription {
  std::string scenario;
  std::vector<std::string> set;
  Tolerances tolerances;

  static constexpr auto fields() {
    return Fields{
        required("scenario", &RecordDescription::scenario,
                 "The scenario's file; a relative path counts from the folder of the record."),
        field("set", &RecordDescription::set,
              "What the record changes of the scenario, as `viosim run --set` does: "
              "\"/json/pointer=value\". A shorter run is a smaller record."),
        field("tolerances", &RecordDescription::tolerances,
              "How far a run may be from the record; by default not at all.")};
  }
  bool operator==(const RecordDescription&) const = default;
};

struct Record {
  std::string name;  // of its folder
  std::filesystem::path folder;
  RecordDescription description;

  std::filesystem::path database() const { return folder / "run.db"; }
  std::filesystem::path scenario() const {
    return (folder / description.scenario).lexically_normal();
  }
};

// Every folder of `directory` that has a record.json, by name. What is wrong with any of them is one
// ConfigError, and so is a directory without records.
std::vector<Record> records_in(const std::filesystem::path& directory);

}  // namespace viosim
