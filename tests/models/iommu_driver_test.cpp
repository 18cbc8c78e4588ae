// The orders of the IOMMU driver, against the descriptors that it submits; its errors.
// SPDX-License-Identifier: Apache-2.0
#include "models/kernel/iommu_driver.hpp"

#include "models/cpu/workers.hpp"
#include "models/host/guest_memory.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/noting_iommu.hpp"

#include <algorithm>
#include <functional>
#include <string>
#include <vector>

using namespace viosim;
using namespace viosim::test;

namespace {

using Log = std::vector<std::string>;
using Type = vtd::PasidEntry::Type;
constexpr Bdf device{1, 0, 0};
constexpr Bdf other{1, 0, 1};
constexpr Pasid pasid{5};

vtd::PasidEntry entry_of(Type type, std::uint16_t domain) {
  vtd::PasidEntry entry;
  entry.type = type;
  entry.domain = DomainId(domain);
  entry.address_width = 2;
  entry.first_level = Hpa(0x1000);
  entry.second_level = Hpa(0x2000);
  if (type == Type::first_level) entry.second_level = Hpa();
  return entry;
}

class NotingConfig final : public FunctionConfig {
 public:
  explicit NotingConfig(Log& log) : log_(log) {}
  void enable_pasid(bool on) override { note("pasid", on); }
  void enable_page_requests(bool on) override { note("pri", on); }
  void enable_ats(bool on) override { note("ats", on); }
  bool present() const override { return there; }
  bool there = true;

 private:
  void note(const char* what, bool on) {
    log_.push_back(std::string(what) + (on ? " on" : " off"));
  }
  Log& log_;
};

struct DriverRig {
  explicit DriverRig(const IommuAbilities& can = {})
      : cpus(engine, "cpus", 4),
        workers(engine, cpus, "worker", 0),
        pasid_mutex(engine, "pasid_mutex", 3us),
        tables(iommu.physical(), vtd::Mode::scalable),
        config(iommu.log),
        driver(engine, {}, iommu, tables, pasid_mutex) {
    iommu.can = can;
  }
  void run(const std::function<void(Thread&)>& job) {
    workers.post(job);
    engine.run();
  }
  // A known function; what that took is forgotten.
  void add(Thread& thread, Bdf source, bool ats = true) {
    IommuFunction function;
    function.ats = ats;
    function.config = &config;
    REQUIRE(driver.add(thread, source, function) == Errno::ok);
    iommu.log.clear();
  }

  Engine engine;
  Cpus cpus;
  Workers workers;
  Mutex pasid_mutex;
  NotingIommu iommu;
  vtd::Tables tables;
  NotingConfig config;
  IommuDriver driver;
};

IommuAbilities abilities(bool caching_mode) {
  IommuAbilities can;
  can.caching_mode = can.emulated = caching_mode;
  return can;
}

Log without_device_tlbs(Log log) {
  std::erase_if(
      log, [](const std::string& line) { return line.find("device-tlb") != std::string::npos; });
  return log;
}

}  // namespace

TEST_CASE("a function is added: context entry, its caches under caching mode, then PASID, PRI, ATS",
          "[kernel]") {
  const bool caching = GENERATE(false, true);
  DriverRig rig(abilities(caching));
  rig.run([&](Thread& thread) {
    IommuFunction function;
    function.config = &rig.config;
    CHECK(rig.driver.add(thread, device, function) == Errno::ok);
    CHECK(rig.driver.add(thread, device, function) == Errno::eexist);
  });
  const Log enabled{"pasid on", "pri on", "ats on"};
  Log expected = caching ? Log{"cc 01:00.0 did 0", "iotlb did 0"} : Log{};
  expected.insert(expected.end(), enabled.begin(), enabled.end());
  CHECK(rig.iommu.log == expected);
  REQUIRE(rig.tables.context(device));
  CHECK(rig.tables.context(device)->pasid_limit() == 1U << 20U);
}

