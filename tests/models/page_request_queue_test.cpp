// The page request queue: entries bit for bit, checks, overflow.
// SPDX-License-Identifier: Apache-2.0
#include "tests/support/ats_rig.hpp"
#include "tests/support/catch.hpp"

#include <vector>

using namespace viosim;
using namespace viosim::test;

namespace {

struct NotingFunction final : AtsFunction {
  explicit NotingFunction(Engine& with) : engine(with) {}
  void invalidate(const AtsInvalidation&) override {}
  void answer(const PageResponse& response) override {
    responses.push_back(response);
    times.push_back(engine.now().since_start());
  }
  Engine& engine;
  std::vector<PageResponse> responses;
  std::vector<Ps> times;
};

struct NotingSoftware final : vtd::PageRequestListener {
  explicit NotingSoftware(Engine& with) : engine(with) {}
  void page_requests_pending() override { interrupts.push_back(engine.now().since_start()); }
  Engine& engine;
  std::vector<Ps> interrupts;
};

PageRequest request(std::uint16_t group, bool last = true) {
  PageRequest r;
  r.source = Rig::source_of(0);
  r.pasid = AtsRig::pasid;
  r.address = Iova(std::uint64_t{group} << 12U);
  r.group = group;
  r.read = true;
  r.last = last;
  return r;
}

// A queue whose function may use it, or not; its context entry is known after the first walk.
struct QueueRig {
  explicit QueueRig(AtsContext allowed = {}, vtd::PageRequestQueueParams params = {128})
      : ats(with(params)), function(ats.rig.engine), software(ats.rig.engine) {
    const PageTable& table = ats.rig.new_space(Iova(0), 4_KiB, Hpa(0x100000));
    ats.attach(ats.source(), table, allowed);
    queue().attach(ats.source(), function);
    queue().give_ring();
    queue().listen(software);
  }
  static RigParams with(const vtd::PageRequestQueueParams& params) {
    RigParams rig;
    rig.iommu.page_requests = params;
    return rig;
  }
  vtd::PageRequestQueue& queue() { return ats.rig.unit().page_requests(); }
  template <class Body>
  void run(Body body) {
    ats.rig.engine.spawn("software", Lifetime::finishes, body);
    ats.run();
  }
  void sleep(Ps time) { ats.rig.engine.sleep_for(time); }

  AtsRig ats;
  NotingFunction function;
  NotingSoftware software;
};

}  // namespace

