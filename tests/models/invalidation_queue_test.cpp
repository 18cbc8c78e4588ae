// The invalidation queue: what is complete when, and what goes wrong.
// SPDX-License-Identifier: Apache-2.0
//
// The costs are the defaults: doorbell 100 ns, fetch 80 ns and 5 ns for each descriptor, 5 ns until
// a request leaves for a function, 700 ns for it there and back, 200 ns for an IOTLB descriptor,
// 100 ns for the others. The functions: 200 ns each way and 300 ns of work.
#include "core/base/error.hpp"
#include "models/iommu/vtd/registers.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/queue_rig.hpp"

using namespace viosim;
using namespace viosim::test;
using vtd::DescriptorType;
using Log = QueueRig::Log;

namespace {

constexpr Bdf device{1, 0, 0};
constexpr Bdf other{2, 0, 0};

// Leaves three translations in the IOTLB, of domain 5.
struct ThreePages final : WalkClient {
  explicit ThreePages(QueueRig& rig) : table(rig.memory, TableFormat::second_level, 4) {
    table.map(Iova(0), Hpa(1U << 30U), 3, {true, true});
    vtd::PasidEntry entry;
    entry.present = true;
    entry.address_width = 2;
    entry.type = vtd::PasidEntry::Type::second_level;
    entry.second_level = table.root();
    entry.domain = DomainId(5);
    rig.unit.tables().attach(device, 1, Pasid(0));
    rig.unit.tables().set_entry(device, Pasid(0), entry);
    port.source = device;
    Iommu& iommu = rig.unit.iommu();
    for (std::uint64_t page = 0; page < 3; ++page)
      iommu.start_walk(port, Iova(page << 12U), Access::read, iommu.use_now(), *this, page);
    rig.run();
  }
  void walked(std::uint64_t, const WalkResult&) override {}

  PageTable table;
  IommuPort port;
};

}  // namespace

TEST_CASE("a device-TLB request is complete when the function's completion is back",
          "[models][queue]") {
  QueueRig rig;
  FakeFunction function(rig.agenda, rig.unit, device);
  rig.put(rig.device_tlb(device));
  rig.put_wait(2);
  rig.submit();
  rig.run();
  CHECK(function.sent_at == std::vector<Ps>{195ns});
  CHECK(rig.log == Log{"895 ns 1 done", "995 ns status 2", "995 ns 2 done"});
}

TEST_CASE("what is no wait goes on while a function is asked, unless only one may be under way",
          "[models][queue]") {
  const bool one_at_a_time = GENERATE(false, true);
  vtd::UnitParams params;
  if (one_at_a_time) params.invalidation.outstanding = 1;
  QueueRig rig(params);
  FakeFunction function(rig.agenda, rig.unit, device);
  rig.put(rig.device_tlb(device));
  rig.put(rig.iotlb());
  rig.put_wait(2);
  rig.submit();
  rig.run();
  CHECK(rig.log ==
        (one_at_a_time
             ? Log{"900 ns 1 done", "1100 ns 2 done", "1200 ns status 2", "1200 ns 3 done"}
             : Log{"400 ns 1 done", "900 ns 2 done", "1 us status 2", "1 us 3 done"}));
}

TEST_CASE("a fence is complete before what follows it is begun", "[models][queue]") {
  const bool fence = GENERATE(false, true);
  QueueRig rig;
  FakeFunction function(rig.agenda, rig.unit, device);
  rig.put(rig.device_tlb(device));
  rig.put_wait(1, fence);
  rig.put(rig.iotlb());
  rig.put_wait(2);
  rig.submit();
  rig.run();
  CHECK(rig.log == (fence ? Log{"905 ns 1 done", "1005 ns status 1", "1005 ns 2 done",
                                "1205 ns 3 done", "1305 ns status 2", "1305 ns 4 done"}
                          : Log{"405 ns 1 done", "905 ns 2 done", "1005 ns status 1",
                                "1005 ns 3 done", "1105 ns status 2", "1105 ns 4 done"}));
}

