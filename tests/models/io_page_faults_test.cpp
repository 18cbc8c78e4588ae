// Page requests of devices, from the queue to a process' pages and back; and draining them.
// SPDX-License-Identifier: Apache-2.0
#include "tests/support/catch.hpp"
#include "tests/support/kernel_rig.hpp"

#include <vector>

using namespace viosim;
using namespace viosim::test;

namespace {

constexpr Bdf first{1, 0, 0};
constexpr Bdf second{2, 0, 0};
const Region region{Iova(0x10'0000), 16};
const Region read_only{Iova(0x20'0000), 1, {true, false, false, true}};

Iova page(std::uint64_t number) { return region.base + Bytes(number << 12U); }

// A process that is bound to one device.
struct Bound : KernelRig {
  explicit Bound(const KernelRigParams& params = {}) : KernelRig(params) {}
  void run(const std::function<void(Thread&, ScriptedDevice&, Mm&)>& job) {
    KernelRig::run([this, job](Thread& thread) {
      ScriptedDevice& device = add_device(thread, first);
      REQUIRE(sva.device_init(thread, first, {}) == Errno::ok);
      Mm& mm = add_mm();
      REQUIRE(mm.map(thread, region) == Errno::ok);
      REQUIRE(mm.map(thread, read_only) == Errno::ok);
      REQUIRE(sva.bind(thread, first, mm).value() == pasid);
      job(thread, device, mm);
    });
  }
  static constexpr Pasid pasid{1};
};

std::vector<unsigned> codes(const ScriptedDevice& device) {
  std::vector<unsigned> all;
  for (const auto& [at, response] : device.responses)
    all.push_back(static_cast<unsigned>(response.code));
  return all;
}

}  // namespace

TEST_CASE("a device that uses what is not mapped gets its page and goes on", "[kernel][iopf]") {
  Bound rig;
  rig.run([&](Thread& thread, ScriptedDevice& device, Mm& mm) {
    device.access(Bound::pasid, page(2), true);
    thread.sleep(20us);
    CHECK(device.used == 1);
    CHECK(device.asked == 1);
    CHECK(mm.resident() == 1);
    CHECK(mm.table().find(page(2)).has_value());
    device.access(Bound::pasid, page(2), false);
    CHECK(device.hits == 1);
    device.access(Bound::pasid, Iova(0x90'0000), false);  // no region
    device.access(Bound::pasid, read_only.base, true);
    thread.sleep(20us);
    CHECK(device.refused == 2);
  });
}

TEST_CASE("the requests of a group are one job with one answer, whatever comes between",
          "[kernel][iopf]") {
  Bound rig;
  rig.run([&](Thread& thread, ScriptedDevice& device, Mm& mm) {
    PageRequest request{first, Bound::pasid, page(0), 7, true, true};
    rig.rig.unit().request_page(request);
    device.ask(Bound::pasid, {page(8)}, true, 9);
    request.address = page(1);
    rig.rig.unit().request_page(request);
    thread.sleep(20us);
    CHECK(rig.faults.incomplete() == 2);
    CHECK(rig.requests.pending() == 0);  // only a last one is
    CHECK(mm.resident() == 1);
    request.address = page(2);
    request.last = true;
    rig.rig.unit().request_page(request);
    thread.sleep(30us);
    CHECK(mm.resident() == 4);
    CHECK(rig.faults.incomplete() == 0);
    REQUIRE(device.responses.size() == 2);
    CHECK(device.responses[1].second.group == 7);
  });
  CHECK(rig.faults.stats.groups == 2);
  CHECK(rig.faults.stats.requests == 4);
}

TEST_CASE("the first error decides for its group, what was mapped before it stays",
          "[kernel][iopf]") {
  Bound rig;
  rig.run([&](Thread& thread, ScriptedDevice& device, Mm& mm) {
    device.ask(Bound::pasid, {page(0), read_only.base, page(1)}, true, 0);
    thread.sleep(30us);
    CHECK(codes(device) == std::vector{1U});
    CHECK(mm.resident() == 1);
    CHECK(mm.stats.faults == 2);
  });
  CHECK(rig.faults.stats.invalid == 1);
}

TEST_CASE("requests that make no sense are refused where an answer is due", "[kernel][iopf]") {
  Bound rig;
  PageRequest request{first, Bound::pasid, page(0), 3, true, false};
  request.last = GENERATE(true, false);
  const unsigned kind = GENERATE(0U, 1U, 2U, 3U, 4U);
  rig.run([&](Thread& thread, ScriptedDevice& device, Mm&) {
    ScriptedDevice& stranger = rig.add_device(thread, second);
    if (kind == 0) request.pasid = no_pasid;
    if (kind == 1) request.address = Iova(std::uint64_t{1} << 60U);
    if (kind == 2) request.privileged = true;
    if (kind == 3) request.execute = true;
    if (kind == 4) request.source = second;  // not initialised for page faults
    rig.rig.unit().request_page(request);
    thread.sleep(20us);
    ScriptedDevice& of = kind == 4 ? stranger : device;
    CHECK(codes(of) == (request.last ? std::vector{1U} : std::vector<unsigned>{}));
  });
  CHECK(rig.requests.stats.refused == 1);
  CHECK(rig.faults.incomplete() == 0);
}

TEST_CASE("stop markers are passed over", "[kernel][iopf]") {
  Bound rig;
  rig.run([&](Thread& thread, ScriptedDevice& device, Mm&) {
    PageRequest marker{first, Bound::pasid, Iova(), 0, false, false};
    marker.last = true;
    if (GENERATE(false, true)) marker.pasid = no_pasid;  // no end of anything, and nobody waits
    rig.rig.unit().request_page(marker);
    thread.sleep(20us);
    CHECK(device.responses.empty());
  });
  CHECK(rig.requests.stats.stop_markers == 1);
}

TEST_CASE("a refused request with private data is answered, the last of its group or not",
          "[kernel][iopf]") {
  Bound rig;
  PageRequest request{first, Bound::pasid, page(0), 3, true, false};
  request.privileged = true;
  request.last = GENERATE(true, false);
  request.private_data = PageRequestData{7, 9};
  rig.run([&](Thread& thread, ScriptedDevice& device, Mm&) {
    rig.rig.unit().request_page(request);
    thread.sleep(20us);
    REQUIRE(device.responses.size() == 1);
    CHECK(device.responses.front().second.private_data == request.private_data);
  });
}

TEST_CASE("a group whose last request is refused is over: the next one with its index is another",
          "[kernel][iopf]") {
  Bound rig;
  rig.run([&](Thread& thread, ScriptedDevice& device, Mm& mm) {
    PageRequest request{first, Bound::pasid, Iova(0x90'0000), 3, true, false};  // no region
    rig.rig.unit().request_page(request);
    request.group = 4;
    rig.rig.unit().request_page(request);
    request.group = 3;
    request.last = true;
    request.privileged = true;
    rig.rig.unit().request_page(request);
    thread.sleep(20us);
    CHECK(codes(device) == std::vector{1U});
    CHECK(rig.faults.incomplete() == 1);  // group 4's
    request.address = page(0);
    request.privileged = false;
    rig.rig.unit().request_page(request);
    thread.sleep(30us);
    CHECK(codes(device) == std::vector{1U, 0U});
    CHECK(mm.resident() == 1);
  });
  CHECK(rig.faults.stats.discarded == 1);
}

TEST_CASE("a function that leaves takes its incomplete groups with it, and nobody else's",
          "[kernel][iopf]") {
  Bound rig;
  rig.run([&](Thread& thread, ScriptedDevice& device, Mm&) {
    device.ask(Pasid(2), {page(0)}, false, 0);  // nobody's: no unbind drops it
    PageRequest request{first, Pasid(2), page(0), 3, true, false};
    rig.rig.unit().request_page(request);
    thread.sleep(20us);
    const std::size_t before = rig.faults.incomplete();
    REQUIRE(before >= 1);
    rig.faults.forget(second);
    CHECK(rig.faults.incomplete() == before);
    REQUIRE(rig.requests.register_handler(first, rig.faults) == Errno::ebusy);
    REQUIRE(rig.requests.unregister_handler(first) == Errno::ok);
    CHECK(rig.faults.incomplete() == 0);
    CHECK(rig.requests.register_handler(first, rig.faults) == Errno::ok);
  });
  CHECK(rig.faults.stats.discarded >= 1);
}

TEST_CASE("a request that its handler refuses takes no answer from another one of its group",
          "[kernel][iopf]") {
  struct TakesTheFirst final : PageFaultHandler {
    bool report(Thread&, const PageRequest&) override { return reported++ == 0; }
    void discard_incomplete() override {}
    void discard_group(const PageRequest&) override {}
    void forget(Bdf) override {}
    void flush(Thread&, Bdf, Pasid) override {}
    unsigned reported = 0;
  };
  TakesTheFirst handler;
  Bound rig;
  rig.run([&](Thread& thread, ScriptedDevice& device, Mm&) {
    REQUIRE(rig.requests.unregister_handler(first) == Errno::ok);
    REQUIRE(rig.requests.register_handler(first, handler) == Errno::ok);
    PageRequest with_data{first, Bound::pasid, page(0), 3, true, false};
    with_data.private_data = PageRequestData{7, 9};
    rig.rig.unit().request_page(with_data);
    PageRequest last{first, Bound::pasid, page(1), 3, true, false};
    last.last = true;
    rig.rig.unit().request_page(last);
    thread.sleep(20us);
    CHECK(codes(device) == std::vector{1U});
    CHECK(rig.requests.pending() == 1);
    CHECK(rig.requests.respond(thread, PageResponse::to(with_data, PageResponseCode::success)) ==
          Errno::ok);
    thread.sleep(5us);
    CHECK(codes(device) == std::vector{1U, 0U});
    CHECK(rig.requests.unregister_handler(first) == Errno::ok);
    CHECK(rig.requests.register_handler(first, rig.faults) == Errno::ok);
  });
  CHECK(rig.requests.stats.unmatched == 0);
}

TEST_CASE("a request with private data ends its group, marked as the last one or not",
          "[kernel][iopf]") {
  Bound rig;
  const bool last = GENERATE(true, false);
  rig.run([&](Thread& thread, ScriptedDevice& device, Mm& mm) {
    PageRequest request{first, Bound::pasid, page(0), 3, true, false};
    rig.rig.unit().request_page(request);
    request.address = page(1);
    request.last = last;
    request.private_data = PageRequestData{7, 9};
    rig.rig.unit().request_page(request);
    thread.sleep(30us);
    REQUIRE(codes(device) == std::vector{0U});
    CHECK(device.responses.front().second.private_data == request.private_data);
    CHECK(mm.resident() == 2);
    CHECK(rig.faults.incomplete() == 0);
    CHECK(rig.requests.pending() == 0);
  });
  CHECK(rig.faults.stats.groups == 1);
}

TEST_CASE("requests of a PASID that nobody has, or whose process ends, are invalid",
          "[kernel][iopf]") {
  Bound rig;
  rig.run([&](Thread& thread, ScriptedDevice& device, Mm& mm) {
    device.ask(Pasid(2), {page(0)}, false, 0);
    thread.sleep(20us);
    mm.exit(thread);
    device.ask(Bound::pasid, {page(0)}, false, 1);
    thread.sleep(20us);
    CHECK(codes(device) == std::vector{1U, 1U});
    CHECK(mm.resident() == 0);
  });
}

TEST_CASE("an answer to a group that is not pending is dropped", "[kernel][iopf]") {
  Bound rig;
  rig.run([&](Thread& thread, ScriptedDevice& device, Mm&) {
    CHECK(rig.requests.respond(thread, {first, Bound::pasid, 5, {}}) == Errno::einval);
    device.ask(Bound::pasid, {page(0)}, false, 5);
    thread.sleep(2ns + 200ns + 3us + 500ns);  // handed on, not yet handled
    CHECK(rig.requests.pending() == 1);
    CHECK(rig.requests.unregister_handler(first) == Errno::ebusy);
    CHECK(rig.requests.respond(thread, {first, Pasid(2), 5, {}}) == Errno::einval);
    CHECK(rig.requests.respond(thread, {second, Bound::pasid, 5, {}}) == Errno::einval);
    thread.sleep(20us);
    CHECK(device.responses.size() == 1);
    CHECK(rig.requests.register_handler(first, rig.faults) == Errno::ebusy);
    CHECK(rig.requests.unregister_handler(second) == Errno::einval);
    CHECK(rig.requests.unregister_handler(first) == Errno::ok);
  });
  CHECK(rig.requests.stats.unmatched == 3);
}

TEST_CASE("groups of several workers are handled side by side", "[kernel][iopf]") {
  Bound rig;
  Instant start;
  rig.run([&](Thread& thread, ScriptedDevice& device, Mm& mm) {
    Region file = region;
    file.base = Iova(0x800'0000);
    file.backing = Backing::file;
    REQUIRE(mm.map(thread, file) == Errno::ok);
    start = thread.now();
    for (std::uint16_t i = 0; i < 4; ++i)
      device.ask(Bound::pasid, {file.base + Bytes(std::uint64_t{i} << 12U)}, false, i);
  });
  REQUIRE(rig.devices[0].responses.size() == 4);
  CHECK(rig.devices[0].responses.back().first - start < 6ms);
}

TEST_CASE("an overflow drops incomplete groups, the device tries again and gets all its pages",
          "[kernel][iopf]") {
  KernelRigParams params;
  params.hardware.iommu.page_requests.entries = 128;
  Bound rig(params);
  rig.run([&](Thread& thread, ScriptedDevice& device, Mm& mm) {
    Region large{Iova(0x4000'0000), 512};
    REQUIRE(mm.map(thread, large) == Errno::ok);
    PageRequest part{first, Bound::pasid, large.base, 511, true, false};
    rig.rig.unit().request_page(part);
    for (std::uint64_t i = 0; i < 300; ++i)
      device.access(Bound::pasid, large.base + Bytes(i << 12U), false);
    thread.sleep(5ms);
    CHECK(device.used == 300);
  });
  CHECK(rig.requests.stats.overflows > 0);
  CHECK(rig.faults.stats.discarded == 1);
  CHECK(rig.faults.incomplete() == 0);
  CHECK(rig.requests.pending() == 0);
}

TEST_CASE("when a PASID is unbound, its requests are answered first, wherever they are",
          "[kernel][iopf]") {
  // The device asks this long before it is unbound: the entry is on its way, in the queue, with
  // the queue's thread, waiting for a worker, being handled, being answered.
  const auto early =
      static_cast<std::int64_t>(GENERATE(0U, 100U, 250U, 3000U, 3300U, 4000U, 5000U, 6500U, 9000U));
  const bool partial = GENERATE(false, true);
  Bound rig;
  rig.run([&](Thread& thread, ScriptedDevice& device, Mm& mm) {
    const Bdf source = device.source();
    device.ask(Bound::pasid, {page(0), page(1)}, true, 1);
    if (partial) rig.rig.unit().request_page({source, Bound::pasid, page(5), 2, true, false});
    thread.sleep(Ps(early * 1000));
    CHECK(rig.sva.unbind(thread, first, Bound::pasid) == Errno::ok);
    CHECK(device.responses.size() == 1);
    CHECK(rig.requests.pending() == 0);
    CHECK(rig.faults.at_work() == 0);
    CHECK(rig.faults.incomplete() == 0);
    CHECK_FALSE(rig.requests.queued(thread, Bound::pasid));
    mm.exit(thread);
    CHECK(rig.pasids.space().size() == 0);
    CHECK(thread.now() < Instant(100us));
  });
}

TEST_CASE("an order without its wait for the software queue leaves faults behind",
          "[kernel][iopf]") {
  Bound rig;
  rig.driver.orders.drop(Order::drain, Step::flush_faults);
  rig.run([&](Thread& thread, ScriptedDevice& device, Mm& mm) {
    Region file = region;
    file.base = Iova(0x800'0000);
    file.backing = Backing::file;
    REQUIRE(mm.map(thread, file) == Errno::ok);
    device.ask(Bound::pasid, {file.base}, false, 0);
    thread.sleep(10us);
    CHECK(rig.sva.unbind(thread, first, Bound::pasid) == Errno::ok);
    CHECK(rig.faults.at_work() == 1);
  });
}

TEST_CASE("unmapping and faulting in wait for each other, a device sees the page or none",
          "[kernel][iopf]") {
  Bound rig;
  std::uint64_t stale = 0;
  rig.run([&](Thread& thread, ScriptedDevice& device, Mm& mm) {
    device.on_use = [&](Pasid, Iova of, Hpa frame, Instant) {
      stale += mm.table().find(of) == frame ? 0U : 1U;
    };
    for (unsigned round = 0; round < 20; ++round) {
      device.access(Bound::pasid, page(0), true);
      thread.sleep(Ps(500'000 * (round + 1)));
      REQUIRE(mm.unmap(thread, region.base, region.pages) == Errno::ok);
      REQUIRE(mm.map(thread, region) == Errno::ok);
    }
    thread.sleep(50us);
    CHECK(device.used + device.refused == 20);
    CHECK(device.used > 5);
  });
  CHECK(stale == 0);
}
