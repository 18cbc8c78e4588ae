// Work queues of functions with a translation cache: what they share and what they do not, stops by queue
// and by PASID, resets, unplugging, virtual functions.
// SPDX-License-Identifier: Apache-2.0
#include "models/trace_events.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/function_rig.hpp"

#include <algorithm>
#include <array>
#include <set>
#include <vector>

using namespace viosim;
using namespace viosim::test;

namespace {

QueueWork work_with(Pasid pasid, const DmaParams& dma, QueueListener* listener = nullptr) {
  QueueWork work;
  work.pasid = pasid;
  work.dma = dma;
  work.listener = listener;
  return work;
}

DmaParams endless(std::uint64_t pages, Ps interval, std::uint32_t outstanding = 1) {
  DmaParams dma = one_per_page(pages, 0);
  dma.interval = interval;
  dma.outstanding = outstanding;
  return dma;
}

bool is_marker(const PageRequest& request) {
  return request.last && !request.read && !request.write;
}

}  // namespace

TEST_CASE("a queue's unloaded requests take the sum of their parts", "[models][ats][queues]") {
  RigParams params;
  params.iommu.context_cache.latency = 1ns;
  params.iommu.pasid_cache.latency = 10ns;
  params.iommu.iotlb.latency = 100ns;
  params.iommu.walk_read = 1us;
  FunctionRig rig(params);
  rig.memory_latency = 10us;
  FunctionRig::AtsOptions options;
  options.ats.tlb.latency = 10ms;
  options.ats.completion = 1ms;
  options.link = {100us};
  AtsDevice& device = rig.add_ats(0, {4, 2ns}, options);
  rig.attach(0, Pasid(9), rig.space(0));
  rig.run_at(3ms, [&] { device.enable(2, work_with(Pasid(9), one_per_page(1, 2))); });
  rig.run();
  REQUIRE(rig.ended.all.size() == 2);
  const Ps trip = 2 * 100us;
  const Ps translated = trip + 1ns + 10us;
  CHECK(rig.ended.all[0].at - rig.ended.all[0].took == 3ms);
  CHECK(rig.ended.all[0].took == 10ms + trip + 1ns + 8us + 1ms + translated);
  CHECK(rig.ended.all[1].took == 10ms + translated);
  CHECK(device.queue_state(2) == QueueState::running);
  CHECK(device.queue_state(0) == QueueState::disabled);
}

TEST_CASE("queues of one function share its translation cache, each with its own PASID",
          "[models][ats][queues]") {
  FunctionRig rig;
  AtsDevice& device = rig.add_ats(0, {3, 2ns}, {});
  for (std::uint32_t p = 0; p < 2; ++p) rig.attach(0, Pasid(p + 1), rig.space(p));
  rig.run_at(Ps(0), [&] {
    for (std::uint32_t q = 0; q < 3; ++q)
      device.enable(q, work_with(Pasid(q % 2 + 1), one_per_page(4, 8)));
  });
  rig.run();
  CHECK(rig.ended.all.size() == 24);
  CHECK(device.tlb().size() == 8);
  for (const Ended& ended : rig.ended.all)
    CHECK(ended.hpa % FunctionRig::frames_of(0).value() == ended.iova);
  std::set<std::uint64_t> spaces;
  for (const Ended& ended : rig.ended.all) spaces.insert(ended.hpa >> 30U);
  CHECK(spaces.size() == 2);
}

TEST_CASE("what one privilege may do is not taken for what the other may",
          "[models][ats][queues]") {
  FunctionRig rig;
  AtsDevice& device = rig.add_ats(0, {2, 2ns}, {});
  rig.attach(0, Pasid(1), rig.space(0));
  rig.run_at(Ps(0), [&] {
    for (const bool privileged : {false, true}) {
      QueueWork work = work_with(Pasid(1), one_per_page(4, 4));
      work.privileged = privileged;
      device.enable(privileged ? 1 : 0, work);
    }
  });
  rig.run();
  CHECK(device.stats.translations == 8);
}