TEST_CASE("a new entry is announced only under caching mode", "[kernel]") {
  const bool caching = GENERATE(false, true);
  const bool ats = GENERATE(false, true);
  DriverRig rig(abilities(caching));
  rig.run([&](Thread& thread) {
    rig.add(thread, device, ats);
    CHECK(rig.driver.set_up(thread, device, pasid, entry_of(Type::nested, 7)) == Errno::ok);
    CHECK(rig.driver.present(device, pasid));
  });
  CHECK(rig.iommu.log ==
        (caching ? Log{"pasid-cache pasid 5 did 7", "pasid-iotlb pasid 5 did 7"} : Log{}));
}

TEST_CASE("an entry is replaced by one store, and what is flushed is the old one's", "[kernel]") {
  const bool caching = GENERATE(false, true);
  const Type old = GENERATE(Type::first_level, Type::second_level, Type::nested);
  DriverRig rig(abilities(caching));
  std::vector<bool> present;
  rig.run([&](Thread& thread) {
    rig.add(thread, device);
    REQUIRE(rig.driver.set_up(thread, device, pasid, entry_of(old, 7)) == Errno::ok);
    rig.iommu.log.clear();
    rig.iommu.before = [&](const std::string&) {
      present.push_back(rig.driver.present(device, pasid));
    };
    vtd::PasidEntry next = entry_of(Type::nested, 8);
    next.first_level = Hpa(0x9000);
    CHECK(rig.driver.replace(thread, device, pasid, next) == Errno::ok);
    next.present = true;
    CHECK(rig.tables.read_entry(*rig.tables.entry(device, pasid)) == next);
  });
  const std::string iotlb = old == Type::first_level ? "pasid-iotlb pasid 5 did 7" : "iotlb did 7";
  const Log expected{"pasid-cache pasid 5 did 7", iotlb, "pasid-device-tlb 01:00.0 pasid 5 all"};
  CHECK(rig.iommu.log == (caching ? without_device_tlbs(expected) : expected));
  CHECK(std::count(present.begin(), present.end(), false) == 0);
  CHECK(rig.driver.stats.replaced == 1);
}

TEST_CASE("a replacement needs something to replace, and nothing that the IOMMU has not",
          "[kernel]") {
  IommuAbilities can;
  can.nesting = false;
  DriverRig rig(can);
  rig.run([&](Thread& thread) {
    const vtd::PasidEntry first = entry_of(Type::first_level, 1);
    CHECK(rig.driver.replace(thread, device, pasid, first) == Errno::enodev);
    rig.add(thread, device);
    CHECK(rig.driver.replace(thread, device, pasid, first) == Errno::einval);
    REQUIRE(rig.driver.set_up(thread, device, pasid, first) == Errno::ok);
    CHECK(rig.driver.replace(thread, device, pasid, entry_of(Type::nested, 7)) == Errno::einval);
    CHECK(rig.driver.replace(thread, device, pasid, entry_of(Type::second_level, 7)) == Errno::ok);
    REQUIRE(rig.driver.tear_down(thread, device, pasid) == Errno::ok);
    CHECK(rig.driver.replace(thread, device, pasid, first) == Errno::einval);
  });
  CHECK(rig.driver.stats.replaced == 1);
}

TEST_CASE("a replacement moves its function from the one domain to the other", "[kernel]") {
  DriverRig rig;
  rig.run([&](Thread& thread) {
    rig.add(thread, device);
    const DomainId one = rig.driver.take_domain().value();
    const DomainId two = rig.driver.take_domain().value();
    const auto nested = [&](DomainId domain) {
      vtd::PasidEntry entry = entry_of(Type::nested, 0);
      entry.domain = domain;
      return entry;
    };
    REQUIRE(rig.driver.set_up(thread, device, pasid, nested(one)) == Errno::ok);
    // Within its domain, too: it is still a member once.
    REQUIRE(rig.driver.replace(thread, device, pasid, nested(one)) == Errno::ok);
    REQUIRE(rig.driver.replace(thread, device, pasid, nested(two)) == Errno::ok);
    rig.iommu.log.clear();
    rig.driver.give_back_domain(thread, one);
    rig.driver.flush_second_level(thread, two, {.address = Iova(0x4000)});
    CHECK(rig.iommu.log ==
          Log{"iotlb did 2", "iotlb did 3 0x4000+2^0", "pasid-device-tlb 01:00.0 pasid 5 all"});
    REQUIRE(rig.driver.tear_down(thread, device, pasid) == Errno::ok);
    rig.driver.give_back_domain(thread, two);
  });
}

