// Flushes of what was unmapped.
// SPDX-License-Identifier: Apache-2.0
#include "tests/check/stream.hpp"
#include "tests/support/catch.hpp"

#include <initializer_list>
#include <utility>

using namespace viosim;
using namespace viosim::test;

namespace {

constexpr std::uint32_t pasid = 5;

Stream present(bool device_tlb = true) {
  return Stream().allocate(pasid, 1).write(trace_code::entry_set, pasid, 1, device_tlb);
}

// Of so many pages from Stream::page on, where the descriptor names pages.
Stream& flush(Stream& stream, vtd::DescriptorType type, std::uint8_t mask,
              std::uint64_t address = Stream::page, std::uint32_t of = pasid) {
  vtd::Descriptor order;
  order.type = type;
  order.granularity =
      type == vtd::DescriptorType::iotlb ? vtd::Granularity::domain : vtd::Granularity::page;
  order.domain = DomainId(Stream::domain);
  order.pasid = Pasid(of);
  order.source = Bdf(Stream::source);
  order.address = Iova(address);
  order.address_mask = mask;
  return stream.flush(order);
}

Stream& unmap(Stream& stream, std::uint16_t pages, std::int64_t duration,
              Stream::Component who = Stream::app) {
  return stream.emit(EventKind::unmap, who, pasid, 1,
                     {.address = Stream::page, .code = pages, .duration = duration});
}

constexpr auto iotlb = vtd::DescriptorType::pasid_iotlb;
constexpr auto device = vtd::DescriptorType::pasid_device_tlb;

}  // namespace

TEST_CASE("I26: pages are unmapped, and not flushed") {
  const auto found = [](bool of_iotlb, bool of_device, bool device_tlb = true) {
    Stream stream = present(device_tlb);
    stream.wait(10000);
    if (of_iotlb) flush(stream, iotlb, 0);
    if (of_device) flush(stream, device, 0);
    return unmap(stream, 1, 3500).found();
  };
  CHECK(found(true, true).empty());
  CHECK(found(true, false) == "I26");
  CHECK(found(false, true) == "I26");
  CHECK(found(false, false) == "I26 I26");
  CHECK(found(true, false, false).empty());
}

TEST_CASE("I26: fewer pages are flushed than were unmapped") {
  const auto found = [](std::uint8_t mask, std::uint64_t second) {
    Stream stream = present(false);
    stream.wait(10000);
    flush(stream, iotlb, mask, Stream::page & ~((std::uint64_t{4096} << mask) - 1));
    if (second != 0) flush(stream, iotlb, 0, second);
    return unmap(stream, 2, 3500).found();
  };
  static_assert(Stream::page == 0x7000);
  CHECK(found(0, 0) == "I26");  // the first page only
  CHECK(found(0, 0x8000).empty());
  CHECK(found(0, 0x9000) == "I26");
  CHECK(found(4, 0).empty());
  CHECK(found(vtd::Descriptor::every_address - 12, 0).empty());
}

TEST_CASE("I27: a function's TLB counts for pages that the IOTLB was told of before") {
  const auto found =
      [](std::initializer_list<std::pair<vtd::DescriptorType, std::uint64_t>> order) {
        Stream stream = present();
        stream.wait(10000);
        for (const auto& [type, page] : order) flush(stream, type, 0, page);
        return unmap(stream, 2, 5500).found();
      };
  constexpr std::uint64_t one = Stream::page;
  constexpr std::uint64_t two = one + 0x1000;
  CHECK(found({{iotlb, one}, {iotlb, two}, {device, one}, {device, two}}).empty());
  CHECK(found({{iotlb, one}, {device, one}, {iotlb, two}, {device, two}}).empty());
  CHECK(found({{device, one}, {device, two}, {iotlb, one}, {iotlb, two}}) == "I27");
  CHECK(found({{iotlb, one}, {device, one}, {device, two}, {iotlb, two}}) == "I27");
  CHECK(found({{device, one}, {iotlb, one}, {iotlb, two}}) == "I26");
  CHECK(found({{device, one}, {device, two}, {iotlb, one}}) == "I26");
}

TEST_CASE("I26: a flush of before the unmapping, and one of another PASID, do not count") {
  Stream before = present(false);
  flush(before.wait(10000), iotlb, 0).wait(1000);
  CHECK(unmap(before, 1, 1500).found() == "I26");
  Stream other = present(false);
  flush(other.wait(10000), iotlb, 0, Stream::page, pasid + 1);
  CHECK(unmap(other, 1, 2500).found() == "I26");
  Stream domain = present(false);
  flush(domain.wait(10000), vtd::DescriptorType::iotlb, 0);
  CHECK(unmap(domain, 1, 2500).found().empty());
}