TEST_CASE("queues that saturate their function share what its link carries, with a TLB as without",
          "[models][ats][queues]") {
  FunctionRig rig;
  AtsDevice& device = rig.add_ats(0, {8, 5ns}, {});
  rig.attach(0, Pasid(1), rig.space(0));
  const Ps time = 200us;
  rig.run_at(Ps(0), [&] {
    for (std::uint32_t q = 0; q < 8; ++q)
      device.enable(q, work_with(Pasid(1), endless(4, Ps(1), 128)));
  });
  rig.run_at(time, [&] { device.stop_pasid(Pasid(1), false); });
  rig.run();
  // Nobody is out of slots: each request waits for the link alone.
  CHECK(device.stats.requests == static_cast<std::uint64_t>(time / 5ns));
  // Little: the time that requests took together is the sum of the numbers in flight.
  CHECK(device.latency.count() == device.stats.requests);
  CHECK(device.latency.percentile(0.5) == 2ns + 200ns + 2ns + 80ns + 200ns);
  CHECK(device.latency.sum() / static_cast<std::uint64_t>(time.count()) * 5 >= 484);
}

TEST_CASE("a stopped queue finishes what is in flight, sends its marker, and tells",
          "[models][ats][queues]") {
  FunctionRig rig;
  FunctionRig::AtsOptions options;
  options.pri = PriParams{};
  AtsDevice& device = rig.add_ats(0, {2, 2ns}, options);
  for (std::uint32_t p = 0; p < 2; ++p) rig.attach(0, Pasid(p + 1), rig.space(p));
  StopNote note(rig.rig.engine);
  const bool marker = GENERATE(false, true);
  std::uint64_t requests_of_other = 0;
  rig.rig.engine.spawn("driver", Lifetime::finishes, [&] {
    for (std::uint32_t q = 0; q < 2; ++q)
      device.enable(q, work_with(Pasid(q + 1), endless(4, 50ns, 16), q == 0 ? &note : nullptr));
    rig.rig.engine.sleep_until(Instant(10us));
    device.stop_queue(0, marker);
    CHECK(device.queue_state(0) == QueueState::stopping);
    note.signal.wait();
    CHECK(device.queue_state(0) == QueueState::disabled);
    CHECK_FALSE(device.pasid_in_use(Pasid(1)));
    requests_of_other = device.stats.requests;
    rig.rig.engine.sleep_for(10us);
    CHECK(device.stats.requests - requests_of_other >= 199);  // one each 50 ns
    device.stop_queue(1, false);
  });
  rig.run();
  REQUIRE(note.times.size() == 1);
  // The last request was sent before 10 us, and came back after what a hit takes.
  const Ps trip = 2ns + 200ns + 2ns + 80ns + 200ns;
  CHECK(note.times[0] < 10us + trip);
  CHECK(note.times[0] >= 10us - 50ns + trip);
  std::uint64_t after = 0;
  for (const Ended& ended : rig.ended.all)
    after += ended.hpa < FunctionRig::frames_of(1).value() && ended.at - ended.took >= 10us ? 1 : 0;
  CHECK(after == 0);
  REQUIRE(rig.host.page_requests.size() == (marker ? 1 : 0));
  if (!marker) return;
  CHECK(is_marker(rig.host.page_requests[0]));
  CHECK(rig.host.page_requests[0].pasid == Pasid(1));
  CHECK(rig.host.page_request_times[0] == note.times[0] + 200ns);
}

