// Little's law where requests of functions with a translation cache wait: in the function, for their
// pages, and in the page request queue.
// SPDX-License-Identifier: Apache-2.0
#include "tests/support/ats_rig.hpp"
#include "tests/support/catch.hpp"

#include <algorithm>
#include <cstdint>
#include <functional>
#include <map>
#include <vector>

using namespace viosim;
using namespace viosim::test;

namespace {

constexpr Ps nanosecond = 1ns;
constexpr Ps until = 200us;
const Hpa frames(0x4000'0000);

// Someone who looks between any two nanoseconds, where nothing happens.
class Watcher final : public EventHandler {
 public:
  Watcher(Engine& engine, std::function<void()> look) : engine_(engine), look_(std::move(look)) {
    next(Ps(500));
  }
  void fire(std::uint64_t) override {
    look_();
    if (engine_.agenda().now() < Instant(until)) next(nanosecond);
  }

 private:
  void next(Ps after) {
    engine_.agenda().schedule(engine_.agenda().now() + after, rank(EventClass::arrival, 1000),
                              *this, 0);
  }
  Engine& engine_;
  std::function<void()> look_;
};

}  // namespace

TEST_CASE("what is in a function is what arrives times how long it stays, page requests included",
          "[models][pri][closed]") {
  AtsRig rig;
  PageTable& table = rig.rig.new_space(Iova(0), 256_KiB, frames, false);
  rig.attach(rig.source(), table);
  vtd::PageRequestQueue& queue = rig.rig.unit().page_requests();
  AtsRig::Options options;
  options.host = &rig.rig.unit();
  options.pri = PriParams{GENERATE(2U, 8U), GENERATE(1U, 3U)};
  DmaParams dma = one_per_page(64, 64);
  dma.outstanding = 6;
  AtsDevice& device = rig.add(dma, options);
  queue.attach(rig.source(), device);
  queue.give_ring();
  std::uint64_t in_flight = 0;
  std::uint64_t queued = 0;
  const Watcher watcher(rig.rig.engine, [&] {
    in_flight += device.in_flight();
    queued += (queue.tail() - queue.head()) & (queue.entries() - 1);
  });
  // Software takes one entry after the other, at no instant of hardware's, and answers groups.
  Ps stay{0};
  std::vector<Instant> written;
  rig.rig.engine.spawn("software", Lifetime::finishes, [&] {
    Engine& engine = rig.rig.engine;
    for (std::size_t taken = 0; engine.now() < Instant(until); engine.sleep_for(nanosecond)) {
      // Seen a nanosecond after they were written: software acts first at an instant.
      while (written.size() < queue.stats.written) written.push_back(engine.now() - nanosecond);
      if (taken == written.size() || engine.now() < written[taken] + 700ns) continue;
      const PageRequest request = queue.entry(queue.head());
      stay += engine.now() - written[taken++];
      queue.write_head((queue.head() + 1) & (queue.entries() - 1));
      table.map(request.address, frames + Bytes(request.address.value()), 1, {true, true});
      if (request.last)
        device.answer({request.source, request.pasid, request.group, PageResponseCode::success});
    }
  });
  rig.run();
  REQUIRE(rig.ended.all.size() == 64);
  Ps lives{0};
  for (const Ended& request : rig.ended.all) lives += request.took;
  CHECK(Ps(static_cast<std::int64_t>(in_flight) * 1000) == lives);
  CHECK(Ps(static_cast<std::int64_t>(queued) * 1000) == stay);
  CHECK(device.stats.page_requests == queue.stats.written);
  CHECK(device.page_requests_outstanding() == 0);
}
