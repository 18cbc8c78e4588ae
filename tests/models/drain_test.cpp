// Drains: invalidations that wait for what is in flight, and waits that wait for page requests.
// SPDX-License-Identifier: Apache-2.0
#include "tests/support/catch.hpp"
#include "tests/support/queue_rig.hpp"

#include <algorithm>
#include <string>

using namespace viosim;
using namespace viosim::test;
using Log = QueueRig::Log;

namespace {

constexpr Bdf device{1, 0, 0};

// Its walk: root, context, directory, PASID entry and four levels, 80 ns each.
struct Walker final : WalkClient {
  explicit Walker(QueueRig& rig) : rig_(rig), table_(rig.memory, TableFormat::second_level, 4) {
    table_.map(Iova(0), Hpa(1U << 30U), 16, {true, true});
    vtd::PasidEntry entry;
    entry.present = true;
    entry.address_width = 2;
    entry.type = vtd::PasidEntry::Type::second_level;
    entry.second_level = table_.root();
    entry.domain = DomainId(5);
    vtd::ScalableContext context;
    context.pasid_enable = true;
    context.device_tlb_enable = true;
    rig.unit.tables().attach(device, 1, context);
    rig.unit.tables().set_entry(device, Pasid(0), entry);
    port_.source = device;
  }
  void walk(std::uint64_t page, Access access = Access::read,
            AddressType type = AddressType::untranslated) {
    Iommu& iommu = rig_.unit.iommu();
    iommu.start_walk(port_, Iova(page << 12U), access, iommu.use_now(), *this, page, type);
  }
  bool hits(std::uint64_t page, Access access) {
    Hpa at;
    Iommu& iommu = rig_.unit.iommu();
    return iommu.lookup(port_, Iova(page << 12U), access, iommu.use_now(), at);
  }
  bool admitted(Access access) {
    Iommu& iommu = rig_.unit.iommu();
    return iommu.admit(port_, Iova(), AddressType::translated, access, iommu.use_now());
  }
  void walked(std::uint64_t page, const WalkResult&) override {
    rig_.log.push_back(to_text(Ps(rig_.agenda.now().ps())) + " walked " + std::to_string(page));
  }

 private:
  QueueRig& rig_;
  PageTable table_;
  IommuPort port_;
};

vtd::Descriptor draining(bool reads, bool writes) {
  vtd::Descriptor d = QueueRig::iotlb();
  d.drain_reads = reads;
  d.drain_writes = writes;
  return d;
}

class FakePages final : public vtd::PageRequestPath {
 public:
  void request_page(const PageRequest&) override {}
  bool drain(DrainClient& client, std::uint64_t cookie) override {
    ++asked;
    client_ = &client;
    cookie_ = cookie;
    return !busy;
  }
  void through() { client_->drained(cookie_); }
  bool busy = false;
  unsigned asked = 0;

 private:
  DrainClient* client_ = nullptr;
  std::uint64_t cookie_ = 0;
};

}  // namespace

TEST_CASE("a drain is complete when the walks of its kind that were in flight are answered",
          "[models][queue]") {
  struct Case {
    bool supported, reads, writes;
    Access access;
    bool waits;
  };
  const auto c = GENERATE(values<Case>({{true, true, true, Access::read, true},
                                        {true, true, true, Access::write, true},
                                        {true, true, false, Access::read, true},
                                        {true, true, false, Access::write, false},
                                        {true, false, true, Access::read, false},
                                        {true, false, true, Access::write, true},
                                        {true, false, false, Access::read, false},
                                        {false, true, true, Access::read, false}}));
  vtd::UnitParams params;
  params.invalidation.drain = c.supported;
  QueueRig rig(params);
  Walker walker(rig);
  rig.put(draining(c.reads, c.writes));
  rig.put(rig.iotlb());
  rig.put_wait(1);
  rig.submit();
  rig.run_to(300ns);
  walker.walk(1, c.access);  // begins after the context cache's 2 ns, ends at 942 ns
  rig.run_to(500ns);
  walker.walk(2);  // in flight only after the drain began at 395 ns
  rig.run();
  const Log early = {"395 ns 1 done", "595 ns 2 done", "695 ns status 1", "695 ns 3 done"};
  const Log late = {"595 ns 1 done", "942 ns 2 done", "1042 ns status 1", "1042 ns 3 done"};
  Log queue_only;
  for (const std::string& line : rig.log) {
    if (line.find("walked") == std::string::npos) queue_only.push_back(line);
  }
  CHECK(queue_only == (c.waits ? late : early));
  CHECK(std::count(rig.log.begin(), rig.log.end(), "1142 ns walked 2") == 1);
}