TEST_CASE("I26: an entry that was made present during the unmapping needs no flush") {
  Stream stream = present();
  CHECK(unmap(stream, 1, 5000).found().empty());
}

TEST_CASE("I26: a function that was reset during the unmapping has nothing to forget") {
  Stream stream = present();
  flush(stream.wait(10000), iotlb, 0);
  stream.emit(EventKind::reset, Stream::device, 0, 0, {.value = Stream::source});
  CHECK(unmap(stream, 1, 3500).found().empty());
}

TEST_CASE(
    "I26: what was bound to a function before it vanished, or while it was gone, is in no TLB") {
  const auto comes_back = [](bool bound_before, EventKind goes) {
    Stream stream;
    stream.allocate(pasid, 1);
    if (bound_before) stream.write(trace_code::entry_set, pasid, 1);
    stream.emit(goes, Stream::device, 0, 0, {.value = Stream::source});
    if (!bound_before) stream.write(trace_code::entry_set, pasid, 1);
    stream.emit(EventKind::plug, Stream::device, 0, 0, {.address = 2, .value = Stream::source});
    flush(stream.wait(10000), iotlb, 0);
    return unmap(stream, 1, 2500).found();
  };
  CHECK(comes_back(true, EventKind::vanish).empty());
  CHECK(comes_back(false, EventKind::vanish).empty());
  CHECK(comes_back(true, EventKind::reset) == "I26");
}

TEST_CASE("I26: what a guest unmaps is flushed under the host's number") {
  const auto found = [](bool flushed, bool moved = false) {
    Stream stream;
    stream.guest_allocates(pasid).allocate(9, 1).write(trace_code::entry_set, 9, 1, false);
    stream.emit(EventKind::bind, Stream::vfio, 9, 1,
                {.address = pasid, .value = Stream::source, .code = trace_code::for_guest});
    stream.wait(10000);
    if (flushed) flush(stream, iotlb, 0, Stream::page, 9);
    if (moved) stream.emit(EventKind::moved, Stream::vfio_elsewhere, 0, 0, {});
    return unmap(stream, 1, 2500, Stream::guest_app).found(false);
  };
  CHECK(found(true).empty());
  CHECK(found(false) == "I26");
  CHECK(found(false, true).empty());
}

TEST_CASE(
    "I26: what a host has for a guest that is elsewhere leads to no page that the guest unmaps") {
  const auto found = [](bool moved) {
    Stream stream;
    stream.guest_allocates(pasid);
    stream.emit(EventKind::allocate, Stream::pasids_elsewhere, 9, 1,
                {.address = std::uint64_t{0xfffff} << 32U});
    const EntryWritten entry{Stream::source, Stream::domain, 1, false, false, 64};
    stream.emit(EventKind::table_write, Stream::driver_elsewhere, 9, 1,
                {.value = entry.encode(), .code = trace_code::entry_set});
    stream.emit(EventKind::bind, Stream::vfio_elsewhere, 9, 1,
                {.address = pasid, .value = Stream::source, .code = trace_code::for_guest});
    if (moved) stream.emit(EventKind::moved, Stream::vfio_elsewhere, 0, 0, {});
    stream.wait(10000);
    return unmap(stream, 1, 2500, Stream::guest_app).found(false);
  };
  CHECK(found(true) == "I26");
  CHECK(found(false).empty());
}

TEST_CASE("I26: a process that exits gives its pages back, and what its entry led to is flushed") {
  const auto found = [](bool torn_down) {
    Stream stream = present();
    stream.wait(10000);
    if (torn_down) stream.tear_down(pasid, 1);
    return unmap(stream, 16, 8500).found();
  };
  CHECK(found(true).empty());
  CHECK(found(false) == "I26 I26");
}

// The orphan's entry is flushed by the process that has it; what another one with its number unmaps was
// never led to by it.
TEST_CASE("I26: what is unmapped under the number of an orphan may be somebody else's") {
  const auto found = [](bool given_out_again) {
    Stream stream;
    stream.guest_allocates(pasid).allocate(9, 1).write(trace_code::entry_set, 9, 1, false);
    stream.emit(EventKind::bind, Stream::vfio, 9, 1,
                {.address = pasid, .value = Stream::source, .code = trace_code::for_guest});
    stream.emit(EventKind::free, Stream::guest_pasids, pasid, 1, {.code = trace_code::orphaned});
    if (given_out_again) {
      stream.emit(EventKind::allocate, Stream::guest_pasids, pasid, 2,
                  {.address = 1U | std::uint64_t{100} << 32U});
    }
    return unmap(stream.wait(10000), 1, 2500, Stream::guest_app).found(false);
  };
  CHECK(found(false) == "I26");
  CHECK(found(true).empty());
}
