// A link of a network between two hosts: full duplex, so much per time in each direction, and a latency.
// SPDX-License-Identifier: Apache-2.0
//
// Messages that are sent the same way at a time share it in turns of a chunk: first come, first served.
#pragma once

#include "core/base/address.hpp"
#include "core/base/fields.hpp"
#include "core/base/stats.hpp"
#include "core/base/units.hpp"
#include "models/cpu/locks.hpp"

#include <cstdint>
#include <functional>
#include <string>
#include <utility>

namespace viosim {

struct NetworkLinkParams {
  Bandwidth bandwidth{12'500'000'000};
  Ps latency = 10us;
  Bytes chunk = 1_MiB;

  static constexpr auto fields() {
    using P = NetworkLinkParams;
    return Fields{
        field("bandwidth", &P::bandwidth, "Each way, without what protocols take of it.",
              "assumed: 100 Gbit/s Ethernet")
            .above(Bandwidth(0)),
        field("latency", &P::latency,
              "One way, from the last byte sent to its receipt by the other host's software.",
              "assumed, 5-20 us in one data centre"),
        field("chunk", &P::chunk, "What is sent of one message before another one's turn comes.",
              "assumed")
            .from(page_4k)};
  }
  bool operator==(const NetworkLinkParams&) const = default;

  // On the wire, without the latency; rounded up.
  Ps time_for(Bytes bytes) const;
};

// Of one direction.
struct NetworkLinkStats {
  std::uint64_t messages = 0;
  std::uint64_t bytes = 0;
  Ps busy{0};
  static constexpr auto fields() {
    using S = NetworkLinkStats;
    return Fields{metric("messages", &S::messages, Unit::count, "Messages sent."),
                  metric("bytes", &S::bytes, Unit::bytes, "Sent in all."),
                  metric("busy", &S::busy, Unit::picoseconds, "Time that it took.")};
  }
};

// One way. The same from each end.
class NetworkLane {
 public:
  NetworkLane(Engine& engine, std::string path, const NetworkLinkParams& params)
      : turn(engine, std::move(path), Ps(0)), params_(params) {}
  NetworkLane(const NetworkLane&) = delete;
  NetworkLane& operator=(const NetworkLane&) = delete;

  const NetworkLinkParams& params() const { return params_; }
  // For a thread that may block: returns when the last byte has arrived, with how much was sent. `goes_on` is
  // asked before each chunk but the first.
  Bytes send(Thread& thread, Bytes bytes, const std::function<bool()>& goes_on = {});

  Mutex turn;
  NetworkLinkStats stats;

 private:
  NetworkLinkParams params_;
};

// Its ends are hosts: the one that is named first, and the other.
struct NetworkLink {
  NetworkLink(Engine& engine, const std::string& path, const NetworkLinkParams& params)
      : forth(engine, path + ".forth", params), back(engine, path + ".back", params) {}
  NetworkLane forth;
  NetworkLane back;
};

}  // namespace viosim