TEST_CASE("a function that is not attached takes its time and holds up the queue",
          "[models][queue]") {
  QueueRig rig;
  rig.put(rig.device_tlb(device));
  rig.put(rig.iotlb());
  rig.submit();
  rig.run();
  CHECK(rig.log == Log{"890 ns 1 done", "1090 ns 2 done"});
}

TEST_CASE("requests beyond the function's queue depth wait for a completion", "[models][queue]") {
  struct Case {
    std::uint8_t depth;
    std::uint32_t requests;
    std::size_t at_once;
  };
  const auto c = GENERATE(values<Case>({{0, 40, 32}, {31, 40, 31}, {1, 3, 1}, {2, 3, 2}}));
  QueueRig rig;
  FakeFunction function(rig.agenda, rig.unit, device);
  for (std::uint32_t i = 0; i < c.requests; ++i) rig.put(rig.device_tlb(device, c.depth));
  rig.submit();
  rig.run();
  REQUIRE(function.sent_at.size() == c.requests);
  const Ps first_back = function.sent_at.front() + 700ns;
  CHECK(function.sent_at[c.at_once - 1] < first_back);
  CHECK(function.sent_at[c.at_once] == first_back);
  CHECK(rig.queue().devices().stats.in_flight_most == c.at_once);
  for (std::size_t i = 1; i < c.at_once; ++i)
    CHECK(function.requests[i].tag != function.requests[0].tag);
}

TEST_CASE("a tag is not used again before its completion, however many others are",
          "[models][queue]") {
  QueueRig rig;
  FakeFunction function(rig.agenda, rig.unit, device);
  function.answers = false;
  constexpr std::uint32_t tags = 32;
  for (std::uint32_t i = 0; i < tags; ++i) rig.put(rig.device_tlb(device));
  rig.submit();
  rig.run_to(100us);
  REQUIRE(function.requests.size() == tags);
  const unsigned first = function.requests[0].tag;
  function.complete(~(1U << first));
  for (std::uint32_t i = 0; i < tags - 1; ++i) rig.put(rig.device_tlb(device));
  rig.submit();
  rig.run_to(200us);
  REQUIRE(function.requests.size() == 2 * tags - 1);
  for (std::uint32_t i = 1; i < 2 * tags - 1; ++i) CHECK(function.requests[i].tag != first);
}

TEST_CASE("virtual functions share their physical function's queue depth", "[models][queue]") {
  const bool same = GENERATE(false, true);
  QueueRig rig;
  FakeFunction one(rig.agenda, rig.unit, device);
  FakeFunction two(rig.agenda, rig.unit, other);
  for (const Bdf source : {device, other}) {
    vtd::Descriptor d = rig.device_tlb(source, 1);
    if (same) d.physical_function = Bdf(3, 0, 0);
    rig.put(d);
  }
  rig.submit();
  rig.run();
  CHECK(one.sent_at == std::vector<Ps>{195ns});
  CHECK(two.sent_at == std::vector<Ps>{same ? 895ns : 200ns});
}

TEST_CASE("a request without a completion times out: waits are aborted, and the queue stops",
          "[models][queue]") {
  vtd::UnitParams params;
  params.invalidation.device_tlb_timeout = 10us;
  QueueRig rig(params);
  FakeFunction function(rig.agenda, rig.unit, device);
  function.answers = false;
  rig.put(rig.device_tlb(device));
  rig.put_wait(1);
  rig.submit();
  rig.run_to(10195ns - Ps(1));
  CHECK(rig.log.empty());
  rig.put(rig.iotlb());
  rig.put_wait(2);
  rig.submit();  // arrives when the queue has stopped
  rig.run_to(10195ns);
  CHECK(rig.log == Log{"10195 ns wait aborted", "10195 ns 2 done", "10195 ns ITE 01:00.0"});
  CHECK(rig.queue().errors().timeout);
  CHECK(rig.queue().errors().timed_out == device);
  rig.run_to(20us);
  CHECK(rig.queue().head() == 2);  // behind the wait that was aborted
  CHECK(rig.log.size() == 3);
  CHECK(rig.memory.read(rig.status) == 0);

  SECTION("and goes on when software has cleared the error") {
    function.answers = true;
    rig.log.clear();
    rig.queue().clear_error();
    rig.run();
    CHECK(rig.log == Log{"20290 ns 3 done", "20390 ns status 2", "20390 ns 4 done"});
    CHECK(rig.queue().errors() == vtd::InvalidationErrors{});
  }
  SECTION("and a completion that comes after all is unexpected") {
    rig.log.clear();
    function.complete(1U << function.requests[0].tag);
    rig.run();
    CHECK(rig.log == Log{"20200 ns ICE 01:00.0"});
    CHECK(rig.queue().errors().completion);
    CHECK(rig.queue().errors().unexpected == device);
  }
}

