// A link between hosts: what a message takes alone, and what several take together.
// SPDX-License-Identifier: Apache-2.0
#include "models/network/network_link.hpp"

#include "models/cpu/workers.hpp"
#include "tests/support/catch.hpp"

#include <vector>

using namespace viosim;

namespace {

struct Wire {
  explicit Wire(const NetworkLinkParams& params)
      : cpus(engine, "cpus", 4), workers(engine, cpus, "host0", 0), link(engine, "net", params) {}
  void send(NetworkLane& lane, Bytes bytes) {
    workers.post([this, &lane, bytes](Thread& thread) {
      lane.send(thread, bytes);
      arrived.push_back(thread.now().since_start());
    });
  }
  Engine engine;
  Cpus cpus;
  Workers workers;
  NetworkLink link;
  std::vector<Ps> arrived;
};

NetworkLinkParams slow() {
  NetworkLinkParams params;
  params.bandwidth = Bandwidth(1'000'000'000);  // a byte in 1 ns
  params.latency = 3us;
  params.chunk = Bytes(1000);
  return params;
}

}  // namespace

TEST_CASE("a message alone takes its bytes and the latency", "[network]") {
  Wire wire(slow());
  const std::uint64_t bytes = GENERATE(0U, 1U, 1000U, 2500U);
  wire.send(wire.link.forth, Bytes(bytes));
  wire.engine.run();
  CHECK(wire.arrived == std::vector<Ps>{bytes * 1ns + 3us});
  CHECK(wire.link.forth.stats.bytes == bytes);
  CHECK(wire.link.forth.stats.busy == bytes * 1ns);
}

TEST_CASE("messages the same way take turns, chunk by chunk", "[network]") {
  Wire wire(slow());
  wire.send(wire.link.forth, Bytes(3000));
  wire.send(wire.link.forth, Bytes(1000));
  wire.engine.run();
  CHECK(wire.arrived == std::vector<Ps>{2us + 3us, 4us + 3us});
}

TEST_CASE("the two directions of a link do not share it", "[network]") {
  Wire wire(slow());
  wire.send(wire.link.forth, Bytes(3000));
  wire.send(wire.link.back, Bytes(3000));
  wire.engine.run();
  CHECK(wire.arrived == std::vector<Ps>{6us, 6us});
}

TEST_CASE("time on the wire is rounded up, and what fits into a time down", "[network]") {
  CHECK(time_for(Bytes(1), Bandwidth(3)) == Ps(333'333'333'334));
  CHECK(bytes_in(Ps(999'999'999'999), Bandwidth(3)) == Bytes(2));
  CHECK(bytes_in(1s, Bandwidth(3)) == Bytes(3));
  CHECK(bytes_in(100s, Bandwidth(400'000'000'000)) == Bytes(40'000'000'000'000));
}