namespace {

// When an IOTLB descriptor that is executed at 2390 ns is complete, with a wait that takes no time
// behind it. `act` is done at 2300 ns; memory is 80 ns away, an IOTLB hit 404 ns.
Ps drained_at(vtd::Descriptor descriptor, void (*act)(Walker&)) {
  vtd::UnitParams params;
  params.iotlb.latency = 400ns;
  params.invalidation.wait = 0ns;
  QueueRig rig(params);
  rig.unit.iommu().reaches_memory_in(80ns);
  Walker walker(rig);
  walker.walk(1);
  rig.run_to(2us);
  rig.put(descriptor);
  rig.put_wait(1);
  rig.submit();
  rig.run_to(2300ns);
  act(walker);
  rig.log.clear();
  rig.run();
  std::erase_if(rig.log,
                [](const std::string& line) { return line.find("walked") != std::string::npos; });
  REQUIRE(rig.log.size() == 3);
  const std::string at = rig.log[0].substr(0, rig.log[0].find(" ns"));
  CHECK(rig.log == Log{at + " ns 1 done", at + " ns status 1", at + " ns 2 done"});
  return Ps(std::stoll(at) * 1000);
}

void read_hit(Walker& walker) { REQUIRE(walker.hits(1, Access::read)); }
void write_hit(Walker& walker) { REQUIRE(walker.hits(1, Access::write)); }
void read_walk(Walker& walker) { walker.walk(2); }
void write_walk(Walker& walker) { walker.walk(2, Access::write); }
void translated_read(Walker& walker) { REQUIRE(walker.admitted(Access::read)); }
void translated_write(Walker& walker) { REQUIRE(walker.admitted(Access::write)); }
void translation_request(Walker& walker) {
  walker.walk(2, Access::write, AddressType::translation);
}
void page_request(Walker& walker) { walker.walk(2, Access::read, AddressType::page_request); }

}  // namespace

TEST_CASE("a drain is complete when memory has the accesses of its kind", "[models][queue]") {
  const Ps at_once = 2390ns;
  const Ps hit = 2300ns + 404ns + 80ns;
  const Ps walk = 2300ns + 4ns + 400ns + 4 * 80ns + 80ns;
  const Ps translated = 2300ns + 2ns + 80ns;  // over by then
  CHECK(drained_at(draining(true, false), read_hit) == hit);
  CHECK(drained_at(draining(false, true), read_hit) == at_once);
  CHECK(drained_at(draining(false, true), write_hit) == hit);
  CHECK(drained_at(draining(true, false), write_hit) == at_once);
  CHECK(drained_at(draining(true, false), read_walk) == walk);
  CHECK(drained_at(draining(false, true), read_walk) == at_once);
  CHECK(drained_at(draining(false, true), write_walk) == walk);
  CHECK(drained_at(draining(true, false), write_walk) == at_once);
  CHECK(translated < at_once);
  CHECK(drained_at(draining(true, true), translated_read) == at_once);
  CHECK(drained_at(draining(true, true), translated_write) == at_once);
  CHECK(drained_at(draining(false, false), read_hit) == at_once);
}

TEST_CASE(
    "a drain counts a translation request as a read until its answer leaves, and no page request",
    "[models][queue]") {
  const Ps at_once = 2390ns;
  const Ps answered = 2300ns + 4ns + 400ns + 4 * 80ns;
  CHECK(drained_at(draining(true, false), translation_request) == answered);
  CHECK(drained_at(draining(false, true), translation_request) == at_once);
  CHECK(drained_at(draining(true, true), page_request) == at_once);
}

TEST_CASE("a drain waits for what was answered before it and is on its way to memory",
          "[models][queue]") {
  const bool translated = GENERATE(false, true);
  const Access access = GENERATE(Access::read, Access::write);
  const bool writes = GENERATE(false, true);
  QueueRig rig;
  rig.unit.iommu().reaches_memory_in(1us);
  Walker walker(rig);
  walker.walk(1, access);  // until 642 ns
  rig.run_to(2us);
  if (translated) REQUIRE(walker.admitted(access));
  if (!translated) walker.walk(2, access);  // answered at 2324 ns
  rig.run_to(2us);
  rig.put(draining(!writes, writes));
  rig.submit();
  rig.log.clear();
  rig.run();
  const bool waits = writes == (access == Access::write);
  const std::string at = !waits ? "2385 ns" : translated ? "3002 ns" : "3329 ns";
  CHECK(rig.log.back() == at + " 1 done");
}