TEST_CASE("an unexpected completion does not stop the queue", "[models][queue]") {
  QueueRig rig;
  FakeFunction function(rig.agenda, rig.unit, device);
  function.complete(1U << 9U);
  rig.run();
  rig.put_wait(1);
  rig.submit();
  rig.run();
  CHECK(rig.log == Log{"200 ns ICE 01:00.0", "485 ns status 1", "485 ns 1 done"});
}

TEST_CASE("the first device that timed out is named until the error is cleared",
          "[models][queue]") {
  vtd::UnitParams params;
  params.invalidation.device_tlb_timeout = 1us;
  QueueRig rig(params);
  FakeFunction one(rig.agenda, rig.unit, device);
  FakeFunction two(rig.agenda, rig.unit, other);
  one.answers = two.answers = false;
  rig.put(rig.device_tlb(device));
  rig.put(rig.device_tlb(other));
  rig.submit();
  rig.run();
  CHECK(rig.queue().devices().stats.timeouts == 2);
  CHECK(rig.queue().errors().timed_out == device);
  rig.queue().clear(false, false, true);
  rig.put(rig.device_tlb(other));
  rig.submit();
  rig.run();
  CHECK(rig.queue().errors().timed_out == other);
}

TEST_CASE("a time-out leaves a status write that is on its way alone", "[models][queue]") {
  vtd::UnitParams params;
  params.invalidation.device_tlb_timeout = 750ns;  // between the first completion and its status
  QueueRig rig(params);
  FakeFunction answers(rig.agenda, rig.unit, device);
  FakeFunction silent(rig.agenda, rig.unit, other);
  silent.answers = false;
  rig.put(rig.device_tlb(device));
  rig.put_wait(1);
  rig.put(rig.device_tlb(other));
  rig.put_wait(2);
  rig.submit();
  rig.run();
  CHECK(rig.log == Log{"905 ns 1 done", "960 ns wait aborted", "960 ns 3 done",
                       "960 ns ITE 02:00.0", "1005 ns status 1", "1005 ns 4 done"});
}

TEST_CASE("a descriptor that hardware does not take stops the queue at it", "[models][queue]") {
  QueueRig rig;
  FakeFunction function(rig.agenda, rig.unit, device);
  rig.put(rig.device_tlb(device));
  rig.put(vtd::DescriptorBits{0xf});
  rig.put_wait(2);
  rig.submit();
  rig.run_to(20us);
  CHECK(rig.log == Log{"200 ns IQE at 1", "900 ns 1 done"});
  CHECK(rig.queue().errors().reason == vtd::QueueError::unknown_type);
  rig.log.clear();
  rig.tail = 1;  // as Linux does: overwrites it with a wait
  rig.put_wait(7);
  rig.queue().clear_error();
  rig.run();
  CHECK(rig.log ==
        Log{"20190 ns status 7", "20190 ns 2 done", "20290 ns status 2", "20290 ns 3 done"});
}

TEST_CASE("more pages than the parameter allows stop the queue", "[models][queue]") {
  vtd::UnitParams params;
  params.invalidation.max_address_mask = 9;
  QueueRig rig(params);
  vtd::Descriptor pages = rig.iotlb();
  pages.granularity = vtd::Granularity::page;
  pages.address_mask = 9;
  rig.put(pages);
  pages.address_mask = 10;
  rig.put(pages);
  rig.submit();
  rig.run();
  CHECK(rig.log == Log{"390 ns 1 done", "390 ns IQE at 1"});
}

