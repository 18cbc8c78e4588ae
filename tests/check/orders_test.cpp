// Orders of locks, and of what vIOMMUs do for their guests.
// SPDX-License-Identifier: Apache-2.0
#include "tests/check/stream.hpp"
#include "tests/support/catch.hpp"

using namespace viosim;
using namespace viosim::test;

namespace {

struct Locks : Stream {
  Locks& under(Component taken, Component held) {
    emit(EventKind::lock_order, taken, 0, 0, {.value = held});
    return *this;
  }
};

// A guest's vIOMMU, and its queue.
struct Viommu : Stream {
  Viommu() { guest_allocates(5); }
  Viommu& told(EventKind kind, vtd::DescriptorType type, std::uint32_t pasid = 0) {
    vtd::Descriptor descriptor;
    descriptor.type = type;
    descriptor.granularity = vtd::Granularity::pasid;
    descriptor.domain = DomainId(domain);
    descriptor.pasid = Pasid(pasid);
    const vtd::DescriptorBits bits = descriptor.encode();
    emit(kind, viommu, pasid, 0,
         {.address = bits[1], .value = bits[0], .code = static_cast<std::uint16_t>(type)});
    return *this;
  }
  Viommu& submit(vtd::DescriptorType type) { return told(EventKind::submit, type, 5); }
  Viommu& done(vtd::DescriptorType type) { return told(EventKind::invalidate, type, 5); }
  Viommu& sets_entry() {
    const EntryWritten written{source, domain, 1, true, true, 64};
    emit(EventKind::table_write, guest_app, 5, 0,
         {.value = written.encode(), .code = trace_code::entry_set});
    return *this;
  }
  Viommu& binds() {
    emit(EventKind::bind, guest_app, 5, 0, {.address = 5, .value = source});
    return *this;
  }
};

constexpr auto flush = vtd::DescriptorType::pasid_cache;
constexpr auto fence = vtd::DescriptorType::wait;

}  // namespace

TEST_CASE("I32: two locks are taken in both orders") {
  CHECK(Locks().under(Stream::driver, Stream::app).found().empty());
  CHECK(Locks().under(Stream::driver, Stream::app).under(Stream::app, Stream::driver).found() ==
        "I32");
}

TEST_CASE("I32: three locks are taken in a circle") {
  const auto two = [] {
    return Locks().under(Stream::driver, Stream::app).under(Stream::queue, Stream::driver);
  };
  CHECK(two().under(Stream::queue, Stream::app).found().empty());
  CHECK(two().under(Stream::app, Stream::queue).found() == "I32");
  CHECK(two().under(Stream::app, Stream::queue).violations()[0].message ==
        "host0.app is taken under host0.dmar0.invalidation_queue; elsewhere host0.app, then "
        "host0.dmar0.driver, then host0.dmar0.invalidation_queue");
}

TEST_CASE("I31: a wait is over before what is ahead of it is done") {
  const auto asked = [] { return Viommu().submit(flush).submit(fence); };
  CHECK(asked().done(flush).done(fence).found().empty());
  CHECK(asked().done(fence).done(flush).found() == "I31");
  CHECK(Viommu().submit(fence).submit(flush).done(fence).found().empty());
}

TEST_CASE("I31: a guest uses an entry that its vIOMMU was not told of") {
  CHECK(Viommu().sets_entry().submit(flush).done(flush).binds().found().empty());
  CHECK(Viommu().sets_entry().submit(flush).binds().found() == "I31");
  CHECK(Viommu().sets_entry().binds().found().empty());  // nothing is told of descriptors
}
