// Requests of every kind through a timed IOMMU: rights, interrupts, translated requests, what caching
// mode remembers.
// SPDX-License-Identifier: Apache-2.0
#include "models/host/guest_memory.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/rig.hpp"

#include <functional>

using namespace viosim;
using namespace viosim::test;

namespace {

constexpr Pasid pasid{5};

// A scalable-mode IOMMU, one device with one PASID, and software that asks one thing after another.
class Bench {
 public:
  explicit Bench(const std::function<void(IommuParams&)>& change = {}) : rig(params(change)) {
    port.source = Rig::source_of(0);
  }

  struct Answer {
    bool hit = false;
    WalkResult result;
    Ps took{0};
    unsigned fault() const { return static_cast<unsigned>(result.fault); }
  };
  // For software: asks, and waits for the answer.
  Answer ask(Iova iova, Access access = Access::read,
             AddressType type = AddressType::untranslated) {
    struct Client : WalkClient {
      void walked(std::uint64_t, const WalkResult& answer) override {
        result = answer;
        at = now();
      }
      std::function<Instant()> now;
      WalkResult result;
      Instant at;
    } client;
    client.now = [this] { return rig.engine.agenda().now(); };
    Answer answer;
    Hpa at;
    const UseStamp stamp = rig.iommu().use_now();
    const Instant asked = rig.engine.now();
    if (type == AddressType::untranslated && rig.iommu().lookup(port, iova, access, stamp, at)) {
      answer.hit = true;
      answer.result.translation.page = at;
      answer.took = rig.iommu().hit_latency();
      return answer;
    }
    rig.iommu().start_walk(port, iova, access, stamp, client, 0, type);
    rig.engine.sleep_for(20us);
    answer.result = client.result;
    answer.took = client.at - asked;
    return answer;
  }
  void attach(const vtd::PasidEntry& entry, const vtd::ScalableContext& like = {}) {
    vtd::ScalableContext context = like;
    context.pasid_enable = true;
    rig.unit().tables().attach(port.source, 64, context);
    rig.unit().tables().set_entry(port.source, port.pasid == no_pasid ? Pasid(0) : pasid, entry);
  }
  void run(const std::function<void()>& software) {
    rig.engine.spawn("software", Lifetime::finishes, software);
    rig.engine.run();
  }

  Rig rig;
  IommuPort port;

 private:
  static RigParams params(const std::function<void(IommuParams&)>& change) {
    RigParams params;
    if (change) change(params.iommu);
    return params;
  }
};

vtd::PasidEntry first_level(const PageTable& table) {
  vtd::PasidEntry entry;
  entry.present = true;
  entry.type = vtd::PasidEntry::Type::first_level;
  entry.first_level = table.root();
  entry.domain = DomainId(2);
  return entry;
}

vtd::PasidEntry second_level(const PageTable& table) {
  vtd::PasidEntry entry;
  entry.present = true;
  entry.type = vtd::PasidEntry::Type::second_level;
  entry.second_level = table.root();
  entry.address_width = 2;
  entry.domain = DomainId(2);
  return entry;
}

}  // namespace

