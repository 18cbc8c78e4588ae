// What a machine has of its host: PASIDs, quotas, page requests, default address spaces, and how it ends.
// SPDX-License-Identifier: Apache-2.0
#include "models/host/vfio_container.hpp"
#include "tests/support/vfio_rig.hpp"

#include <string>
#include <vector>

using namespace viosim;
using namespace viosim::test;

namespace {

using Log = std::vector<std::string>;

}  // namespace

TEST_CASE("PASIDs are within the range, the quota and the host's capacity", "[vfio]") {
  VfioParams params;
  params.quota = 3;
  Vfio rig(params);
  VmRig greedy(rig.host, "vm2", Vfio::options([] {
                 VfioParams all;
                 all.quota = 1U << 20U;
                 return all;
               }()),
               3);
  CHECK(greedy.opened == Errno::enospc);
  rig.run([&](Thread& thread) {
    CHECK(rig.container().alloc_pasid(thread, {100, 101}).value() == Pasid(100));
    CHECK(rig.container().alloc_pasid(thread, {100, 101}).value() == Pasid(101));
    CHECK(rig.container().alloc_pasid(thread, {100, 101}).error() == Errno::enospc);
    CHECK(rig.container().alloc_pasid(thread, {0, 0xfffff}).value() == Pasid(1));  // never 0
    CHECK(rig.container().alloc_pasid(thread, {1, 0xfffff}).error() == Errno::enospc);
    CHECK(rig.container().alloc_pasid(thread, {5, 4}).error() == Errno::einval);
    CHECK(rig.container().alloc_pasid(thread, {1U << 20U, 1U << 21U}).error() == Errno::einval);
    CHECK(rig.container().pasids() == 3);
  });
}

TEST_CASE("a range to free touches the machine's own PASIDs, however large it is", "[vfio]") {
  Vfio rig;
  rig.run([&](Thread& thread) {
    const Pasid foreign = rig.stranger.container.alloc_pasid(thread, {1, 0xfffff}).value();
    for (int i = 0; i < 5; ++i) rig.alloc(thread);
    const Instant since = thread.now();
    CHECK(rig.container().free_pasids(thread, {0, 0xffffffff}) == Errno::ok);
    CHECK(thread.now() - since == 5 * 700ns);
    CHECK(rig.container().pasids() == 0);
    CHECK(rig.stranger.container.pasids() == 1);
    const ioasid::Ioasid id = foreign.value();
    CHECK(rig.container().free_pasids(thread, {id, id}) == Errno::eacces);
    CHECK(rig.container().free_pasids(thread, {77, 77}) == Errno::enoent);
    CHECK(rig.container().free_pasids(thread, {2, 1}) == Errno::einval);
  });
}

TEST_CASE("strictly, a bound PASID is not freed", "[vfio]") {
  Vfio rig;
  rig.run([&](Thread& thread) {
    const Pasid bound = rig.alloc(thread);
    const Pasid plain = rig.alloc(thread);
    REQUIRE(rig.container().bind_gpasid(thread, 0, bind_of(bound)) == Errno::ok);
    CHECK(rig.container().free_pasids(thread, {bound.value(), bound.value()}) == Errno::ebusy);
    CHECK(rig.container().free_pasids(thread, {1, 0xfffff}) == Errno::ebusy);  // the other one goes
    CHECK(!rig.host.ids.sets.find(rig.container().set(), plain.value()));
    CHECK(rig.host.entry(device, bound));
    CHECK(rig.container().unbind_gpasid(thread, 0, bound.value()) == Errno::ok);
    CHECK(rig.container().free_pasids(thread, {bound.value(), bound.value()}) == Errno::ok);
    CHECK(rig.container().pasids() == 0);
  });
}