TEST_CASE("the interrupts of wait descriptors are one until software has seen it",
          "[models][queue]") {
  QueueRig rig;
  vtd::Descriptor wait;
  wait.interrupt = true;
  rig.put(wait);
  rig.put(wait);
  rig.submit();
  rig.run();
  CHECK(rig.log == Log{"290 ns interrupt", "290 ns 1 done", "390 ns 2 done"});
  CHECK(rig.queue().wait_interrupt_pending());
  rig.queue().clear_wait_interrupt();
  rig.put(wait);
  rig.submit();
  rig.run();
  CHECK(rig.log[3] == "675 ns interrupt");
}

TEST_CASE("a page group response goes to its function, or is lost", "[models][queue]") {
  QueueRig rig;
  FakeFunction function(rig.agenda, rig.unit, device);
  vtd::Descriptor response;
  response.type = DescriptorType::page_response;
  response.source = device;
  response.has_pasid = true;
  response.pasid = Pasid(7);
  response.group = 300;
  response.code = PageResponseCode::invalid;
  rig.put(response);
  response.source = other;
  rig.put(response);
  rig.submit();
  rig.run();
  CHECK(rig.log == Log{"290 ns 1 done", "390 ns 2 done"});
  REQUIRE(function.responses.size() == 1);
  CHECK(function.responses[0].pasid == Pasid(7));
  CHECK(function.responses[0].group == 300);
  CHECK(function.responses[0].code == PageResponseCode::invalid);
  CHECK(rig.queue().devices().stats.responses_lost == 1);
}

TEST_CASE("a full ring is executed to its end", "[models][queue]") {
  QueueRig full;
  const std::uint32_t most = full.queue().entries() - 1;
  for (std::uint32_t i = 0; i < most; ++i) full.put_wait(i);
  full.submit();
  full.run();
  CHECK(full.queue().stats.waits == most);
  CHECK(full.queue().head() == most);
}

TEST_CASE("the largest ring of each mode is gone round", "[models][queue]") {
  const bool scalable = GENERATE(false, true);
  vtd::UnitParams params;
  params.mode = scalable ? vtd::Mode::scalable : vtd::Mode::legacy;
  params.invalidation.entries = scalable ? vtd::most_wide_entries : vtd::most_entries;
  QueueRig rig(params);
  const std::uint32_t all = rig.queue().entries();
  CHECK((vtd::Registers(rig.unit).read64(vtd::reg::iqa) & 7U) == 7U);
  for (std::uint32_t done = 0; done < all + all / 4; done += all / 4) {
    for (std::uint32_t i = 0; i < all / 4; ++i) rig.put_wait(i);
    rig.submit();
    rig.run();
    CHECK(rig.queue().head() == rig.tail);
  }
  CHECK(rig.queue().stats.waits == all + all / 4);
}

TEST_CASE("a tail that passes the head, or goes back, leads hardware round the ring",
          "[models][queue]") {
  QueueRig rig;
  const std::uint32_t all = rig.queue().entries();
  SECTION("past the head") {
    for (std::uint32_t i = 0; i < all; ++i) rig.put_wait(i);
    rig.queue().write_tail(all - 1);
    rig.run_to(150ns);
    rig.queue().write_tail(1);  // the head is at 0
    rig.run();
    CHECK(rig.queue().stats.waits == all + 1);
    CHECK(rig.queue().head() == 1);
  }
  SECTION("back") {
    for (std::uint32_t i = 0; i < 5; ++i) rig.put_wait(i);
    rig.queue().write_tail(5);
    rig.queue().write_tail(2);
    rig.run();
    // What the first write names is fetched; behind it nothing was ever written.
    CHECK(rig.queue().stats.waits == 5);
    CHECK(rig.log.back() == "2050 ns IQE at 5");
  }
}

