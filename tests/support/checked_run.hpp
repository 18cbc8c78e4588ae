// A run of a software rig that is held against the invariants.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "models/event_fields.hpp"
#include "models/guest/software_trace.hpp"
#include "sim/check/checker.hpp"
#include "tests/support/second_host.hpp"
#include "tests/support/software_rig.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <initializer_list>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

namespace viosim::test {

// Of all events, each field of each, in their order.
class TraceDigest final : public TraceSink {
 public:
  std::vector<TraceEvent> take(std::vector<TraceEvent> events) override {
    static_assert(std::has_unique_object_representations_v<TraceEvent>);
    const std::string_view bytes(reinterpret_cast<const char*>(events.data()),  // NOLINT
                                 events.size() * sizeof(TraceEvent));
    value_ = std::hash<std::string>()(fmt::format("{} ", value_).append(bytes));
    events_ += events.size();
    return events;
  }
  std::string text() const { return fmt::format("{} events, {:#x}", events_, value_); }
  std::uint64_t events() const { return events_; }

 private:
  std::size_t value_ = 0;
  std::uint64_t events_ = 0;
};

// Made when everything is built, before the run.
class CheckedRun {
 public:
  explicit CheckedRun(SoftwareRig& rig, SecondHost* second = nullptr) : tracer_(rig.rig.tracer()) {
    for (const AtsDevice& device : rig.devices) paths_.push_back("host." + device.path());
    if (second != nullptr) {
      paths_.resize(SecondHost::first_component, "host");
      for (const AtsDevice& device : second->devices) paths_.push_back("host1." + device.path());
    }
    const SoftwareTrace trace(rig.rig.tracer(), [this](std::string_view path) {
      const bool whole = path.starts_with("host.") || path.starts_with("host1.");
      return number_of((whole ? "" : "host.") + std::string(path));
    });
    for (const auto& guest : rig.guests) {
      const std::string home = "host." + guest->path_of(guest->residence());
      for (const std::string& files : {home, home + "[host1]"})
        for (const std::string& path : {files, files + ".lock"}) of_files_[path] = number_of(path);
    }
    trace.add(rig.host, "host");
    if (second != nullptr) trace.add(second->host, "host1");
    for (const auto& guest : rig.guests) trace.add(*guest, "host." + guest->machine.path());
    for (const auto& driver : rig.drivers) trace.add(*driver, driver->function().path);
    for (ProcessGroup& group : rig.groups)
      trace.add(group,
                (&group.kernel == &rig.host.kernel ? "" : group.kernel.path() + '.') + "app");
    checker_.emplace(paths_);
    checker_->expect_fields();
    rig.rig.tracer().start(digest_);
    rig.rig.tracer().start(*checker_);
    for (const AtsDevice& device : rig.devices) device.tell_plugged();
    if (second == nullptr) return;
    for (const AtsDevice& device : second->devices) device.tell_plugged();
  }

  std::uint32_t number_of(const std::string& path) {
    const auto known = of_files_.find(path);
    if (known != of_files_.end()) return known->second;
    paths_.push_back(path);
    return static_cast<std::uint32_t>(paths_.size() - 1);
  }

  // One in words, but for those of that name; empty: none.
  std::string violations(std::initializer_list<std::string_view> expected = {}) {
    checker_->finish();
    const EventWords words(paths_);
    std::string text;
    for (const check::Violation& one : checker_->violations()) {
      const std::string name = check::name_of(one.invariant);
      if (std::find(expected.begin(), expected.end(), name) != expected.end()) continue;
      text += fmt::format("{} at {} ps: {}\n", name, one.time, one.message);
      for (const TraceEvent& event : one.chain) {
        text += fmt::format("  {} ps, epoch {}: {}\n", event.time, event.epoch, words.of(event));
      }
    }
    return text;
  }

  // Of the whole trace; ends it.
  std::string digest() {
    tracer_.finish();
    return digest_.text();
  }

 private:
  Tracer& tracer_;
  TraceDigest digest_;
  std::vector<std::string> paths_;
  std::map<std::string, std::uint32_t> of_files_;  // that may be opened during the run
  std::optional<check::Checker> checker_;
};

}  // namespace viosim::test
