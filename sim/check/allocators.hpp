// Who gives a guest's kernel its PASIDs: allocators of vIOMMUs that come and go.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "sim/check/scene.hpp"

#include <cstdint>
#include <map>
#include <set>

namespace viosim::check {

// I14 to I17, and of I19 that nobody asks a vIOMMU that is gone. A vIOMMU is there until its kernel is
// told otherwise; a kernel that asks one before it knows that it is gone has done nothing wrong. It knows when
// it takes the allocator's registration back, or cannot (allocator_kept).
class Allocators {
 public:
  explicit Allocators(Scene& scene) : scene_(scene) {}
  void observe(const TraceEvent& event);

 private:
  using Components = std::set<std::uint32_t>;
  struct Kernel {
    std::map<std::uint32_t, std::uint32_t> registered;  // vIOMMUs, and how often
    // Of these, by those that were there before it vanished, which the kernel still knows.
    std::map<std::uint32_t, std::uint32_t> departed;
    std::map<std::uint32_t, std::uint64_t> groups;  // of all that ever were
    std::uint32_t active = 0;                       // 0: its own allocator, or 1 + component
  };

  void presence(const TraceEvent& event);
  void told(const TraceEvent& event);
  void registered(const TraceEvent& event, Kernel& kernel);
  static void left(std::uint32_t component, Kernel& kernel);
  void becomes_active(const TraceEvent& event, Kernel& kernel, std::uint32_t active);
  void asked(const TraceEvent& event);

  Scene& scene_;
  std::map<std::uint32_t, Kernel> kernels_;  // by machine
  Components gone_;                          // vIOMMUs
  Components kept_;  // gone, as their kernels know, and registered with them
};

}  // namespace viosim::check
