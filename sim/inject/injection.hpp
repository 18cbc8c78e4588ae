// An injection as a scenario says it: what is done to a run on purpose, where, and when.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/base/fields.hpp"
#include "sim/inject/effects.hpp"

#include <cstdint>
#include <optional>
#include <string>

namespace viosim {

struct InjectionConfig {
  Effect effect;
  std::optional<PathPattern> where;
  std::optional<Pasid> pasid;
  Ps from{0};
  std::optional<Ps> to;
  std::optional<std::uint64_t> nth;
  std::optional<std::uint64_t> count;
  std::optional<double> probability;

  static constexpr auto fields() {
    using I = InjectionConfig;
    return Fields{
        embedded(&I::effect),
        field("where", &I::where,
              "Only at these components, and what is part of them: who receives a message, whose "
              "software takes a step, who allocates, which function misbehaves. Without it "
              "everywhere."),
        field("pasid", &I::pasid,
              "Only those that are about this PASID, as the component knows it; some are about "
              "none.")
            .to(pasid_max),
        field("from", &I::from, "Only from this time on."),
        field("to", &I::to, "Only before this time."),
        field("nth", &I::nth,
              "Not before so many have matched: 1 is the first. Then once, or `count` times in a "
              "row.")
            .from(1),
        field("count", &I::count,
              "At most so often. Without it always, or once where `nth` is given.")
            .from(1),
        field("probability", &I::probability,
              "Each one that matches with this chance, drawn from the seed in a stream of the "
              "injection's own.")
            .above(0)
            .to(1)};
  }
  void check(const Where& where) const;
  bool operator==(const InjectionConfig&) const = default;
};

// In one line, as results call it: "drop pasid-devtlb".
std::string text_of(const InjectionConfig& injection);

}  // namespace viosim