TEST_CASE("a PASID is stopped when the last of its queues is, with one marker",
          "[models][ats][queues]") {
  FunctionRig rig;
  FunctionRig::AtsOptions options;
  options.pri = PriParams{};
  AtsDevice& device = rig.add_ats(0, {8, 2ns}, options);
  for (std::uint32_t p = 0; p < 2; ++p) rig.attach(0, Pasid(p + 1), rig.space(p));
  StopNote queue_note(rig.rig.engine);
  StopNote note(rig.rig.engine);
  device.listen_to_pasids(note);
  rig.rig.engine.spawn("driver", Lifetime::finishes, [&] {
    for (std::uint32_t q = 0; q < 8; ++q)
      device.enable(q, work_with(Pasid(q % 2 + 1), endless(4, 100ns), &queue_note));
    rig.rig.engine.sleep_until(Instant(10us));
    device.stop_pasid(Pasid(1), true);
    note.signal.wait();
    CHECK_FALSE(device.pasid_in_use(Pasid(1)));
    CHECK(device.pasid_in_use(Pasid(2)));
    device.stop_pasid(Pasid(1), false);  // it has nothing: at once
    note.signal.wait();
    device.stop_pasid(Pasid(2), false);
  });
  rig.run();
  CHECK(note.pasids == std::vector{Pasid(1), Pasid(1), Pasid(2)});
  CHECK(note.times[0] == note.times[1]);
  CHECK(queue_note.times.size() == 8);
  CHECK(note.times[0] == queue_note.times[3]);
  CHECK(std::count_if(rig.host.page_requests.begin(), rig.host.page_requests.end(), is_marker) ==
        1);
}