TEST_CASE("in the series a bound PASID that is freed is pending until the host has unbound it",
          "[vfio]") {
  VfioParams series;
  series.free_while_bound = FreeWhileBound::pend;
  Vfio rig(series);
  Pasid pasid{0};
  rig.run([&](Thread& thread) {
    pasid = rig.alloc(thread);
    const std::uint32_t id = pasid.value();
    REQUIRE(rig.container().bind_gpasid(thread, 0, bind_of(pasid)) == Errno::ok);
    REQUIRE(rig.container().bind_gpasid(thread, 1, bind_of(pasid)) == Errno::ok);
    CHECK(rig.container().free_pasids(thread, {id, id}) == Errno::ok);
    CHECK(rig.host.ids.sets.get(rig.container().set(), id) == ioasid::Error::ebusy);
    CHECK(rig.alloc(thread) != pasid);                                               // not reused
    CHECK(rig.container().bind_gpasid(thread, 0, bind_of(pasid)) == Errno::enoent);  // gone since
  });
  CHECK(!rig.host.entry(device, pasid));
  CHECK(!rig.host.entry(other_device, pasid));
  CHECK(rig.container().stats.pended == 1);
  CHECK(rig.host.ids.sets.references(pasid.value()) == 0);
  CHECK(rig.container().pasids() == 1);
}

TEST_CASE("an answer to a page request that is not pending is refused", "[vfio]") {
  Vfio rig;
  rig.run([&](Thread& thread) {
    const Pasid pasid = rig.alloc(thread);
    REQUIRE(rig.container().bind_gpasid(thread, 0, bind_of(pasid)) == Errno::ok);
    CHECK(!rig.container().forward_fault(1, page_request(other_device, pasid.value(), 3)));
    CHECK(!rig.container().forward_fault(0, page_request(device, 999, 3)));
    CHECK(rig.container().forward_fault(0, page_request(device, pasid.value(), 3)));
    PageResponseOrder order;
    order.pasid = pasid.value();
    order.group = 4;
    CHECK(rig.container().page_response(thread, 0, order) == Errno::einval);
    order.group = 3;
    order.pasid = 999;
    CHECK(rig.container().page_response(thread, 0, order) == Errno::einval);
    order.pasid = pasid.value();
    CHECK(rig.container().page_response(thread, 1, order) == Errno::einval);
    order.code = 3;
    CHECK(rig.container().page_response(thread, 0, order) == Errno::einval);
    order.code = GENERATE(0U, 1U, 2U);
    CHECK(rig.container().page_response(thread, 0, order) == Errno::ok);
    CHECK(rig.container().page_response(thread, 0, order) == Errno::einval);  // once
    CHECK(rig.host.iommu.log.back() ==
          "response 01:00.0 group 3 code " + std::to_string(order.code == 2 ? 15 : order.code));
    CHECK(rig.container().fault_stats().unmatched == 4);
  });
}

TEST_CASE("the host answers a page request when the guest takes too long", "[vfio]") {
  VfioParams params;
  params.fault_limit = 2ms;
  params.late_guest = GENERATE(LateGuest::invalid, LateGuest::failure);
  const std::string code = params.late_guest == LateGuest::invalid ? "1" : "15";
  Vfio rig(params);
  Instant forwarded;
  Instant answered;
  rig.host.iommu.before = [&](const std::string& line) {
    if (line == "response 01:00.0 group 3 code " + code) answered = rig.host.engine.now();
  };
  rig.run([&](Thread& thread) {
    const Pasid pasid = rig.alloc(thread);
    REQUIRE(rig.container().bind_gpasid(thread, 0, bind_of(pasid)) == Errno::ok);
    forwarded = thread.now();
    CHECK(rig.container().forward_fault(0, page_request(device, pasid.value(), 3)));
    thread.sleep(3ms);
    PageResponseOrder late;
    late.pasid = pasid.value();
    late.group = 3;
    CHECK(rig.container().page_response(thread, 0, late) == Errno::einval);
  });
  CHECK(answered - forwarded == 2ms);
  CHECK(rig.container().fault_stats().timed_out == 1);
  CHECK(rig.container().fault_stats().unmatched == 1);
}