TEST_CASE("an invalidation by PASID drains without being asked, also behind one of its entry",
          "[models][queue]") {
  const bool drains = GENERATE(true, false);
  const bool teardown = GENERATE(false, true);
  vtd::UnitParams params;
  params.invalidation.pasid_drain = drains;
  params.invalidation.drain = false;  // of descriptors that may ask
  QueueRig rig(params);
  Walker walker(rig);
  if (teardown) {
    vtd::Descriptor entry;
    entry.type = vtd::DescriptorType::pasid_cache;
    entry.granularity = vtd::Granularity::pasid;
    entry.domain = DomainId(5);
    rig.put(entry);
  }
  vtd::Descriptor pasid;
  pasid.type = vtd::DescriptorType::pasid_iotlb;
  pasid.granularity = vtd::Granularity::pasid;
  pasid.domain = DomainId(5);
  rig.put(pasid);
  rig.put_wait(1);
  rig.submit();
  rig.run_to(250ns);
  walker.walk(1);  // until 892 ns
  rig.run();
  const std::string early = teardown ? "595 ns status 1" : "490 ns status 1";
  CHECK(std::count(rig.log.begin(), rig.log.end(), drains ? "992 ns status 1" : early) == 1);
  CHECK(std::count(rig.log.begin(), rig.log.end(), "892 ns walked 1") == 1);
}

TEST_CASE("a drain of an idle IOMMU takes no time", "[models][queue]") {
  vtd::UnitParams params;
  params.invalidation.drain = true;
  QueueRig rig(params);
  rig.put(draining(true, true));
  rig.submit();
  rig.run();
  CHECK(rig.log == Log{"385 ns 1 done"});
}

TEST_CASE("a wait with page drain is complete when page requests are through", "[models][queue]") {
  const bool busy = GENERATE(false, true);
  const bool after_device = GENERATE(false, true);
  QueueRig rig;
  FakeFunction function(rig.agenda, rig.unit, device);
  FakePages pages;
  rig.unit.attach_page_requests(pages);
  pages.busy = busy;
  if (after_device) rig.put(rig.device_tlb(device));
  vtd::Descriptor wait = rig.wait(3);
  wait.page_drain = true;
  rig.put(wait);
  rig.submit();
  rig.run_to(2us);
  if (busy) {
    CHECK(pages.asked == 1);
    CHECK(rig.memory.read(rig.status) == 0);
    pages.through();
    rig.run();
    CHECK(rig.log[rig.log.size() - 2] == "2100 ns status 3");
  } else {
    CHECK(rig.log[rig.log.size() - 2] == (after_device ? "995 ns status 3" : "285 ns status 3"));
  }
}

TEST_CASE("a plain wait does not ask for page requests", "[models][queue]") {
  QueueRig rig;
  FakePages pages;
  rig.unit.attach_page_requests(pages);
  rig.put_wait(1);
  rig.submit();
  rig.run();
  CHECK(pages.asked == 0);
}

TEST_CASE("a time-out aborts a wait that page requests hold up", "[models][queue]") {
  vtd::UnitParams params;
  params.invalidation.device_tlb_timeout = 1us;
  QueueRig rig(params);
  FakeFunction function(rig.agenda, rig.unit, device);
  function.answers = false;
  FakePages pages;
  rig.unit.attach_page_requests(pages);
  pages.busy = true;
  vtd::Descriptor wait = rig.wait(3);
  wait.page_drain = true;
  rig.put(wait);
  rig.put(rig.device_tlb(device));
  rig.submit();
  rig.run_to(2us);
  CHECK(rig.log == Log{"1195 ns wait aborted", "1195 ns 2 done", "1195 ns ITE 01:00.0"});
  pages.through();
  rig.run();
  CHECK(rig.log.size() == 3);
}

TEST_CASE("a wait with page drain is complete when the answers before it have arrived",
          "[models][queue][pri]") {
  const bool drains = GENERATE(false, true);
  QueueRig rig;
  FakeFunction function(rig.agenda, rig.unit, Bdf(3, 0, 0));
  vtd::Descriptor response;
  response.type = vtd::DescriptorType::page_response;
  response.source = Bdf(3, 0, 0);
  rig.put(response);
  vtd::Descriptor wait = rig.wait(1);
  wait.page_drain = drains;
  rig.put(wait);
  rig.submit();
  rig.run();
  CHECK(function.responses.size() == 1);
  // Doorbell, fetch of two and the response's own time: then it leaves, and has 200 ns to go.
  const Ps leaves = 100ns + 80ns + 2 * 5ns + 100ns;
  const Ps status = leaves + (drains ? FakeFunction::link : 0ns) + 100ns;
  CHECK(rig.log == QueueRig::Log{to_text(leaves) + " 1 done", to_text(status) + " status 1",
                                 to_text(status) + " 2 done"});
}