TEST_CASE("a page request entry is encoded bit for bit", "[models][pri]") {
  PageRequest r;
  r.source = Bdf(3, 0, 0);
  r.pasid = Pasid(0x12345);
  r.address = Iova(0x7f00'0000'4000);
  r.group = 0x1a5;
  r.write = true;
  r.last = true;
  using Quads = std::array<std::uint64_t, 4>;
  CHECK(vtd::PageRequestEntry::encode(r) ==
        Quads{0x0001'2345'0300'0101, 0x0000'7f00'0000'4d2e, 0, 0});
  r.execute = r.privileged = r.read = true;
  r.last = false;
  CHECK(vtd::PageRequestEntry::encode(r) ==
        Quads{0x0031'2345'0300'0101, 0x0000'7f00'0000'4d2b, 0, 0});
  r.pasid = no_pasid;
  CHECK(vtd::PageRequestEntry::encode(r)[0] == 0x0030'0000'0300'0001);
  const PageRequest back = vtd::PageRequestEntry::decode(vtd::PageRequestEntry::encode(r));
  CHECK((back.source == r.source && back.pasid == r.pasid && back.address == r.address));
  CHECK((back.group == r.group && back.read && back.write && !back.last));
  CHECK((back.execute && back.privileged));
}

TEST_CASE("a page request is checked, written and announced, in the sum of its parts",
          "[models][pri]") {
  QueueRig rig;
  rig.run([&] {
    rig.queue().request_page(request(1));
    rig.sleep(10us);
    CHECK(rig.queue().tail() == 1);
    CHECK(rig.queue().pending());
    rig.queue().clear_pending();
    rig.queue().request_page(request(2, false));
    rig.queue().request_page(request(2));
  });
  // Context cache, root, context; entry. Then context cache; entry.
  CHECK(rig.software.interrupts == std::vector<Ps>{2ns + 2 * 80ns + 200ns, 10us + 2ns + 200ns});
  CHECK(rig.queue().tail() == 3);  // the third came while the second was pending
  CHECK(rig.queue().entry(0).group == 1);
  CHECK_FALSE(rig.queue().entry(1).last);
  CHECK(rig.queue().entry(2).last);
  CHECK(rig.function.responses.empty());
}

TEST_CASE("page requests that the context entry does not allow are answered as invalid",
          "[models][pri]") {
  QueueRig rig({.page_requests = false});
  rig.run([&] {
    rig.queue().request_page(request(1, false));
    rig.queue().request_page(request(1));
    PageRequest marker = request(9);
    marker.read = false;
    rig.queue().request_page(marker);
  });
  CHECK(rig.queue().stats.refused == 3);
  CHECK(rig.queue().tail() == 0);
  CHECK(rig.software.interrupts.empty());
  REQUIRE(rig.function.responses.size() == 1);  // one for the group, none for the stop marker
  CHECK(rig.function.responses[0].group == 1);
  CHECK(rig.function.responses[0].pasid == AtsRig::pasid);
  CHECK(rig.function.responses[0].code == PageResponseCode::invalid);
}

TEST_CASE("a queue that overflows drops until software clears the flag", "[models][pri]") {
  vtd::PageRequestQueueParams params{128};
  SECTION("answering success") {}
  SECTION("answering invalid") { params.overflow_response = vtd::OverflowResponse::invalid; }
  QueueRig rig({}, params);
  rig.run([&] {
    for (std::uint16_t group = 0; group < 130; ++group)
      rig.queue().request_page(request(group, group != 128));
    rig.sleep(10us);
    CHECK(rig.queue().overflow());
    CHECK(rig.queue().tail() == 127);
    rig.queue().write_head(100);  // room, and still dropped
    rig.queue().request_page(request(200));
    rig.sleep(10us);
    rig.queue().clear_overflow();
    rig.queue().request_page(request(201));
  });
  CHECK(rig.queue().stats.written == 128);
  CHECK(rig.queue().stats.dropped == 4);
  CHECK(rig.queue().stats.overflows == 1);
  CHECK(rig.queue().stats.longest == 127);
  CHECK(rig.queue().tail() == 0);
  CHECK(rig.queue().entry(127).group == 201);
  // 127 was dropped and answered; 128 is not the last of its group; 129 and 200 were answered.
  REQUIRE(rig.function.responses.size() == 3);
  CHECK(rig.function.responses[0].group == 127);
  CHECK(rig.function.responses[1].group == 129);
  CHECK(rig.function.responses[2].group == 200);
  const auto code = params.overflow_response == vtd::OverflowResponse::success
                        ? PageResponseCode::success
                        : PageResponseCode::invalid;
  for (const PageResponse& response : rig.function.responses) CHECK(response.code == code);
}

TEST_CASE("the overflow flag follows what was admitted before it", "[models][pri]") {
  const vtd::PageRequestQueueParams params{128};
  QueueRig rig({}, params);
  rig.run([&] {
    rig.queue().request_page(request(0));
    rig.sleep(10us);
    rig.queue().write_head(rig.queue().tail());
    const Instant start = rig.ats.rig.engine.now();
    for (std::uint16_t group = 1; group < 130; ++group) rig.queue().request_page(request(group));
    // One after the other through the context cache; the 127th is written last.
    const Instant written = start + 127 * RigParams{}.iommu.context_cache.latency + params.write;
    rig.sleep(written - start - Ps(1));
    CHECK(rig.queue().overflow() == false);
    rig.queue().clear_overflow();  // what is not set cannot be cleared
    rig.sleep(Ps(2));
    CHECK(rig.queue().overflow());
    CHECK(rig.queue().tail() == 0);
    rig.sleep(10us);
    CHECK(rig.queue().stats.dropped == 2);
    rig.queue().clear_overflow();
    CHECK_FALSE(rig.queue().overflow());
  });
}

TEST_CASE("a page request with a PASID needs PASIDE, and a PASID that the function's table reaches",
          "[models][pri]") {
  const bool pasids = GENERATE(true, false);
  const bool known = GENERATE(true, false);  // the context entry
  const bool privileged = GENERATE(false, true);
  const bool execute = GENERATE(false, true);
  CAPTURE(pasids, known, privileged, execute);
  QueueRig rig({.pasids = pasids});
  const auto asking = [=](std::uint16_t group) {
    PageRequest one = request(group);
    one.privileged = privileged;
    one.execute = execute;
    return one;
  };
  PageRequest beyond = asking(2);
  beyond.pasid = Pasid(8192);  // PDTS 0
  PageRequest without = asking(3);
  without.pasid = no_pasid;
  rig.run([&] {
    if (known) {
      rig.queue().request_page(without);
      rig.sleep(10us);
    }
    rig.queue().request_page(asking(1));
    rig.queue().request_page(beyond);
    rig.queue().request_page(without);
  });
  CHECK(rig.queue().stats.refused == (pasids ? 1 : 2));
  CHECK(rig.queue().stats.written == (pasids ? 2U : 1U) + (known ? 1U : 0U));
  std::vector<std::uint16_t> invalid;
  for (const PageResponse& response : rig.function.responses) {
    CHECK(response.code == PageResponseCode::invalid);
    invalid.push_back(response.group);
  }
  CHECK(invalid == (pasids ? std::vector<std::uint16_t>{2} : std::vector<std::uint16_t>{1, 2}));
  const std::uint64_t record = rig.ats.rig.unit().faults().records().at(0)[1];
  CHECK((record >> 29U & 1U) == (privileged ? 1U : 0U));
  CHECK((record >> 30U & 1U) == (execute ? 1U : 0U));
  const auto reason = static_cast<vtd::FaultReason>(record >> 32U & 0xffU);
  CHECK(reason ==
        (pasids ? vtd::FaultReason::sm_pasid_too_large : vtd::FaultReason::sm_pasid_disabled));
}

TEST_CASE("what a full queue drops is answered where it carries private data, last or not",
          "[models][pri]") {
  const bool carries = GENERATE(false, true);
  QueueRig rig({}, {128});
  rig.run([&] {
    for (std::uint16_t group = 0; group < 127; ++group) rig.queue().request_page(request(group));
    PageRequest further = request(200, false);
    if (carries) further.private_data = PageRequestData{7, 9};
    rig.queue().request_page(further);
    PageRequest marker = request(201);
    marker.read = false;
    rig.queue().request_page(marker);
  });
  CHECK(rig.queue().stats.dropped == 2);
  REQUIRE(rig.function.responses.size() == (carries ? 1 : 0));
  if (carries) CHECK(rig.function.responses[0].private_data == PageRequestData{7, 9});
}

TEST_CASE("page requests on their way land in the ring that software has moved to",
          "[models][pri]") {
  QueueRig rig({}, {256});
  const Hpa moved = rig.ats.rig.memory.allocate_frames();
  rig.run([&] {
    rig.queue().request_page(request(1));
    rig.sleep(10us);
    rig.queue().request_page(request(2));  // its entry is being written 100 ns later
    rig.sleep(100ns);
    rig.queue().set_ring(moved, 128);
    CHECK(rig.queue().tail() == 0);
    rig.sleep(10us);
    CHECK(rig.queue().tail() == 1);
    CHECK(rig.queue().entry(0).group == 2);
    for (std::uint16_t group = 10; group < 210; ++group) rig.queue().request_page(request(group));
    rig.sleep(300ns);  // many are being written, more than a small ring has room for
    rig.queue().set_ring(moved, 128);
    rig.sleep(10us);
    CHECK(rig.queue().tail() <= 127);
  });
  CHECK(rig.queue().stats.requests == 202);
  CHECK(rig.queue().stats.written + rig.queue().stats.dropped == 202);
}