TEST_CASE("rights are checked on a hit as on a walk", "[models][iommu]") {
  Bench bench;
  bench.port.pasid = pasid;
  PageTable table(bench.rig.memory, TableFormat::first_level, 4);
  table.map(Iova(0x1000), Hpa(0x10'0000), 1, {true, true, true, true});
  table.map(Iova(0x2000), Hpa(0x20'0000), 1, {true, false, true, true});
  table.map(Iova(0x3000), Hpa(0x30'0000), 1, {true, true, true, false});  // supervisor's
  vtd::PasidEntry entry = first_level(table);
  SECTION("user requests") {
    bench.attach(entry);
    bench.run([&] {
      CHECK(bench.ask(Iova(0x1000), Access::write).result.translation.page == Hpa(0x10'0000));
      CHECK(bench.ask(Iova(0x1000), Access::write).hit);
      CHECK(bench.ask(Iova(0x2000)).fault() == 0);
      CHECK(bench.ask(Iova(0x2000)).hit);
      CHECK(bench.ask(Iova(0x2000), Access::write).fault() == 0x85);
      CHECK(bench.ask(Iova(0x3000)).fault() == 0x81);
      CHECK(bench.ask(Iova(0x1000), Access::execute).fault() == 0x5c);  // ERE is clear
    });
  }
  SECTION("execute requests, where they are enabled") {
    entry.execute_requests = true;
    bench.attach(entry);
    bench.run([&] {
      CHECK(bench.ask(Iova(0x1000), Access::execute).fault() == 0);
      CHECK(bench.ask(Iova(0x1000), Access::execute).hit);
    });
  }
  SECTION("supervisor requests") {
    bench.port.privileged = true;
    bench.attach(entry);
    bench.run([&] { CHECK(bench.ask(Iova(0x3000)).fault() == 0x5d); });  // SRE is clear
  }
  SECTION("supervisor requests, where they are enabled, write to read-only pages unless WPE") {
    bench.port.privileged = true;
    entry.supervisor_requests = true;
    entry.write_protect = GENERATE(false, true);
    bench.attach(entry);
    bench.run([&] {
      CHECK(bench.ask(Iova(0x3000), Access::write).fault() == 0);
      CHECK(bench.ask(Iova(0x3000), Access::write).hit);
      CHECK(bench.ask(Iova(0x2000), Access::write).fault() == (entry.write_protect ? 0x85U : 0U));
    });
  }
}

TEST_CASE("writes to the interrupt window are messages, other uses of it are refused",
          "[models][iommu]") {
  Bench bench;
  const Iova window(0xfee0'1234);
  PageTable table(bench.rig.memory, TableFormat::second_level, 4);
  table.map(Iova(0xc000'0000), Hpa(0x40'0000'0000), page_1g.count() >> 12U, {true, true, true}, 3);
  SECTION("without a PASID, also where a large page reaches over it") {
    bench.attach(second_level(table));
    bench.run([&] {
      CHECK(bench.ask(Iova(0xc000'0000), Access::write).fault() == 0);
      CHECK(bench.ask(Iova(0xfed0'0000), Access::write).hit);
      const auto message = bench.ask(window, Access::write);
      CHECK_FALSE(message.hit);
      CHECK(message.result.message);
      CHECK(message.result.translation.address(window) == Hpa(0xfee0'1234));
      CHECK(bench.ask(window, Access::read).fault() == 0x87);
      CHECK_FALSE(bench.ask(Iova(0xfef0'0000), Access::write).result.message);
    });
  }
  SECTION("in pass-through mode") {
    vtd::PasidEntry entry = second_level(table);
    entry.type = vtd::PasidEntry::Type::pass_through;
    bench.attach(entry);
    bench.run([&] {
      CHECK(bench.ask(Iova(0x5000)).result.translation.page == Hpa(0x5000));
      CHECK(bench.ask(window, Access::read).fault() == 0x87);
      CHECK(bench.ask(window, Access::write).fault() == 0);
    });
  }
  SECTION("with a PASID the window is memory, and nothing may be translated into it") {
    bench.port.pasid = pasid;
    table.map(Iova(0x1000), Hpa(0xfee0'0000), 1, {true, true});
    bench.attach(second_level(table));
    bench.run([&] {
      CHECK(bench.ask(window, Access::read).result.translation.address(window) ==
            Hpa(0x40'3ee0'1234));
      CHECK(bench.ask(Iova(0x1000), Access::write).fault() == 0x87);
      CHECK(bench.ask(Iova(0x1000), Access::write).fault() == 0x87);  // it was not cached
    });
  }
}

TEST_CASE("SRE and ERE are asked before it is known that nothing is translated",
          "[models][iommu]") {
  Bench bench;
  bench.port.pasid = pasid;
  vtd::PasidEntry entry;
  entry.present = true;
  entry.type = vtd::PasidEntry::Type::pass_through;
  entry.domain = DomainId(2);
  entry.supervisor_requests = GENERATE(false, true);
  entry.execute_requests = GENERATE(false, true);
  bench.attach(entry);
  bench.run([&] {
    for (int again = 0; again < 2; ++again) {
      bench.port.privileged = false;
      CHECK(bench.ask(Iova(0x5000)).fault() == 0);
      CHECK(bench.ask(Iova(0x5000), Access::execute).fault() ==
            (entry.execute_requests ? 0U : 0x5cU));
      bench.port.privileged = true;
      CHECK(bench.ask(Iova(0x5000)).fault() == (entry.supervisor_requests ? 0U : 0x5dU));
    }
  });
}

TEST_CASE("a message that a walk has found is not cached for requests with RID_PASID",
          "[models][iommu]") {
  Bench bench;
  const Iova window(0xfee0'1000);
  PageTable table(bench.rig.memory, TableFormat::second_level, 4);
  table.map(window, Hpa(0x40'0000'0000), 1, {true, true});
  vtd::ScalableContext context;
  context.rid_pasid = pasid;
  bench.port.pasid = pasid;
  bench.attach(second_level(table), context);
  bench.run([&] {
    bench.port.pasid = no_pasid;
    CHECK(bench.ask(window, Access::write).result.message);
    bench.port.pasid = pasid;
    const WalkResult result = bench.ask(window, Access::write).result;
    CHECK_FALSE(result.message);
    CHECK(result.translation.page == Hpa(0x40'0000'0000));
  });
}

TEST_CASE("requests with RID_PASID and without one share translations, and no messages",
          "[models][iommu]") {
  const bool large = GENERATE(false, true);
  const bool caches_absent = GENERATE(false, true);
  const bool ats = GENERATE(false, true);
  const AddressType type = ats ? AddressType::translation : AddressType::untranslated;
  Bench bench([&](IommuParams& params) { params.caching_mode = caches_absent; });
  const Iova window(0xfee0'1234);
  PageTable table(bench.rig.memory, TableFormat::second_level, 4);
  if (large) {
    table.map(Iova(0xc000'0000), Hpa(0x40'0000'0000), page_1g.count() >> 12U, {true, true}, 3);
    table.map(Iova(0x4000'0000), Hpa(0xc000'0000), page_1g.count() >> 12U, {true, true}, 3);
  } else {
    table.map(Iova(0xfee0'1000), Hpa(0x40'0000'0000), 1, {true, true});
    table.map(Iova(0x7ee0'1000), Hpa(0xfee0'1000), 1, {true, true});
  }
  vtd::ScalableContext context;
  context.device_tlb_enable = true;
  context.rid_pasid = pasid;
  bench.port.pasid = pasid;
  bench.attach(second_level(table), context);
  bench.run([&] {
    CHECK_FALSE(bench.ask(window, Access::write).result.message);
    CHECK(bench.ask(Iova(0xfee0'5000), Access::write).fault() == (large ? 0U : 0x79U));
    bench.port.pasid = no_pasid;
    CHECK(bench.ask(window, Access::write, type).result.message);
    CHECK(bench.ask(Iova(0xfee0'5000), Access::write, type).result.message);
    CHECK(bench.ask(window, Access::read).fault() == 0x87);
    CHECK(bench.ask(Iova(0x7ee0'1000), Access::write).fault() == 0);
    bench.port.pasid = pasid;
    CHECK(bench.ask(Iova(0x7ee0'1000), Access::write, type).fault() == 0x87);
  });
}

TEST_CASE("translated requests need ATS to be enabled, and are not translated again",
          "[models][iommu]") {
  Bench bench;
  PageTable table(bench.rig.memory, TableFormat::second_level, 4);
  vtd::ScalableContext context;
  context.device_tlb_enable = GENERATE(false, true);
  bench.attach(second_level(table), context);
  bench.run([&] {
    const auto answer = bench.ask(Iova(0x7000), Access::read, AddressType::translated);
    CHECK(answer.fault() == (context.device_tlb_enable ? 0U : 0x44U));
    if (context.device_tlb_enable) CHECK(answer.result.translation.page == Hpa(0x7000));
  });
  CHECK(bench.rig.iommu().iotlb_stats().insertions == 0);
}

TEST_CASE("the interrupt window is no address of page requests, and of translated ones a host's",
          "[models][iommu]") {
  Bench bench;
  bench.port.pasid = pasid;
  PageTable table(bench.rig.memory, TableFormat::second_level, 4);
  vtd::ScalableContext context;
  context.device_tlb_enable = true;
  context.page_request_enable = true;
  bench.attach(second_level(table), context);
  bench.run([&] {
    const Iova window(0xfee0'1000);
    CHECK(bench.ask(window, Access::read, AddressType::page_request).fault() == 0);
    CHECK(bench.ask(Iova(0xfed0'0000), Access::read, AddressType::translated).fault() == 0);
    Iommu& iommu = bench.rig.iommu();
    const auto admitted = [&](Iova at, AddressType type) {
      return iommu.admit(bench.port, at, type, Access::read, iommu.use_now());
    };
    CHECK(admitted(window, AddressType::page_request));
    CHECK(admitted(Iova(0xfed0'0000), AddressType::translated));
    CHECK_FALSE(admitted(window, AddressType::translated));
    CHECK(bench.ask(window, Access::read, AddressType::translated).fault() == 0x87);
  });
}

TEST_CASE("a device is not told of a page in which messages lie", "[models][iommu]") {
  Bench bench;
  if (GENERATE(false, true)) bench.port.pasid = pasid;
  PageTable table(bench.rig.memory, TableFormat::second_level, 4);
  constexpr std::uint64_t pages = page_1g.count() >> 12U;
  table.map(Iova(0xc000'0000), Hpa(0xc000'0000), pages, {true, true}, 3);
  table.map(Iova(0x1'0000'0000), Hpa(0x80'0000'0000), pages, {true, true}, 3);
  vtd::ScalableContext context;
  context.device_tlb_enable = true;
  bench.attach(second_level(table), context);
  bench.run([&] {
    const auto told = [&](Iova at) {
      return bench.ask(at, Access::write, AddressType::translation).result.translation;
    };
    for (const char* const when : {"by a walk", "by the IOTLB"}) {
      INFO(when);
      const Translation beside = told(Iova(0xfed0'5000));
      CHECK(beside.level == 1);
      CHECK(beside.page == Hpa(0xfed0'5000));
      CHECK(told(Iova(0x1'0000'5000)).level == 3);
    }
    WalkResult at_once;
    Iommu& iommu = bench.rig.iommu();
    REQUIRE(iommu.lookup_translation(bench.port, Iova(0xfed0'6000), Access::read, iommu.use_now(),
                                     at_once));
    CHECK(at_once.translation.level == 1);
    CHECK(at_once.translation.page == Hpa(0xfed0'6000));
  });
}

TEST_CASE("a translation request is told what is allowed, and absent pages are no fault",
          "[models][iommu]") {
  Bench bench;
  PageTable table(bench.rig.memory, TableFormat::second_level, 4);
  table.map(Iova(0x1000), Hpa(0x10'0000), 1, {true, false});
  vtd::ScalableContext context;
  context.device_tlb_enable = true;
  bench.attach(second_level(table), context);
  bench.run([&] {
    const auto there = bench.ask(Iova(0x1000), Access::write, AddressType::translation);
    CHECK(there.fault() == 0);
    CHECK(there.result.translation.rights.can_read(false));
    CHECK_FALSE(there.result.translation.rights.can_write(false));
    const auto absent = bench.ask(Iova(0x9000), Access::read, AddressType::translation);
    CHECK(absent.fault() == 0);
    CHECK(absent.result.translation.rights.empty());
  });
  CHECK(bench.rig.iommu().stats.faults == 0);
}

TEST_CASE("in caching mode absent pages are remembered until they are invalidated",
          "[models][iommu]") {
  const bool caching = GENERATE(false, true);
  Bench bench([&](IommuParams& params) { params.caching_mode = caching; });
  bench.port.pasid = pasid;
  const bool first = GENERATE(false, true);  // of those no absent page is cached
  const bool cached = caching && !first;
  const unsigned absent = first ? 0x71 : 0x79;
  PageTable table(bench.rig.memory, first ? TableFormat::first_level : TableFormat::second_level,
                  4);
  bench.attach(first ? first_level(table) : second_level(table));
  bench.run([&] {
    CHECK(bench.ask(Iova(0x1000)).fault() == absent);
    const std::uint64_t reads = bench.rig.iommu().stats.walk_reads;
    table.map(Iova(0x1000), Hpa(0x10'0000), 1, {true, true});
    CHECK(bench.ask(Iova(0x1000)).fault() == (cached ? absent : 0U));
    CHECK((bench.rig.iommu().stats.walk_reads == reads) == cached);
    Invalidation page;
    page.scope = Invalidation::Scope::domain_range;
    page.domain = DomainId(2);
    page.address = Iova(0x1000);
    bench.rig.iommu().apply(page);
    CHECK(bench.ask(Iova(0x1000)).result.translation.page == Hpa(0x10'0000));
  });
}

TEST_CASE("invalidating device entries leaves PASID entries, unless the IOMMU is told otherwise",
          "[models][iommu]") {
  const bool both = GENERATE(false, true);
  Bench bench([&](IommuParams& params) { params.devices_with_processes = both; });
  bench.port.pasid = pasid;
  PageTable table(bench.rig.memory, TableFormat::first_level, 4);
  table.map(Iova(0x1000), Hpa(0x10'0000), 1, {true, true});
  bench.attach(first_level(table));
  bench.run([&] {
    bench.ask(Iova(0x1000));
    Invalidation devices;
    devices.what = Invalidation::What::devices;
    devices.scope = Invalidation::Scope::source;
    devices.source = bench.port.source;
    bench.rig.iommu().apply(devices);
    bench.ask(Iova(0x1000));
    bench.ask(Iova(0x1000));
  });
  CHECK(bench.rig.iommu().context_stats().insertions == 2);
  CHECK(bench.rig.iommu().pasid_stats().insertions == (both ? 2U : 1U));
}

TEST_CASE("a PASID is refused where the device's entry does not allow any", "[models][iommu]") {
  Bench bench;
  PageTable table(bench.rig.memory, TableFormat::second_level, 4);
  table.map(Iova(0x1000), Hpa(0x10'0000), 1, {true, true});
  vtd::ScalableContext context;
  bench.rig.unit().tables().attach(bench.port.source, 64, context);
  bench.rig.unit().tables().set_entry(bench.port.source, Pasid(0), second_level(table));
  bench.run([&] {
    CHECK(bench.ask(Iova(0x1000)).fault() == 0);
    CHECK(bench.ask(Iova(0x1000)).hit);
    bench.port.pasid = Pasid(0);  // the device's own one, asked for by name
    CHECK(bench.ask(Iova(0x1000)).fault() == 0x45);
  });
}