TEST_CASE("a domain-selective IOTLB descriptor takes longer for each entry that the IOTLB holds",
          "[models][queue]") {
  struct Row {
    DescriptorType type;
    vtd::Granularity granularity;
    bool each;
  };
  const Row row = GENERATE(Row{DescriptorType::iotlb, vtd::Granularity::domain, true},
                           Row{DescriptorType::iotlb, vtd::Granularity::global, false},
                           Row{DescriptorType::iotlb, vtd::Granularity::page, false},
                           Row{DescriptorType::pasid_iotlb, vtd::Granularity::pasid, false});
  QueueRig rig;
  ThreePages pages(rig);
  rig.log.clear();
  const Ps from(rig.agenda.now().ps());
  vtd::Descriptor flush;
  flush.type = row.type;
  flush.granularity = row.granularity;
  rig.put(flush);
  rig.submit();
  rig.run();
  const Ps at = from + 100ns + 80ns + 5ns + 200ns + (row.each ? 3 : 0) * 2ns;
  CHECK(rig.log == Log{to_text(at) + " 1 done"});
}

TEST_CASE("a completed request's deadline does not keep a run going", "[models][queue]") {
  QueueRig rig;
  FakeFunction function(rig.agenda, rig.unit, device);
  rig.put(rig.device_tlb(device));
  rig.put_wait(1);
  rig.submit();
  rig.run();
  CHECK(rig.log.back() == "995 ns 2 done");
  CHECK(rig.agenda.now() == Instant(995ns));
  // Beside its deadline, which comes first, one that matters.
  function.answers = false;
  rig.run_to(1ms);
  rig.put(rig.device_tlb(device));
  rig.submit();
  rig.run();
  CHECK(rig.log.back() == "11000190 ns ITE 01:00.0");
  rig.queue().clear_error();
  rig.run();
  CHECK(rig.agenda.now() == Instant(11'000'190ns));
}

TEST_CASE("a function that is detached leaves its requests to time out", "[models][queue]") {
  vtd::UnitParams params;
  params.invalidation.device_tlb_timeout = 1us;
  QueueRig rig(params);
  FakeFunction function(rig.agenda, rig.unit, device);
  function.answers = false;
  rig.put(rig.device_tlb(device, 1));
  rig.put(rig.device_tlb(device, 1));
  rig.submit();
  rig.run_to(500ns);
  rig.unit.detach_ats(device);
  CHECK(rig.log == Log{"500 ns 1 done"});  // the one that had not left
  rig.run();
  CHECK(rig.log.back() == "1195 ns ITE 01:00.0");
}

TEST_CASE("what a function answers after it was unplugged is counted, and its request times out",
          "[models][queue]") {
  vtd::UnitParams params;
  params.invalidation.device_tlb_timeout = 1us;
  QueueRig rig(params);
  FakeFunction function(rig.agenda, rig.unit, device);
  rig.put(rig.device_tlb(device));
  rig.submit();
  rig.run_to(500ns);
  rig.unit.detach_ats(device);
  rig.run();
  CHECK(rig.queue().devices().stats.completions_lost == 1);
  CHECK(rig.log.back() == "1190 ns ITE 01:00.0");
}

TEST_CASE("Little's law holds for what is under way in an invalidation queue", "[models][queue]") {
  struct Ends final : TraceObserver {
    void observe(const TraceEvent& event) override {
      if (static_cast<EventKind>(event.kind) == EventKind::invalidate) took += event.duration;
    }
    bool wants_requests() const override { return false; }
    std::int64_t took = 0;
  } ends;
  vtd::UnitParams params;
  params.invalidation.outstanding = GENERATE(1U, 3U, 16U);
  QueueRig rig(params);
  FakeFunction function(rig.agenda, rig.unit, device, 700ns);
  Tracer tracer;
  tracer.start(ends);
  rig.queue().trace_to(tracer, 0);
  for (int i = 0; i < 20; ++i) {
    rig.put(rig.device_tlb(device));
    rig.put(rig.iotlb());
    if (i % 4 == 3) rig.put_wait(static_cast<std::uint32_t>(i));
  }
  rig.submit();
  // Everything happens at whole nanoseconds: between two of them the number is what it is.
  std::int64_t sum = 0;
  for (std::int64_t t = 0; t < 60'000; ++t) {
    rig.agenda.run_before(Instant(Ps(t * 1000 + 500)));
    sum += static_cast<std::int64_t>(rig.queue().descriptors_under_way()) * 1000;
  }
  CHECK(rig.queue().stats.descriptors == 45);
  CHECK(rig.queue().descriptors_under_way() == 0);
  CHECK(ends.took == sum);
}