TEST_CASE("a limit of less than the steps in which it is looked at is kept, too", "[vfio]") {
  VfioParams params;
  params.fault_limit = GENERATE(Ps(0), Ps(1), Ps(90));
  Vfio rig(params);
  rig.run([&](Thread& thread) {
    const Pasid pasid = rig.alloc(thread);
    REQUIRE(rig.container().bind_gpasid(thread, 0, bind_of(pasid)) == Errno::ok);
    CHECK(rig.container().forward_fault(0, page_request(device, pasid.value(), 3)));
    thread.sleep(1ms);
  });
  CHECK(rig.container().fault_stats().timed_out == 1);
}

TEST_CASE("a run does not last until a limit that has become needless", "[vfio]") {
  Vfio rig;  // the limit is 1 s
  rig.run([&](Thread& thread) {
    const Pasid pasid = rig.alloc(thread);
    REQUIRE(rig.container().bind_gpasid(thread, 0, bind_of(pasid)) == Errno::ok);
    CHECK(rig.container().forward_fault(0, page_request(device, pasid.value(), 3)));
    PageResponseOrder order;
    order.pasid = pasid.value();
    order.group = 3;
    CHECK(rig.container().page_response(thread, 0, order) == Errno::ok);
  });
  CHECK(rig.host.engine.now().since_start() < 11ms);
}

TEST_CASE("unbinding answers the page requests that the guest has not answered", "[vfio]") {
  Vfio rig;
  rig.run([&](Thread& thread) {
    const Pasid pasid = rig.alloc(thread);
    REQUIRE(rig.container().bind_gpasid(thread, 0, bind_of(pasid)) == Errno::ok);
    CHECK(rig.container().forward_fault(0, page_request(device, pasid.value(), 3)));
    CHECK(rig.container().forward_fault(0, page_request(device, pasid.value(), 4, false)));
    rig.host.iommu.log.clear();
    bool forwarded_meanwhile = false;
    rig.host.iommu.before = [&](const std::string&) {
      forwarded_meanwhile |=
          rig.container().forward_fault(0, page_request(device, pasid.value(), 5));
    };
    CHECK(rig.container().unbind_gpasid(thread, 0, pasid.value()) == Errno::ok);
    CHECK(!forwarded_meanwhile);
    CHECK(rig.host.iommu.log == Log{"pasid-cache pasid 1 did 2", "iotlb did 2",
                                    "pasid-device-tlb 01:00.0 pasid 1 all",
                                    "response 01:00.0 group 3 code 1"});
    CHECK(rig.container().read_faults().empty());
  });
  CHECK(rig.container().fault_stats().answered_for_guest == 1);
}

TEST_CASE("a guest gets groups whole, and never what an overflow or a refusal has cut", "[vfio]") {
  Vfio rig;
  const bool overflow = GENERATE(true, false);
  rig.run([&](Thread& thread) {
    const std::uint32_t pasid = rig.alloc(thread).value();
    REQUIRE(rig.container().bind_gpasid(thread, 0, bind_of(Pasid(pasid))) == Errno::ok);
    CHECK(rig.container().forward_fault(0, page_request(device, pasid, 3, false)));
    CHECK(rig.container().forward_fault(0, page_request(device, pasid, 4, false)));
    CHECK(rig.container().read_faults().empty());
    if (overflow) {
      rig.container().discard_incomplete();
    } else {
      rig.container().discard_group(0, page_request(device, pasid, 3));
    }
    CHECK(rig.container().forward_fault(0, page_request(device, pasid, 3)));
    CHECK(rig.container().read_faults().size() == 1);
    CHECK(rig.container().forward_fault(0, page_request(device, pasid, 4)));
    CHECK(rig.container().read_faults().size() == (overflow ? 1 : 2));
  });
}

