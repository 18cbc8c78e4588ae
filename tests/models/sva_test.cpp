// Binding processes to devices: what it costs, what is counted, what is refused.
// SPDX-License-Identifier: Apache-2.0
#include "ioasid/backends.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/kernel_rig.hpp"

using namespace viosim;
using namespace viosim::test;

namespace {

constexpr Bdf first{1, 0, 0};
constexpr Bdf second{2, 0, 0};
constexpr Ps store = 5ns;
constexpr Ps barrier = 20ns;
constexpr Ps allocation = 100ns;
const Region four_pages{Iova(0x10'0000), 4};

Ps took(Thread& thread, const std::function<void()>& what) {
  const Instant since = thread.now();
  what();
  return thread.now() - since;
}

// A kernel with one device that is ready to be bound.
struct Ready : KernelRig {
  explicit Ready(const KernelRigParams& params = {}) : KernelRig(params) {}
  void run(const std::function<void(Thread&, ScriptedDevice&)>& job) {
    KernelRig::run([this, job](Thread& thread) {
      ScriptedDevice& device = add_device(thread, first);
      REQUIRE(sva.device_init(thread, first, {}) == Errno::ok);
      job(thread, device);
    });
  }
};

KernelRigParams caching(bool on) {
  KernelRigParams params;
  params.hardware.iommu.caching_mode = on;
  return params;
}

}  // namespace

TEST_CASE("an unloaded bind takes an allocation, an entry, and under caching mode two flushes",
          "[kernel][sva]") {
  const bool on = GENERATE(false, true);
  Ready rig(caching(on));
  rig.run([&](Thread& thread, ScriptedDevice&) {
    Mm& one = rig.add_mm();
    Mm& other = rig.add_mm();
    const Ps entry = 8 * store + barrier + store;
    const Ps flushes = on ? KernelRig::submission({KernelRig::pasid_cache}) +
                                KernelRig::submission({KernelRig::iotlb})
                          : Ps(0);
    CHECK(took(thread, [&] { CHECK(rig.sva.bind(thread, first, one).value() == Pasid(1)); }) ==
          allocation + store + entry + flushes);  // and the directory's entry
    CHECK(took(thread, [&] { CHECK(rig.sva.bind(thread, first, other).value() == Pasid(2)); }) ==
          allocation + entry + flushes);
    CHECK(took(thread, [&] { CHECK(rig.sva.bind(thread, first, one).value() == Pasid(1)); }) ==
          Ps(0));
    CHECK(rig.sva.bind_latency.count() == 2);
  });
}

TEST_CASE("an unloaded unbind takes the entry's end, three flushes, and a drain", "[kernel][sva]") {
  Ready rig(caching(GENERATE(false, true)));  // also then: nobody emulates this IOMMU
  rig.run([&](Thread& thread, ScriptedDevice& device) {
    Mm& mm = rig.add_mm();
    REQUIRE(rig.sva.bind(thread, first, mm).ok());
    const Ps tear_down = store + barrier + KernelRig::submission({KernelRig::pasid_cache}) +
                         KernelRig::submission({KernelRig::iotlb}) +
                         KernelRig::submission({KernelRig::device_tlb}) + 8 * store;
    // Head and tail are read; nothing is at work; a fence, both caches, a wait; PRO is read. The
    // fence is a wait descriptor.
    const Ps drain =
        2 * 100ns + KernelRig::submission({100ns, KernelRig::iotlb, KernelRig::device_tlb}) + 100ns;
    CHECK(took(thread, [&] { CHECK(rig.sva.unbind(thread, first, Pasid(1)) == Errno::ok); }) ==
          tear_down + drain);
    CHECK(device.invalidations.size() == 2);
    CHECK(rig.pasids.space().size() == 1);  // the process has it still
    mm.exit(thread);
    CHECK(rig.pasids.space().size() == 0);
  });
}

TEST_CASE("an unloaded unmapping takes its pages and two flushes for each device",
          "[kernel][sva]") {
  const unsigned devices = GENERATE(0U, 1U, 2U);
  Ready rig;
  rig.run([&](Thread& thread, ScriptedDevice&) {
    Mm& mm = rig.add_mm();
    rig.add_device(thread, second);
    REQUIRE(rig.sva.device_init(thread, second, {}) == Errno::ok);
    if (devices > 0) REQUIRE(rig.sva.bind(thread, first, mm).ok());
    if (devices > 1) REQUIRE(rig.sva.bind(thread, second, mm).ok());
    REQUIRE(mm.map(thread, four_pages) == Errno::ok);
    REQUIRE(mm.populate(thread) == Errno::ok);
    CHECK(rig.frames.taken() == 4);
    const Ps flush =
        KernelRig::submission({KernelRig::iotlb}) + KernelRig::submission({KernelRig::device_tlb});
    CHECK(took(thread, [&] { CHECK(mm.unmap(thread, four_pages.base, 3) == Errno::ok); }) ==
          500ns + 3 * 20ns + devices * flush);  // one chunk of 4
    CHECK(rig.frames.taken() == 1);
    CHECK(mm.resident() == 1);
  });
}

TEST_CASE("an unloaded page fault takes the sum of its parts", "[kernel][sva]") {
  const Backing backing = GENERATE(Backing::memory, Backing::swap, Backing::file);
  Ready rig;
  Instant asked;
  rig.run([&](Thread& thread, ScriptedDevice& device) {
    Mm& mm = rig.add_mm();
    Region region = four_pages;
    region.backing = backing;
    REQUIRE(mm.map(thread, region) == Errno::ok);
    const Pasid pasid = rig.sva.bind(thread, first, mm).value();
    device.access(pasid, four_pages.base, false, false);  // the context entry is cached by that
    thread.run(10us);
    asked = thread.now();
    device.ask(pasid, {four_pages.base}, true, 3);
  });
  const Ps queue = 2ns + 200ns;                 // context cache, entry written
  const Ps thread_start = 3us;                  // interrupt
  const Ps pass = 20ns + 100ns + 100ns + 50ns;  // PPR cleared, tail, head, one entry
  const Ps handled = 1us + 1500ns;              // worker, page mapped
  const Ps disk = backing == Backing::memory ? Ps(0) : backing == Backing::swap ? Ps(100us) : 5ms;
  const Ps response = 2 * 10ns + 20ns + 100ns + 80ns + 2 * 5ns + 100ns;  // leaves the root
  REQUIRE(rig.devices[0].responses.size() == 1);
  CHECK(rig.devices[0].responses[0].first ==
        asked + queue + thread_start + pass + handled + disk + response);
  CHECK(rig.devices[0].responses[0].second.code == PageResponseCode::success);
  CHECK(rig.faults.latency.max() == handled + disk + KernelRig::submission({100ns}));
  CHECK(rig.mms[0].resident() == 1);
}

TEST_CASE("binds are counted for each device and process", "[kernel][sva]") {
  Ready rig;
  rig.run([&](Thread& thread, ScriptedDevice&) {
    Mm& mm = rig.add_mm();
    rig.add_device(thread, second);
    REQUIRE(rig.sva.device_init(thread, second, {}) == Errno::ok);
    const Pasid pasid = rig.sva.bind(thread, first, mm).value();
    CHECK(rig.sva.bind(thread, first, mm).value() == pasid);
    CHECK(rig.sva.bind(thread, second, mm).value() == pasid);
    CHECK(rig.sva.bonds() == 2);
    CHECK(mm.references() == 3);
    CHECK(rig.sva.unbind(thread, first, pasid) == Errno::ok);
    CHECK(rig.driver.present(first, pasid));
    CHECK(rig.sva.unbind(thread, first, pasid) == Errno::ok);
    CHECK_FALSE(rig.driver.present(first, pasid));
    CHECK(rig.driver.present(second, pasid));
    CHECK(rig.sva.unbind(thread, first, pasid) == Errno::einval);
    CHECK(rig.sva.unbind(thread, second, pasid) == Errno::ok);
    CHECK(mm.references() == 1);
    CHECK(rig.sva.bind(thread, first, mm).value() == pasid);  // the process' own
  });
  CHECK(rig.sva.stats.bound == 3);
  CHECK(rig.sva.stats.binds == 4);
  CHECK(rig.sva.stats.unbinds == 3);
  CHECK(rig.sva.stats.pasids == 1);
}

TEST_CASE("what a device cannot do, it is not initialised for", "[kernel][sva]") {
  struct Case {
    IommuFunction function;
    Sva::DeviceOptions options;
    Errno error;
  };
  IommuFunction plain;
  IommuFunction no_pasids;
  no_pasids.max_pasids = 0;
  IommuFunction no_ats;
  no_ats.ats = false;
  IommuFunction no_pri;
  no_pri.page_requests = false;
  const Case at = GENERATE_COPY(values<Case>({
      {plain, {}, Errno::ok},
      {plain, {.features = 2}, Errno::einval},
      {plain, {.features = 0}, Errno::ok},
      {plain, {.max_pasid = 5, .min_pasid = 6}, Errno::einval},
      {no_pasids, {}, Errno::enodev},
      {no_ats, {}, Errno::einval},
      {no_pri, {}, Errno::einval},
      {no_pri, {.features = 0}, Errno::ok},
  }));
  KernelRigParams params;
  params.function = at.function;
  KernelRig rig(params);
  rig.run([&](Thread& thread) {
    CHECK(rig.sva.device_init(thread, first, {}) == Errno::enodev);  // not there yet
    rig.add_device(thread, first);
    CHECK(rig.sva.device_init(thread, first, at.options) == at.error);
    if (at.error != Errno::ok) return;
    CHECK(rig.sva.device_init(thread, first, at.options) == Errno::eexist);
    CHECK(rig.sva.device_shutdown(thread, first) == Errno::ok);
    CHECK(rig.sva.device_shutdown(thread, first) == Errno::enodev);
    CHECK(rig.sva.device_init(thread, first, at.options) == Errno::ok);
  });
}

TEST_CASE("without anybody who handles page requests there are no page faults", "[kernel][sva]") {
  KernelRig rig;
  Sva other(rig.rig.engine, "sva2", {}, rig.pasids, rig.pasid_mutex);
  other.add_iommu(rig.driver, nullptr, nullptr);
  rig.run([&](Thread& thread) {
    rig.add_device(thread, first);
    CHECK(other.device_init(thread, first, {}) == Errno::enodev);
    CHECK(other.device_init(thread, first, {.features = 0}) == Errno::ok);
  });
}

TEST_CASE("binds are refused with Linux' errors", "[kernel][sva]") {
  KernelRigParams params;
  params.function.max_pasids = 4;  // 1 to 3
  Ready rig(params);
  rig.run([&](Thread& thread, ScriptedDevice&) {
    Mm& mm = rig.add_mm();
    CHECK(rig.sva.bind(thread, second, mm).error() == Errno::enodev);
    CHECK(rig.sva.bind(thread, first, mm, {.supervisor = true}).error() == Errno::eopnotsupp);
    for (unsigned i = 1; i <= 3; ++i)
      CHECK(rig.sva.bind(thread, first, rig.add_mm()).value() == Pasid(i));
    CHECK(rig.sva.bind(thread, first, mm).error() == Errno::enomem);
    CHECK(rig.sva.unbind(thread, second, Pasid(1)) == Errno::enodev);
    CHECK(rig.sva.unbind(thread, first, Pasid(9)) == Errno::einval);
    // Somebody else has the entry of the number that comes next.
    rig.mms[3].exit(thread);
    REQUIRE(rig.sva.unbind(thread, first, Pasid(3)) == Errno::ok);
    vtd::PasidEntry entry;
    entry.domain = DomainId(1);
    entry.first_level = Hpa(0x1000);
    REQUIRE(rig.driver.set_up(thread, first, Pasid(3), entry) == Errno::ok);
    CHECK(rig.sva.bind(thread, first, mm).error() == Errno::ebusy);
    CHECK(rig.driver.present(first, Pasid(3)));
    CHECK(rig.sva.bonds() == 2);
    REQUIRE(rig.driver.tear_down(thread, first, Pasid(3)) == Errno::ok);
    CHECK(rig.sva.bind(thread, first, mm).value() == Pasid(3));
    rig.mms[1].exit(thread);
    CHECK(rig.sva.bind(thread, first, rig.mms[1]).error() == Errno::einval);
  });
  CHECK(rig.sva.stats.refused == 5);
}

TEST_CASE("a process whose PASID a device cannot use is refused, the highest one too, by a defect",
          "[kernel][sva]") {
  const bool defect = GENERATE(false, true);
  KernelRigParams params;
  params.sva.max_exclusive = defect;
  Ready rig(params);
  rig.run([&](Thread& thread, ScriptedDevice&) {
    rig.add_device(thread, second);
    REQUIRE(rig.sva.device_init(thread, second, {.max_pasid = 2}) == Errno::ok);
    for (unsigned i = 1; i <= 3; ++i) REQUIRE(rig.sva.bind(thread, first, rig.add_mm()).ok());
    CHECK(rig.sva.bind(thread, second, rig.mms[0]).error() == Errno::ok);
    CHECK(rig.sva.bind(thread, second, rig.mms[1]).error() ==
          (defect ? Errno::eoverflow : Errno::ok));
    CHECK(rig.sva.bind(thread, second, rig.mms[2]).error() == Errno::eoverflow);
  });
}

TEST_CASE("reserved PASIDs are given to nobody, and belong to all devices that reserve them",
          "[kernel][sva]") {
  KernelRig rig;
  rig.run([&](Thread& thread) {
    rig.add_device(thread, first);
    rig.add_device(thread, second);
    const Sva::DeviceOptions options{.reserved = {Pasid(0), Pasid(1), Pasid(3)}};
    REQUIRE(rig.sva.device_init(thread, first, options) == Errno::ok);
    REQUIRE(rig.sva.device_init(thread, second, {.reserved = {Pasid(3)}}) == Errno::ok);
    CHECK(rig.sva.bind(thread, first, rig.add_mm()).value() == Pasid(2));
    CHECK(rig.sva.bind(thread, first, rig.add_mm()).value() == Pasid(4));
    CHECK(rig.sva.device_shutdown(thread, first) == Errno::ok);
    CHECK(rig.pasids.space().size() == 3);  // two processes', and 3
    CHECK(rig.sva.device_init(thread, first, {.reserved = {Pasid(1), Pasid(4)}}) == Errno::ebusy);
    CHECK(rig.pasids.space().size() == 3);
    CHECK(rig.sva.device_shutdown(thread, second) == Errno::ok);
    for (Mm& mm : rig.mms) mm.exit(thread);
    CHECK(rig.pasids.space().size() == 0);
  });
}

TEST_CASE("where a backend knows no range what is reserved is kept, and what is too low given back",
          "[kernel][sva]") {
  class Backend final : public ioasid::DefaultBackend {
   public:
    ioasid::Ioasid alloc(ioasid::Range, void* pdata) override {
      return DefaultBackend::alloc({1, 0xfffff}, pdata);
    }
  } backend;
  const ioasid::AllocatorOps ops{&backend, &backend, nullptr};
  KernelRigParams params;
  params.pasids.enforce_range = true;
  KernelRig rig(params);
  rig.pasids.backends_know_no_range();
  REQUIRE(rig.pasids.space().register_allocator(ops) == ioasid::Error::ok);
  rig.run([&](Thread& thread) {
    rig.add_device(thread, first);
    rig.add_device(thread, second);
    REQUIRE(rig.sva.device_init(thread, first, {.reserved = {Pasid(2)}}) == Errno::ok);
    REQUIRE(rig.sva.device_init(thread, second, {.min_pasid = 5}) == Errno::ok);
    CHECK(rig.pasids.space().size() == 0);
    CHECK(rig.sva.bind(thread, first, rig.add_mm()).value() == Pasid(1));
    CHECK(rig.sva.bind(thread, second, rig.add_mm()).value() == Pasid(5));
    CHECK(rig.pasids.space().ids() == std::vector<ioasid::Ioasid>{1, 2, 5});
    CHECK(rig.sva.owner(Pasid(2)) == nullptr);
    CHECK(rig.sva.bind(thread, first, rig.add_mm()).value() == Pasid(3));
    CHECK(rig.sva.device_shutdown(thread, first) == Errno::ok);
    CHECK(rig.pasids.space().ids() == std::vector<ioasid::Ioasid>{1, 3, 5});
    CHECK(rig.sva.device_init(thread, first, {.reserved = {Pasid(2), Pasid(3)}}) == Errno::ebusy);
    CHECK(rig.sva.device_init(thread, first, {.max_pasid = 3, .reserved = {Pasid(2)}}) ==
          Errno::ok);
    CHECK(rig.sva.bind(thread, first, rig.add_mm()).error() == Errno::enomem);
    CHECK(rig.pasids.space().ids() == std::vector<ioasid::Ioasid>{1, 2, 3, 5});
    CHECK(rig.sva.device_shutdown(thread, first) == Errno::ok);
    CHECK(rig.sva.device_shutdown(thread, second) == Errno::ok);
    for (Mm& mm : rig.mms) mm.exit(thread);
    CHECK(rig.pasids.space().size() == 0);
    CHECK(backend.size() == 0);
  });
}

TEST_CASE("the entry of a process that ends is quiet until it is unbound, then its PASID is free",
          "[kernel][sva]") {
  Ready rig;
  class Client final : public SvaClient {
   public:
    void mm_exit(Thread& thread, Bdf, Pasid pasid) override {
      thread.run(7us);
      told.push_back(pasid);
    }
    std::vector<Pasid> told;
  } client;
  rig.run([&](Thread& thread, ScriptedDevice& device) {
    Mm& mm = rig.add_mm();
    REQUIRE(mm.map(thread, four_pages) == Errno::ok);
    const Pasid pasid = rig.sva.bind(thread, first, mm, {.client = &client}).value();
    device.access(pasid, four_pages.base, true);
    thread.sleep(50us);
    CHECK(device.cached(pasid) == 1);
    const Ps tear_down = store + barrier + KernelRig::submission({KernelRig::pasid_cache}) +
                         KernelRig::submission({KernelRig::iotlb}) +
                         KernelRig::submission({KernelRig::device_tlb}) + 8 * store;
    CHECK(rig.sva.owner(pasid) == &mm);
    CHECK(took(thread, [&] { mm.exit(thread); }) == 7us + tear_down + 20ns);  // one page
    CHECK(client.told == std::vector{pasid});
    CHECK(rig.sva.owner(pasid) == nullptr);
    CHECK(device.cached(pasid) == 0);
    CHECK(rig.frames.taken() == 0);
    const Hpa at = *rig.driver.tables().entry(first, pasid);
    CHECK(rig.rig.memory.read(at) == 2);  // FPD
    const std::uint64_t reported = rig.rig.iommu().stats.faults_reported;
    device.access(pasid, four_pages.base, true);
    thread.sleep(50us);
    CHECK(device.refused == 1);
    CHECK(rig.rig.iommu().stats.faults_reported == reported);
    CHECK(rig.pasids.space().size() == 1);
    CHECK(rig.sva.unbind(thread, first, pasid) == Errno::ok);
    CHECK(rig.pasids.space().size() == 0);
    CHECK(rig.rig.memory.read(at) == 0);
  });
}

TEST_CASE("requests without a PASID use a process' addresses, but for the interrupt window",
          "[kernel][sva]") {
  Ready rig;
  rig.run([&](Thread& thread, ScriptedDevice& device) {
    Mm& mm = rig.add_mm();
    Mm& other = rig.add_mm();
    const Region window{Iova(0xfee0'1000), 1};
    REQUIRE(other.map(thread, window) == Errno::ok);
    CHECK(rig.sva.bind(thread, first, other, {.without_pasid = true}).error() == Errno::ebusy);
    REQUIRE(mm.map(thread, four_pages) == Errno::ok);
    CHECK(rig.sva.bind(thread, first, mm, {.without_pasid = true}).value() == Pasid(0));
    CHECK(rig.sva.bind(thread, first, rig.add_mm(), {.without_pasid = true}).error() ==
          Errno::ebusy);
    CHECK(mm.resident() == 4);  // pinned: no page request without a PASID
    CHECK(mm.map(thread, window) == Errno::einval);
    device.access(no_pasid, four_pages.base, true);
    thread.sleep(5us);
    CHECK(device.used == 1);
    CHECK(device.cached(no_pasid) == 1);
    CHECK(mm.unmap(thread, four_pages.base, 1) == Errno::ok);
    CHECK(device.cached(no_pasid) == 0);
    const DomainId domain =
        rig.driver.tables().read_entry(*rig.driver.tables().entry(first, Pasid(0))).domain;
    CHECK(domain == DomainId(2));
    CHECK(rig.sva.unbind(thread, first, Pasid(0)) == Errno::ok);
    CHECK(rig.driver.take_domain().value() == domain);
    CHECK(rig.pasids.space().size() == 0);
  });
}

TEST_CASE("a device that cannot ask for pages has a process' pages pinned", "[kernel][sva]") {
  KernelRigParams params;
  params.function.page_requests = false;
  params.frames = 6;
  KernelRig rig(params);
  rig.run([&](Thread& thread) {
    rig.add_device(thread, first);
    REQUIRE(rig.sva.device_init(thread, first, {.features = 0}) == Errno::ok);
    Mm& mm = rig.add_mm();
    REQUIRE(mm.map(thread, four_pages) == Errno::ok);
    CHECK(rig.sva.bind(thread, first, mm).ok());
    CHECK(mm.resident() == 4);
    Mm& other = rig.add_mm();
    REQUIRE(other.map(thread, four_pages) == Errno::ok);
    CHECK(rig.sva.bind(thread, first, other).error() == Errno::enomem);
    CHECK(rig.sva.bonds() == 1);
    CHECK(other.references() == 1);
  });
}

TEST_CASE("allocations by several processors wait for the allocator's lock", "[kernel][sva]") {
  KernelRig rig;
  for (unsigned i = 0; i < 4; ++i) {
    rig.workers.post([&](Thread&) { rig.pasids.space().alloc(&rig, {1, 100}, nullptr); });
  }
  rig.rig.engine.run();
  CHECK(rig.pasids.space().size() == 4);
  CHECK(rig.pasids.spin_lock().stats.contended == 3);
  CHECK(rig.pasids.spin_lock().stats.waited == 200ns + 400ns + 600ns);
  CHECK(rig.rig.engine.now() == Instant(4 * 100ns + 3 * 100ns));
}
