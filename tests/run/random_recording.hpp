// A VT-d recording as a hypervisor with QEMU 7.2's rules would have made it, of a guest that does random things.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>

namespace viosim::test {

struct RandomRecording {
  std::uint64_t seed = 0;
  unsigned steps = 2'000;
  unsigned capacity = 1024;  // of the IOTLB
  bool large_pages = false;
  bool scalable = false;
  bool strict = true;
  unsigned probed_percent = 100;  // of the maps; the rest no record tells of
};

// The text of a *.jsonl file.
std::string random_recording(const RandomRecording& wanted);

}  // namespace viosim::test