TEST_CASE("a change of a present entry, and its end: PASID cache, IOTLB, device TLB", "[kernel]") {
  const bool caching = GENERATE(false, true);
  const bool ats = GENERATE(false, true);
  const Type type =
      GENERATE(Type::first_level, Type::second_level, Type::nested, Type::pass_through);
  const bool changes = GENERATE(false, true);
  DriverRig rig(abilities(caching));
  rig.run([&](Thread& thread) {
    rig.add(thread, device, ats);
    vtd::PasidEntry entry = entry_of(type, 7);
    REQUIRE(rig.driver.set_up(thread, device, pasid, entry) == Errno::ok);
    rig.iommu.log.clear();
    entry.page_snoop = true;
    CHECK((changes ? rig.driver.change(thread, device, pasid, entry)
                   : rig.driver.tear_down(thread, device, pasid)) == Errno::ok);
  });
  const bool second = type == Type::second_level || type == Type::nested;
  Log expected{"pasid-cache pasid 5 did 7", second ? "iotlb did 7" : "pasid-iotlb pasid 5 did 7",
               "pasid-device-tlb 01:00.0 pasid 5 all"};
  if (caching || !ats) expected = without_device_tlbs(expected);
  CHECK(rig.iommu.log == expected);
  CHECK(rig.driver.present(device, pasid) == changes);
}

TEST_CASE("an entry that could not be announced is taken away again", "[kernel]") {
  IommuAbilities can = abilities(true);
  can.emulated = GENERATE(false, true);
  DriverRig rig(can);
  bool answers = false;
  rig.iommu.answer = [&](const std::string&) { return answers ? Errno::ok : Errno::eagain; };
  rig.run([&](Thread& thread) {
    answers = true;
    rig.add(thread, device);
    answers = false;
    CHECK(rig.driver.set_up(thread, device, pasid, entry_of(Type::nested, 7)) == Errno::etimedout);
  });
  CHECK(!rig.driver.present(device, pasid));
}

TEST_CASE("the TLB of a function is flushed under caching mode where nobody emulates its IOMMU",
          "[kernel]") {
  IommuAbilities can = abilities(true);
  can.emulated = false;
  DriverRig rig(can);
  rig.run([&](Thread& thread) {
    rig.add(thread, device);
    REQUIRE(rig.driver.set_up(thread, device, pasid, entry_of(Type::first_level, 1)) == Errno::ok);
    rig.iommu.log.clear();
    CHECK(rig.driver.tear_down(thread, device, pasid) == Errno::ok);
  });
  CHECK(rig.iommu.log.back() == "pasid-device-tlb 01:00.0 pasid 5 all");
}

TEST_CASE("the entry of requests without a PASID has device-TLB descriptors without one",
          "[kernel]") {
  DriverRig rig;
  rig.run([&](Thread& thread) {
    rig.add(thread, device);
    REQUIRE(rig.driver.set_up(thread, device, Pasid(0), entry_of(Type::second_level, 7)) ==
            Errno::ok);
    CHECK(rig.driver.tear_down(thread, device, Pasid(0)) == Errno::ok);
  });
  CHECK(rig.iommu.log == Log{"pasid-cache pasid 0 did 7", "iotlb did 7", "device-tlb 01:00.0 all"});
}

