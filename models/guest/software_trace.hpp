// Gives the software of a host, and of its guests, the way to the trace: by the paths of components.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "models/guest/guest.hpp"
#include "models/host/host.hpp"
#include "models/kernel/process.hpp"

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

namespace viosim {

// Before the run; a guest is followed to hosts that it moves to. What is traced outlives the tracer's last event,
// what its functions refer to the guests.
class SoftwareTrace {
 public:
  // The component of a path; it has one for all that is named here.
  using NumberOf = std::function<std::uint32_t(std::string_view)>;
  SoftwareTrace(Tracer& tracer, NumberOf number_of)
      : tracer_(tracer), number_of_(std::move(number_of)) {}

  // Paths without a dot at the end: "host0", "host0.vm[1]". Units are named as they name themselves.
  void add(Host& host, const std::string& path) const;
  void add(Guest& guest, const std::string& path) const;
  void add(FunctionDriver& driver, std::string_view path) const;
  void add(ProcessGroup& processes, std::string_view path) const;

 private:
  void add(TracePoint& point, std::string_view path, const Kernel* kernel = nullptr) const;
  void add(Kernel& kernel, const std::string& path) const;
  void add(Residence& residence, const std::string& files,
           const std::string& translation_path) const;
  void add(Kernel::Unit& unit, SpinLock& queue_lock, const std::string& path,
           const Kernel& kernel) const;

  Tracer& tracer_;
  NumberOf number_of_;
};

}  // namespace viosim