TEST_CASE("a request that waits for a page when its queue is stopped ends with the answer",
          "[models][ats][queues]") {
  FunctionRig rig;
  FunctionRig::AtsOptions options;
  options.pri = PriParams{1, 1};  // the others wait for the credit
  AtsDevice& device = rig.add_ats(0, {2, 2ns}, options);
  PageTable& table = rig.space(0, false);
  rig.attach(0, Pasid(1), table);
  rig.attach(0, Pasid(2), rig.space(1, false));
  StopNote note(rig.rig.engine);
  const bool granted = GENERATE(false, true);
  rig.rig.engine.spawn("driver", Lifetime::finishes, [&] {
    device.enable(0, work_with(Pasid(1), endless(4, 10ns, 3), &note));
    rig.rig.engine.sleep_until(Instant(5us));
    device.enable(1, work_with(Pasid(2), one_per_page(1, 1)));  // waits, and goes on waiting
    rig.rig.engine.sleep_until(Instant(20us));
    REQUIRE(rig.host.page_requests.size() == 1);
    device.stop_queue(0, false);
    CHECK(device.stats.aborted == 2);  // whose group was never sent
    CHECK(device.in_flight() == 2);
    CHECK(note.times.empty());
    const PageRequest asked = rig.host.page_requests[0];
    if (granted) table.map(asked.address, Hpa(0x4000'0000), 1, {true, true});
    device.answer({asked.source, asked.pasid, asked.group,
                   granted ? PageResponseCode::success : PageResponseCode::invalid});
    note.signal.wait();
    CHECK(device.stats.aborted == (granted ? 2 : 3));
    CHECK(device.latency.count() == (granted ? 1 : 0));
    rig.rig.engine.sleep_for(10us);
    REQUIRE(rig.host.page_requests.size() == 2);  // the other queue's got the credit
    CHECK(rig.host.page_requests[1].pasid == Pasid(2));
    // An answer to a group of the stopped PASID: there is none any more.
    device.answer({asked.source, asked.pasid, asked.group, PageResponseCode::success});
    const PageRequest other = rig.host.page_requests[1];
    device.answer({other.source, other.pasid, other.group, PageResponseCode::invalid});
  });
  rig.run();
  CHECK(device.stats.unexpected_responses == 1);
  CHECK(device.in_flight() == 0);
  CHECK(device.page_requests_outstanding() == 0);
}

TEST_CASE(
    "a reset disables all queues and drops what is in flight, the queues can be enabled at once",
    "[models][ats][queues]") {
  FunctionRig rig;
  FunctionRig::AtsOptions options;
  options.pri = PriParams{};
  AtsDevice& device = rig.add_ats(0, {4, 2ns}, options);
  rig.attach(0, Pasid(1), rig.space(0));
  rig.attach(0, Pasid(2), rig.space(1, false));
  StopNote note(rig.rig.engine);
  const Ps at = GENERATE(300ns, 500ns, 1000ns, 1300ns, 5us);
  rig.rig.engine.spawn("driver", Lifetime::finishes, [&] {
    for (std::uint32_t q = 0; q < 4; ++q)
      device.enable(q, work_with(Pasid(q % 2 + 1), endless(16, 20ns, 2), &note));
    rig.rig.engine.sleep_until(Instant(at));
    const std::uint32_t in_flight = device.in_flight();
    CHECK(in_flight == 8);
    const std::uint64_t completed = device.latency.count();
    device.reset_function();
    CHECK(device.stats.dropped == in_flight);
    CHECK(device.in_flight() == 0);
    CHECK(device.tlb().size() == 0);
    CHECK(device.page_requests_outstanding() == 0);
    for (std::uint32_t q = 0; q < 4; ++q) CHECK(device.queue_state(q) == QueueState::disabled);
    device.enable(0, work_with(Pasid(1), one_per_page(4, 4), &note));
    rig.rig.engine.sleep_for(10us);
    CHECK(device.latency.count() == completed + 4);
    CHECK(device.lost_in_flight() == 0);
    device.stop_queue(0, false);
  });
  rig.run();
  CHECK(note.times.size() == 1);  // of the queue after the reset; nobody was told of the others
}

TEST_CASE("a function that is gone answers nothing, and the invalidation queue says so",
          "[models][ats][queues]") {
  RigParams params;
  params.iommu.invalidation.device_tlb_timeout = 100us;
  FunctionRig rig(params);
  FunctionRig::AtsOptions options;
  options.pri = PriParams{};
  options.to_unit = true;
  AtsDevice& device = rig.add_ats(0, {2, 2ns}, options);
  rig.attach(0, Pasid(1), rig.space(0));
  vtd::InvalidationQueue& queue = rig.rig.unit().queue();
  const auto flush = [&](std::uint32_t place) {
    vtd::Descriptor flush_all;
    flush_all.type = vtd::DescriptorType::pasid_device_tlb;
    flush_all.source = device.source();
    flush_all.pasid = Pasid(1);
    flush_all.address_mask = vtd::Descriptor::every_address;
    const auto words = flush_all.encode();
    for (std::size_t i = 0; i < words.size(); ++i)
      rig.rig.memory.write(queue.base() + Bytes(place * 32 + i * 8), words[i]);
    queue.write_tail(place + 1);
  };
  rig.rig.engine.spawn("driver", Lifetime::finishes, [&] {
    device.enable(0, work_with(Pasid(1), endless(4, 50ns)));
    rig.rig.engine.sleep_until(Instant(10us));
    device.remove();
    device.remove();  // once more: nothing happens
    CHECK_FALSE(device.present());
    flush(0);
    device.answer({device.source(), Pasid(1), 0, PageResponseCode::success});
    rig.rig.engine.sleep_for(300us);
    CHECK(queue.errors().timeout);
    CHECK(device.queue_stats().lost_invalidations == 1);
    CHECK(device.queue_stats().lost_responses == 1);
    // Back: it has nothing, and answers.
    device.insert();
    CHECK(device.tlb().size() == 0);
    queue.clear_error();
    rig.rig.engine.sleep_for(10us);
    flush(1);
    rig.rig.engine.sleep_for(300us);
    CHECK_FALSE(queue.errors().timeout);
    device.enable(0, work_with(Pasid(1), one_per_page(4, 4)));
  });
  rig.run();
  CHECK(rig.rig.unit().queue().devices().stats.timeouts == 1);
  CHECK(device.in_flight() == 0);
  CHECK(device.latency.count() >= 4);
}

TEST_CASE("virtual functions share credits and group indexes of their physical function",
          "[models][ats][queues]") {
  FunctionRig rig;
  FunctionRig::AtsOptions options;
  options.pri = PriParams{3, 1};
  AtsDevice& physical = rig.add_ats(0, {1, 2ns}, options);
  FunctionRig::AtsOptions of_virtual;
  of_virtual.physical = &physical;
  std::array<AtsDevice*, 2> functions{};
  PageTable& table = rig.space(0, false);
  for (std::uint32_t f = 0; f < 2; ++f) {
    functions[f] = &rig.add_ats(f + 1, {1, 2ns}, of_virtual);
    rig.attach(f + 1, Pasid(1), table);
  }
  rig.rig.engine.spawn("driver", Lifetime::finishes, [&] {
    for (AtsDevice* const function : functions)
      function->enable(0, work_with(Pasid(1), endless(16, 10ns, 4)));
    rig.rig.engine.sleep_until(Instant(10us));
    std::set<std::uint16_t> groups;
    std::vector<std::uint32_t> asked(3);
    for (const PageRequest& request : rig.host.page_requests) {
      groups.insert(request.group);
      ++asked[request.source.value() - Rig::source_of(0).value()];
    }
    REQUIRE(rig.host.page_requests.size() == 3);
    CHECK(groups.size() == 3);
    CHECK(asked[1] + asked[2] == 3);
    CHECK(functions[0]->page_requests_outstanding() + functions[1]->page_requests_outstanding() ==
          3);
    SECTION("an answer to one lets the other send") {
      for (const PageRequest& request : std::vector(rig.host.page_requests)) {
        AtsDevice& to = request.source == functions[0]->source() ? *functions[0] : *functions[1];
        to.answer({request.source, request.pasid, request.group, PageResponseCode::invalid});
      }
      rig.rig.engine.sleep_for(5us);
      CHECK(rig.host.page_requests.size() == 6);
    }
    SECTION("a reset of one leaves its credits to the other") {
      functions[0]->reset_function();
      rig.rig.engine.sleep_for(5us);
      CHECK(functions[0]->page_requests_outstanding() == 0);
      CHECK(functions[1]->page_requests_outstanding() == 3);
      CHECK(functions[1]->page_requests_enabled());
      // An answer to one of the groups from before.
      for (const PageRequest& request : std::vector(rig.host.page_requests)) {
        if (request.source == functions[0]->source())
          functions[0]->answer(
              {request.source, request.pasid, request.group, PageResponseCode::success});
      }
      rig.rig.engine.sleep_for(5us);
      CHECK(functions[0]->stats.unexpected_responses > 0);
      CHECK(functions[1]->page_requests_outstanding() == 3);
    }
    SECTION("a reset of the physical function resets them") {
      physical.reset_function();
      for (AtsDevice* const function : functions) {
        CHECK(function->in_flight() == 0);
        CHECK(function->queue_state(0) == QueueState::disabled);
        CHECK_FALSE(function->page_requests_enabled());
      }
    }
    for (AtsDevice* const function : functions) function->remove();
  });
  rig.run();
  for (AtsDevice* const function : functions) CHECK(function->lost_in_flight() == 0);
}

TEST_CASE("a function that uses a PASID after its queue was stopped goes on until it is reset",
          "[models][ats][queues]") {
  FunctionRig rig;
  FunctionRig::AtsOptions options;
  options.ats.misbehaviour.use_after_stop = true;
  AtsDevice& device = rig.add_ats(0, {2, 2ns}, options);
  for (std::uint32_t p = 0; p < 2; ++p) rig.attach(0, Pasid(p + 1), rig.space(p));
  StopNote note(rig.rig.engine);
  const bool enabled_again = GENERATE(false, true);
  Ps told(0);
  rig.rig.engine.spawn("driver", Lifetime::finishes, [&] {
    device.enable(0, work_with(Pasid(1), endless(4, 50ns), &note));
    rig.rig.engine.sleep_until(Instant(10us));
    device.stop_queue(0, false);
    note.signal.wait();
    told = rig.rig.engine.now().since_start();
    CHECK(device.queue_state(0) == QueueState::disabled);
    rig.rig.engine.sleep_for(10us);
    if (enabled_again) device.enable(0, work_with(Pasid(2), endless(4, 50ns)));
    rig.rig.engine.sleep_for(10us);
    device.reset_function();
  });
  rig.run();
  std::uint64_t wrong = 0;
  for (const Ended& ended : rig.ended.all)
    wrong += ended.hpa < FunctionRig::frames_of(1).value() && ended.at - ended.took >= told ? 1 : 0;
  CHECK(wrong > 10);
  CHECK((rig.ended.all.back().hpa < FunctionRig::frames_of(1).value()) == !enabled_again);
}