TEST_CASE("nothing is sent to a device that is known to be absent", "[kernel]") {
  DriverRig rig;
  rig.run([&](Thread& thread) {
    rig.add(thread, device);
    REQUIRE(rig.driver.set_up(thread, device, pasid, entry_of(Type::first_level, 1)) == Errno::ok);
    rig.driver.gone(device);
    CHECK(rig.driver.tear_down(thread, device, pasid) == Errno::ok);
  });
  CHECK(rig.iommu.log == Log{"pasid-cache pasid 5 did 1", "pasid-iotlb pasid 5 did 1"});
}

TEST_CASE("pages of a first level are flushed in at most two aligned chunks", "[kernel]") {
  const bool ats = GENERATE(false, true);
  DriverRig rig(abilities(GENERATE(false, true)));
  rig.run([&](Thread& thread) {
    rig.add(thread, device, ats);
    const auto flush = [&](Iova address, std::uint64_t pages, bool leaf_only) {
      CHECK(rig.driver.flush_first_level(thread, device, pasid, DomainId(1),
                                         {address, pages, leaf_only}) == Errno::ok);
    };
    flush(Iova(0x4000), 4, true);
    flush(Iova(0x3000), 3, false);
    flush(Iova(0x4000'0000), std::uint64_t{1} << 19U, false);  // more than MAMV
    CHECK(rig.driver.flush_first_level(thread, device, Pasid(0), DomainId(1), {Iova(0x1000)}) ==
          Errno::ok);
  });
  const Log expected{"pasid-iotlb pasid 5 did 1 0x4000+2^2 IH",
                     "pasid-device-tlb 01:00.0 pasid 5 0x4000+2^2",
                     "pasid-iotlb pasid 5 did 1 0x0+2^2",
                     "pasid-device-tlb 01:00.0 pasid 5 0x0+2^2",
                     "pasid-iotlb pasid 5 did 1 0x4000+2^2",
                     "pasid-device-tlb 01:00.0 pasid 5 0x4000+2^2",
                     "pasid-iotlb pasid 5 did 1",
                     "pasid-device-tlb 01:00.0 pasid 5 0x0+2^19",
                     "pasid-iotlb pasid 5 did 1",
                     "pasid-device-tlb 01:00.0 pasid 5 0x80000000+2^19",
                     "pasid-iotlb pasid 0 did 1 0x1000+2^0",
                     "device-tlb 01:00.0 0x1000+2^0"};
  Log log = rig.iommu.log;
  if (!ats) {
    CHECK(log == without_device_tlbs(expected));
    return;
  }
  CHECK(log == expected);
}

TEST_CASE("pages of a second level are flushed for all that have the domain", "[kernel]") {
  const bool caching = GENERATE(false, true);
  DriverRig rig(abilities(caching));
  rig.run([&](Thread& thread) {
    rig.add(thread, device);
    rig.add(thread, other);
    const auto set_up = [&](Bdf source, Pasid whose, Type type) {
      REQUIRE(rig.driver.set_up(thread, source, whose, entry_of(type, 7)) == Errno::ok);
    };
    set_up(device, Pasid(0), Type::second_level);
    set_up(device, Pasid(9), Type::second_level);
    set_up(other, Pasid(4), Type::nested);
    rig.iommu.log.clear();
    CHECK(rig.driver.flush_second_level(thread, DomainId(7), {Iova(0x8000), 8, true}) == Errno::ok);
    CHECK(rig.driver.flush_mapped(thread, DomainId(7), {Iova(0x8000), 8}) == Errno::ok);
  });
  Log expected{"iotlb did 7 0x8000+2^3 IH", "device-tlb 01:00.0 0x8000+2^3",
               "pasid-device-tlb 01:00.0 pasid 9 0x8000+2^3",
               "pasid-device-tlb 01:00.1 pasid 4 all"};
  if (caching) expected.emplace_back("iotlb did 7 0x8000+2^3");
  CHECK(rig.iommu.log == expected);
}

TEST_CASE("the last function that leaves a domain has its number flushed", "[kernel]") {
  DriverRig rig;
  rig.run([&](Thread& thread) {
    rig.add(thread, device);
    rig.add(thread, other);
    const DomainId domain = rig.driver.take_domain().value();
    CHECK(domain == DomainId(2));
    CHECK(rig.driver.attach(thread, device, entry_of(Type::second_level, 2)) == Errno::ok);
    CHECK(rig.driver.attach(thread, device, entry_of(Type::second_level, 2)) == Errno::ebusy);
    CHECK(rig.driver.attach(thread, other, entry_of(Type::second_level, 2)) == Errno::ok);
    CHECK(rig.driver.detach(thread, device) == Errno::ok);
    CHECK(rig.driver.detach(thread, device) == Errno::enoent);
    CHECK(rig.iommu.log ==
          Log{"ats off", "pri off", "pasid off", "pasid-cache pasid 0 did 2", "iotlb did 2"});
    rig.iommu.log.clear();
    CHECK(rig.driver.detach(thread, other) == Errno::ok);
    CHECK(rig.iommu.log == Log{"ats off", "pri off", "pasid off", "pasid-cache pasid 0 did 2",
                               "iotlb did 2", "iotlb did 2"});
    rig.iommu.log.clear();
    rig.driver.give_back_domain(thread, domain);
    CHECK(rig.iommu.log.empty());
    CHECK(rig.driver.take_domain().value() == domain);
    CHECK(rig.driver.take_domain().value() == DomainId(3));
    CHECK(rig.driver.attach(thread, device, entry_of(Type::second_level, 2)) == Errno::ok);
    CHECK(rig.iommu.log == Log{"pasid on", "pri on", "ats on"});
  });
}

TEST_CASE("a function is removed: its entry, ATS, the context entry, all caches", "[kernel]") {
  const bool bound = GENERATE(false, true);
  DriverRig rig;
  rig.run([&](Thread& thread) {
    rig.add(thread, device);
    if (bound) {
      REQUIRE(rig.driver.attach(thread, device, entry_of(Type::second_level, 2)) == Errno::ok);
    }
    CHECK(rig.driver.remove(thread, device) == Errno::ok);
    CHECK(rig.driver.remove(thread, device) == Errno::enodev);
  });
  const Log tear_down{"pasid-cache pasid 0 did 2", "iotlb did 2", "device-tlb 01:00.0 all"};
  const std::string did = bound ? "did 2" : "did 1";
  Log expected = bound ? tear_down : Log{};
  for (const std::string& line : Log{"ats off", "pri off", "pasid off", "cc 01:00.0 " + did,
                                     "pasid-cache " + did, "iotlb " + did})
    expected.push_back(line);
  if (bound) expected.emplace_back("iotlb did 2");
  CHECK(rig.iommu.log == expected);
  CHECK(!rig.tables.context(device));
  CHECK(rig.driver.function(device) == nullptr);
}

TEST_CASE("what the IOMMU does not have, an entry cannot ask for", "[kernel]") {
  IommuAbilities can;
  can.nesting = false;
  can.pass_through = false;
  can.supervisor_requests = false;
  can.five_levels = false;
  can.address_widths = 2;  // 39 bits
  DriverRig rig(can);
  rig.run([&](Thread& thread) {
    rig.add(thread, device);
    const auto set_up = [&](const vtd::PasidEntry& entry) {
      return rig.driver.set_up(thread, device, pasid, entry);
    };
    CHECK(set_up(entry_of(Type::nested, 7)) == Errno::einval);
    CHECK(set_up(entry_of(Type::pass_through, 1)) == Errno::einval);
    CHECK(set_up(entry_of(Type::second_level, 7)) == Errno::einval);  // 48 bits
    vtd::PasidEntry first = entry_of(Type::first_level, 1);
    first.supervisor_requests = true;
    CHECK(set_up(first) == Errno::einval);
    first.supervisor_requests = false;
    first.first_level_mode = 1;
    CHECK(set_up(first) == Errno::einval);
    first.first_level_mode = 0;
    CHECK(set_up(first) == Errno::ok);
    CHECK(set_up(first) == Errno::ebusy);
    CHECK(rig.driver.set_up(thread, other, pasid, first) == Errno::enodev);
    CHECK(rig.driver.set_up(thread, device, Pasid(1U << 20U), first) == Errno::enodev);
    CHECK(rig.driver.tear_down(thread, device, Pasid(6)) == Errno::enoent);
    first.first_level = Hpa(0x9000);
    CHECK(rig.driver.change(thread, device, pasid, first) == Errno::einval);
    CHECK(rig.driver.change(thread, device, Pasid(6), first) == Errno::enoent);
  });
  CHECK(!rig.driver.lock().held());
}

TEST_CASE("P comes last and goes first, every word has an instant of its own", "[kernel]") {
  DriverRig rig;
  rig.run([&](Thread& thread) {
    rig.add(thread, device);
    const Instant start = thread.now();
    REQUIRE(rig.driver.set_up(thread, device, pasid, entry_of(Type::first_level, 1)) == Errno::ok);
    // A directory entry, eight words, the barrier, P.
    CHECK(thread.now() - start == 5ns + 8 * 5ns + 20ns + 5ns);
    rig.iommu.before = [&](const std::string& line) {
      const vtd::PasidEntry now = rig.tables.read_entry(*rig.tables.entry(device, pasid));
      INFO(line);
      CHECK(!now.present);
      CHECK(now.first_level == Hpa(0x1000));  // the rest stays until all is flushed
    };
    const Instant end = thread.now();
    CHECK(rig.driver.tear_down(thread, device, pasid) == Errno::ok);
    CHECK(thread.now() - end == 5ns + 20ns + 3 * 1us + 8 * 5ns);
    CHECK(rig.iommu.memory().read(*rig.tables.entry(device, pasid) + Bytes(16)) == 0);
  });
}

TEST_CASE("an entry that is torn down quietly keeps FPD until it is torn down again", "[kernel]") {
  DriverRig rig;
  rig.run([&](Thread& thread) {
    rig.add(thread, device);
    REQUIRE(rig.driver.set_up(thread, device, pasid, entry_of(Type::first_level, 1)) == Errno::ok);
    CHECK(rig.driver.tear_down(thread, device, pasid, true) == Errno::ok);
    const Hpa at = *rig.tables.entry(device, pasid);
    CHECK(rig.iommu.memory().read(at) == 2);
    CHECK(rig.driver.tear_down(thread, device, pasid) == Errno::enoent);
    CHECK(rig.iommu.memory().read(at) == 0);
  });
}

TEST_CASE("an order is data: a step is dropped, two are swapped", "[kernel]") {
  DriverRig rig;
  CHECK(rig.driver.orders.drop(Order::tear_down, Step::flush_iotlb_of_entry));
  CHECK_FALSE(rig.driver.orders.drop(Order::tear_down, Step::flush_iotlb_of_entry));
  CHECK(rig.driver.orders.swap(Order::tear_down, Step::flush_pasid_cache, Step::flush_device_tlb));
  CHECK_FALSE(rig.driver.orders.swap(Order::tear_down, Step::flush_pasid_cache, Step::enable_ats));
  rig.run([&](Thread& thread) {
    rig.add(thread, device);
    const vtd::PasidEntry entry = entry_of(Type::first_level, 1);
    REQUIRE(rig.driver.set_up(thread, device, pasid, entry) == Errno::ok);
    REQUIRE(rig.driver.tear_down(thread, device, pasid) == Errno::ok);
    CHECK(rig.iommu.log ==
          Log{"pasid-device-tlb 01:00.0 pasid 5 all", "pasid-cache pasid 5 did 1"});
    rig.driver.orders.restore();
    rig.iommu.log.clear();
    REQUIRE(rig.driver.set_up(thread, device, pasid, entry) == Errno::ok);
    REQUIRE(rig.driver.tear_down(thread, device, pasid) == Errno::ok);
    CHECK(rig.iommu.log.size() == 3);
  });
}

TEST_CASE("page requests are drained: queue, software, then requests and answers on their way",
          "[kernel]") {
  // Notes what it is asked; the queue holds a request for some passes, and overflows some times.
  class Service final : public PageRequestService {
   public:
    explicit Service(Log& log) : log_(log) {}
    bool queued(Thread&, Pasid) override { return held > 0; }
    bool overflowed(Thread&) override { return overflows > 0; }
    std::uint64_t passes() const override { return 7; }
    void wait_for_pass(Thread&, std::uint64_t after) override {
      CHECK(after == 7);
      log_.emplace_back("pass");
      if (held > 0) {
        --held;
      } else {
        --overflows;
      }
    }
    void flush(Thread& thread, Bdf source, Pasid of) override {
      CHECK_FALSE(mutex->held_by(thread));
      CHECK(source == device);
      CHECK(of == pasid);
      log_.emplace_back("flush");
    }
    Mutex* mutex = nullptr;
    unsigned held = 2;
    unsigned overflows = 1;

   private:
    Log& log_;
  };
  const bool absent = GENERATE(false, true);
  DriverRig rig;
  Service service(rig.iommu.log);
  service.mutex = &rig.pasid_mutex;
  rig.driver.serve_page_requests(service);
  rig.run([&](Thread& thread) {
    rig.add(thread, device);
    if (absent) rig.driver.gone(device);
    const Guard guard(rig.pasid_mutex, thread);
    CHECK(rig.driver.drain_page_requests(thread, device, pasid, DomainId(1)) == Errno::ok);
    CHECK(rig.driver.drain_page_requests(thread, other, pasid, DomainId(1)) == Errno::ok);
  });
  const std::string hardware =
      absent ? "fence + pasid-iotlb pasid 5 did 1 + drain"
             : "fence + pasid-iotlb pasid 5 did 1 + pasid-device-tlb 01:00.0 pasid 5 all + drain";
  CHECK(rig.iommu.log == Log{"pass", "pass", "flush", hardware, "pass", hardware});
  CHECK(rig.driver.stats.drains == 1);
}

TEST_CASE("tables of a guest lie in its memory, where hardware finds them through its second level",
          "[kernel]") {
  PhysicalMemory host;
  PageTable second(host, TableFormat::second_level, 4);
  GuestMemory guest(host, second, Hpa(0x10'0000), Bytes(64U << 20U), 1);
  vtd::Tables tables(guest, vtd::Mode::scalable);
  CHECK(tables.root().value() >= 0x10'0000);
  CHECK(tables.root().value() < 0x10'0000 + (64U << 20U));
  tables.attach(device, 64, Pasid(0));
  tables.set_entry(device, pasid, entry_of(Type::first_level, 1));
  const Hpa at = *tables.entry(device, pasid);
  CHECK(host.read(*second.find(Iova(at.value())) + Bytes(16)) == 0x1000);
}

TEST_CASE("a submission that a device's time-out aborts is made again, but not for ever",
          "[kernel]") {
  DriverRig rig;
  unsigned aborts = GENERATE(1U, 3U, 1000U);
  enum class Goes { no, told, not_told };
  const Goes how = GENERATE(Goes::no, Goes::told, Goes::not_told);
  const bool goes = how != Goes::no;
  rig.iommu.answer = [&](const std::string& line) {
    if (line.find("device-tlb") == std::string::npos || aborts == 0) return Errno::ok;
    --aborts;
    if (how == Goes::told) rig.driver.gone(device);
    if (how == Goes::not_told) rig.config.there = false;
    return Errno::eagain;
  };
  const bool never = aborts == 1000 && !goes;
  rig.run([&](Thread& thread) {
    rig.add(thread, device);
    REQUIRE(rig.driver.set_up(thread, device, pasid, entry_of(Type::first_level, 1)) == Errno::ok);
    CHECK(rig.driver.tear_down(thread, device, pasid) == (never ? Errno::etimedout : Errno::ok));
  });
  CHECK(rig.driver.stats.given_up == (never ? 1 : 0));
  CHECK_FALSE(rig.driver.present(device, pasid));
  if (goes) CHECK(rig.iommu.log.size() == 3);
}
