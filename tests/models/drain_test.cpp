// Drains: invalidations that wait for walks in flight, and waits that wait for page requests.
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
    rig.unit.tables().attach(device, 1, Pasid(0));
    rig.unit.tables().set_entry(device, Pasid(0), entry);
    port_.source = device;
  }
  void walk(std::uint64_t page) {
    Iommu& iommu = rig_.unit.iommu();
    const UseStamp stamp = iommu.use_now();
    Hpa at;
    if (!iommu.lookup(port_, Iova(page << 12U), Access::read, stamp, at))
      iommu.start_walk(port_, Iova(page << 12U), Access::read, stamp, *this, page);
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

TEST_CASE("a drain is complete when the walks that were in flight are answered",
          "[models][queue]") {
  struct Case {
    bool supported, reads, writes, waits;
  };
  const auto c = GENERATE(values<Case>({{true, true, true, true},
                                        {true, true, false, true},
                                        {true, false, true, true},
                                        {true, false, false, false},
                                        {false, true, true, false}}));
  vtd::UnitParams params;
  params.invalidation.drain = c.supported;
  QueueRig rig(params);
  Walker walker(rig);
  rig.put(draining(c.reads, c.writes));
  rig.put(rig.iotlb());
  rig.put_wait(1);
  rig.submit();
  rig.run_to(300ns);
  walker.walk(1);  // begins after the context cache's 2 ns, ends at 942 ns
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