TEST_CASE("slices of a function share its default PASID, the last user frees it", "[vfio]") {
  Vfio rig;
  const AssignedDevice slice{device, &rig.host.driver, nullptr, true, 20, true};
  const std::size_t first = rig.container().add_device(slice);
  const std::size_t second = rig.container().add_device(slice);
  rig.run([&](Thread& thread) {
    const Result<Pasid> one = rig.container().attach_default(thread, first);
    const Result<Pasid> two = rig.container().attach_default(thread, second);
    REQUIRE(one.ok());
    CHECK(two.value() == one.value());
    CHECK(rig.container().pasids() == 1);
    const auto entry = rig.host.tables.read_entry(*rig.host.tables.entry(device, one.value()));
    CHECK(entry.type == vtd::PasidEntry::Type::second_level);
    CHECK(entry.domain == DomainId(2));
    const std::uint32_t id = one.value().value();
    CHECK(rig.container().free_pasids(thread, {id, id}) == Errno::eacces);
    CHECK(rig.container().free_pasids(thread, {1, 0xfffff}) == Errno::ok);
    rig.container().detach_default(thread, first);
    CHECK(rig.host.entry(device, one.value()));
    rig.container().detach_default(thread, second);
    CHECK(!rig.host.entry(device, one.value()));
    CHECK(rig.container().pasids() == 0);
  });
}

TEST_CASE("without a PASID for a slice's requests it cannot be attached: -ENODEV", "[vfio]") {
  VfioParams params;
  params.quota = 1;
  Vfio rig(params);
  const std::size_t slice =
      rig.container().add_device({device, &rig.host.driver, nullptr, true, 20, true});
  const std::size_t other =
      rig.container().add_device({other_device, &rig.host.driver, nullptr, true, 20, true});
  rig.run([&](Thread& thread) {
    CHECK(rig.container().attach_default(thread, slice).ok());
    CHECK(rig.container().attach_default(thread, other).error() == Errno::enodev);
    CHECK(rig.container().pasids() == 1);
  });
}

TEST_CASE("a machine that is closed leaves nothing: no id, no entry, no pending request",
          "[vfio]") {
  Vfio rig;
  const std::size_t slice =
      rig.container().add_device({other_device, &rig.host.driver, nullptr, true, 20, true});
  std::vector<Pasid> pasids;
  rig.run([&](Thread& thread) {
    for (int i = 0; i < 10; ++i) pasids.push_back(rig.alloc(thread));
    for (int i = 0; i < 6; ++i) {
      const std::size_t number = static_cast<std::size_t>(i) % 2;
      const Pasid pasid = pasids[static_cast<std::size_t>(i)];
      REQUIRE(rig.container().bind_gpasid(thread, number, bind_of(pasid)) == Errno::ok);
      const Bdf function = number == 0 ? device : other_device;
      CHECK(rig.container().forward_fault(
          number, page_request(function, pasid.value(), static_cast<std::uint16_t>(i))));
    }
    REQUIRE(rig.container().attach_default(thread, slice).ok());
    const Pasid foreign = rig.stranger.container.alloc_pasid(thread, {1, 0xfffff}).value();
    rig.container().close(thread);
    CHECK(rig.host.ids.sets.find_set(foreign.value()) == rig.stranger.container.set());
    CHECK(rig.container().alloc_pasid(thread, {1, 9}).error() == Errno::enodev);
    CHECK(rig.container().free_pasids(thread, {1, 9}) == Errno::enodev);
    CHECK(rig.container().bind_gpasid(thread, 0, bind_of(pasids[0])) == Errno::enodev);
    CHECK(rig.container().unbind_gpasid(thread, 0, pasids[0].value()) == Errno::enodev);
    CHECK(!rig.container().forward_fault(0, page_request(device, pasids[0].value())));
    rig.container().close(thread);  // once
  });
  CHECK(rig.vm.nothing_left());
  CHECK(rig.container().stats.reclaimed == 11);
  CHECK(rig.container().fault_stats().answered_for_guest == 6);
  CHECK(rig.host.pasids.space().size() == 1);
  CHECK(rig.host.ids.sets.capacity_left() == (1U << 20U) - 1000);
  for (const Pasid pasid : pasids) {
    CHECK(!rig.host.entry(device, pasid));
    CHECK(!rig.host.entry(other_device, pasid));
  }
}
