// Entries of PASID tables, and the flushes after them.
// SPDX-License-Identifier: Apache-2.0
#include "tests/check/stream.hpp"
#include "tests/support/catch.hpp"

#include <optional>

using namespace viosim;
using namespace viosim::test;

namespace {

Stream used() { return Stream().allocate(5, 1).write(trace_code::entry_set, 5, 1); }
Stream cleared() { return used().write(trace_code::entry_cleared, 5, 1); }

}  // namespace

TEST_CASE("I7: a number is freed while it is present") {
  CHECK(used().free(5, 1).found() == "I7");
  CHECK(used().tear_down(5, 1).free(5, 1).found().empty());
}

TEST_CASE("I26: an entry is zeroed before one of its flushes") {
  const auto zeroed = [](Stream stream) {
    return stream.write(trace_code::entry_zeroed, 5, 1).found();
  };
  CHECK(zeroed(cleared().flush_pasid_cache(5).flush_iotlb(5).flush_device_tlb(5)).empty());
  CHECK(zeroed(cleared().flush_iotlb(5).flush_device_tlb(5)) == "I26");
  CHECK(zeroed(cleared().flush_pasid_cache(5).flush_device_tlb(5)) == "I26");
  CHECK(zeroed(cleared().flush_pasid_cache(5).flush_iotlb(5)) == "I26");
}

TEST_CASE("I26: flushes of another PASID, of another domain and of one page do not count") {
  Stream stream = cleared().flush_pasid_cache(5);
  vtd::Descriptor wrong;
  wrong.type = vtd::DescriptorType::pasid_iotlb;
  wrong.granularity = vtd::Granularity::pasid;
  wrong.pasid = Pasid(5);
  wrong.domain = DomainId(Stream::domain + 1);
  stream.flush(wrong).flush_iotlb(6);
  wrong.domain = DomainId(Stream::domain);
  wrong.granularity = vtd::Granularity::page;
  stream.flush(wrong).flush_device_tlb(5);
  CHECK(stream.write(trace_code::entry_zeroed, 5, 1).found() == "I26");
}

TEST_CASE("I26: what a whole domain or everything forgets is flushed, too") {
  vtd::Descriptor of_domain;
  of_domain.type = vtd::DescriptorType::pasid_cache;
  of_domain.granularity = vtd::Granularity::domain;
  of_domain.domain = DomainId(Stream::domain);
  vtd::Descriptor everything;
  everything.type = vtd::DescriptorType::iotlb;
  everything.granularity = vtd::Granularity::global;
  Stream stream = cleared().flush(of_domain).flush(everything).flush_device_tlb(5);
  CHECK(stream.write(trace_code::entry_zeroed, 5, 1).found().empty());
}

TEST_CASE("I26: a function without a TLB, and one that is gone, have none to flush") {
  CHECK(used()
            .write(trace_code::entry_cleared, 5, 1, false)
            .flush_pasid_cache(5)
            .flush_iotlb(5)
            .write(trace_code::entry_zeroed, 5, 1)
            .found()
            .empty());
  CHECK(cleared()
            .flush_pasid_cache(5)
            .flush_iotlb(5)
            .emit(EventKind::vanish, Stream::device, 0, 0, {.value = Stream::source})
            .write(trace_code::entry_zeroed, 5, 1)
            .found()
            .empty());
}

TEST_CASE("I26: a function that had vanished before its entry was cleared has no TLB to flush") {
  const auto flushed = [](Stream stream) {
    return stream.write(trace_code::entry_cleared, 5, 1)
        .flush_pasid_cache(5)
        .flush_iotlb(5)
        .write(trace_code::entry_zeroed, 5, 1)
        .found();
  };
  Stream gone = used();
  gone.emit(EventKind::vanish, Stream::device, 0, 0, {.value = Stream::source});
  CHECK(flushed(gone).empty());
  CHECK(flushed(gone.emit(EventKind::plug, Stream::device, 0, 0, {.value = Stream::source})) ==
        "I26");
}

TEST_CASE("I26: a flush that its function did not confirm in time has not been done") {
  Stream stream = cleared().flush_pasid_cache(5).flush_iotlb(5);
  stream.emit(EventKind::timed_out, Stream::queue, 5, 1, {});
  CHECK(stream.write(trace_code::entry_zeroed, 5, 1).found() == "I26");
}

TEST_CASE("I26: a number is freed before its flushes") {
  CHECK(cleared().flush_pasid_cache(5).free(5, 1).found() == "I26");
}

TEST_CASE("I27: all flushes, in the wrong order") {
  Stream device_first = cleared().flush_pasid_cache(5).flush_device_tlb(5).flush_iotlb(5);
  CHECK(Stream(device_first).write(trace_code::entry_zeroed, 5, 1).found() == "I27");
  CHECK(device_first.flush_device_tlb(5).write(trace_code::entry_zeroed, 5, 1).found().empty());
  Stream iotlb_first = cleared().flush_iotlb(5).flush_pasid_cache(5).flush_device_tlb(5);
  CHECK(iotlb_first.write(trace_code::entry_zeroed, 5, 1).found() == "I27");
}

TEST_CASE("I8: a number is given out again while caches may hold its last life") {
  const auto dirty = [] {
    return cleared().flush_pasid_cache(5).flush_iotlb(5).free(5, 1).allocate(5, 2);
  };
  CHECK(dirty().found() == "I26 I8");
  const auto found = dirty().violations();
  CHECK(found[1].epoch == 1);
  CHECK(found[1].current_epoch == 2);
}

TEST_CASE("I8: other numbers may be given out meanwhile") {
  CHECK(cleared()
            .allocate(6, 1)
            .flush_pasid_cache(5)
            .flush_iotlb(5)
            .flush_device_tlb(5)
            .found()
            .empty());
}

TEST_CASE("I20: a kernel lets go of a function that has a PASID present") {
  const auto unplug = [](Stream stream) {
    return stream.emit(EventKind::unplug, Stream::app, 0, 0, {.value = Stream::source}).found();
  };
  CHECK(unplug(used()) == "I20");
  CHECK(unplug(used().tear_down(5, 1)).empty());
}

TEST_CASE("I7 and I20: what is still bound is freed, or let go of") {
  const auto bound = [] { return Stream().allocate(5, 1).bind(5, 1); };
  CHECK(bound().free(5, 1).found() == "I7");
  CHECK(bound().unbind(5, 1).free(5, 1).found().empty());
  const auto unplug = [](Stream stream) {
    return stream.emit(EventKind::unplug, Stream::app, 0, 0, {.value = Stream::source})
        .found(false);
  };
  CHECK(unplug(bound()) == "I20");
  CHECK(unplug(bound().unbind(5, 1)).empty());
  CHECK(unplug(cleared().flush_pasid_cache(5).flush_iotlb(5)) == "I20");  // a cache may hold it
}

TEST_CASE("I7: a guest frees a number that is present in its own table, or was, with its vIOMMU") {
  const auto present = [] {
    const EntryWritten written{Stream::source, Stream::domain, 1, true, true, 64};
    Stream stream;
    stream.guest_allocates(5).emit(EventKind::table_write, Stream::viommu_driver, 5, 1,
                                   {.value = written.encode(), .code = trace_code::entry_set});
    return stream;
  };
  const auto freed = [](Stream stream) {
    return stream.emit(EventKind::free, Stream::guest_pasids, 5, 1, {}).found();
  };
  CHECK(freed(present()) == "I7");
  Stream gone = present();
  gone.emit(EventKind::viommu, Stream::viommu, 0, 0, {.code = trace_code::viommu_gone});
  CHECK(freed(gone).empty());
  // Its kernel does not know yet, and sets another one.
  Stream late;
  late.guest_allocates(5).emit(EventKind::viommu, Stream::viommu, 0, 0,
                               {.code = trace_code::viommu_gone});
  const EntryWritten written{Stream::source, Stream::domain, 1, true, true, 64};
  late.emit(EventKind::table_write, Stream::viommu_driver, 5, 1,
            {.value = written.encode(), .code = trace_code::entry_set});
  CHECK(freed(late).empty());
  // Its vIOMMU has not heard of it, and the bind is given up.
  vtd::Descriptor order;
  order.type = vtd::DescriptorType::pasid_cache;
  order.pasid = Pasid(5);
  const vtd::DescriptorBits bits = order.encode();
  CHECK(freed(present().emit(EventKind::given_up, Stream::viommu_driver, 5, 1,
                             {.address = bits[1],
                              .value = bits[0],
                              .code = static_cast<std::uint16_t>(order.type)}))
            .empty());
}

TEST_CASE("I7: an orphan's owner may use the number while whoever has got it since frees it") {
  const auto twice = [](bool orphan) {
    Stream stream;
    stream.guest_allocates(5).emit(EventKind::free, Stream::guest_pasids, 5, 1,
                                   {.code = orphan ? trace_code::orphaned : std::uint16_t{0}});
    const EntryWritten written{Stream::source, Stream::domain, 1, true, true, 64};
    stream
        .emit(EventKind::allocate, Stream::guest_pasids, 5, 2,
              {.address = 1U | std::uint64_t{100} << 32U})
        .emit(EventKind::table_write, Stream::viommu_driver, 5, 2,
              {.value = written.encode(), .code = trace_code::entry_set})
        .emit(EventKind::bind, Stream::guest_app, 5, 2, {.address = 5, .value = Stream::source});
    return stream.emit(EventKind::free, Stream::guest_pasids, 5, 2, {}).found();
  };
  CHECK(twice(false) == "I7 I7");  // bound, and present
  CHECK(twice(true).empty());
}

TEST_CASE("I20: a vIOMMU is taken away in order while the host has something bound behind it") {
  const auto ejected = [](bool unbound, bool in_order, bool moved = false) {
    const EntryWritten written{Stream::source, Stream::domain, 1, true, true, 64};
    Stream stream;
    stream.allocate(5, 1, Stream::owner(Stream::vfio)).guest_allocates(5);
    stream.emit(EventKind::table_write, Stream::viommu_driver, 5, 1,
                {.value = written.encode(), .code = trace_code::entry_set});
    const Stream::Fields bond{.address = 5, .value = Stream::source, .code = trace_code::for_guest};
    stream.emit(EventKind::bind, Stream::vfio, 5, 1, bond);
    if (unbound) stream.emit(EventKind::unbind, Stream::vfio, 5, 1, bond);
    if (moved) stream.emit(EventKind::moved, Stream::vfio_elsewhere, 0, 0, {});
    if (in_order) {
      stream.emit(EventKind::allocator, Stream::viommu, 0, 0,
                  {.address = 1, .code = trace_code::allocator_left});
    }
    return stream.emit(EventKind::viommu, Stream::viommu, 0, 0, {.code = trace_code::viommu_gone})
        .found(false);
  };
  CHECK(ejected(true, true).empty());
  CHECK(ejected(false, false).empty());
  CHECK(ejected(false, true).find("I20") != std::string::npos);
  CHECK(ejected(false, true, true).empty());  // the host that it left sees to that
}

TEST_CASE("I20: of a vIOMMU that vanishes the host unbinds later, whenever its allocator leaves") {
  const auto presence = [](std::uint16_t code) { return Stream::Fields{.code = code}; };
  Stream stream;
  stream.allocate(5, 1, Stream::owner(Stream::vfio)).guest_allocates(5);
  const EntryWritten written{Stream::source, Stream::domain, 1, true, true, 64};
  stream.emit(EventKind::table_write, Stream::viommu_driver, 5, 1,
              {.value = written.encode(), .code = trace_code::entry_set});
  stream.emit(EventKind::bind, Stream::vfio, 5, 1,
              {.address = 5, .value = Stream::source, .code = trace_code::for_guest});
  stream.emit(EventKind::viommu, Stream::viommu, 0, 0, presence(trace_code::viommu_leaves));
  stream.emit(EventKind::allocator, Stream::viommu, 0, 0,
              {.address = 1, .code = trace_code::allocator_left});
  stream.emit(EventKind::viommu, Stream::viommu, 0, 0, presence(trace_code::viommu_gone));
  CHECK(stream.found().find("I20") == std::string::npos);
}

TEST_CASE(
    "I26: an entry that was changed while it is present is flushed before it is changed again") {
  const auto changed = [](Stream stream) {
    return stream.write(trace_code::entry_changed, 5, 1).found();
  };
  const auto once = [] { return used().write(trace_code::entry_changed, 5, 1); };
  CHECK(changed(once().flush_pasid_cache(5).flush_iotlb(5).flush_device_tlb(5)).empty());
  CHECK(changed(once().flush_pasid_cache(5).flush_iotlb(5)) == "I26");
  CHECK(changed(once().flush_iotlb(5).flush_device_tlb(5).flush_pasid_cache(5)) == "I27");
}

TEST_CASE("I27: a device TLB that is not used is flushed") {
  const auto flushed = [](bool device_tlb) {
    Stream stream = Stream().allocate(5, 1).write(trace_code::entry_set, 5, 1, device_tlb);
    const TraceEvent flush = Stream().flush_device_tlb(5).events().back();
    return stream
        .emit(EventKind::submit, Stream::queue, 5, 1,
              {.address = flush.address, .value = flush.value, .code = flush.code})
        .found();
  };
  CHECK(flushed(true).empty());
  CHECK(flushed(false) == "I27");
}

TEST_CASE("I27: a function that has vanished is asked again for what it did not answer") {
  const auto asked_again = [](bool vanished) {
    Stream stream = Stream().allocate(5, 1).write(trace_code::entry_set, 5, 1);
    const TraceEvent flush = Stream().flush_device_tlb(5).events().back();
    if (vanished) stream.emit(EventKind::vanish, Stream::device, 0, 0, {.value = Stream::source});
    stream.write(trace_code::entry_cleared, 5, 1, false);
    return stream
        .emit(EventKind::submit, Stream::queue, 5, 1,
              {.address = flush.address, .value = flush.value, .code = flush.code})
        .found();
  };
  CHECK(asked_again(true).empty());
  CHECK(asked_again(false) == "I27");
}

TEST_CASE("I36: a second level's domain is given to somebody else before it was flushed") {
  constexpr std::uint8_t nested = 3;
  const EntryWritten written{Stream::source, 9, nested};
  const auto entry = [&](Stream& stream, std::uint32_t pasid, std::uint16_t how) {
    stream.emit(EventKind::table_write, Stream::driver, pasid, 1,
                {.value = written.encode(), .code = how});
  };
  const auto given = [&](bool of_domain, bool of_pasid, bool still_used = false) {
    Stream stream;
    stream.allocate(5, 1).allocate(6, 1).allocate(7, 1);
    if (still_used) entry(stream, 7, trace_code::entry_set);
    entry(stream, 5, trace_code::entry_set);
    entry(stream, 5, trace_code::entry_cleared);
    vtd::Descriptor flush;
    flush.domain = DomainId(9);
    flush.type = of_domain ? vtd::DescriptorType::iotlb : vtd::DescriptorType::pasid_iotlb;
    flush.granularity = of_domain ? vtd::Granularity::domain : vtd::Granularity::pasid;
    flush.pasid = Pasid(5);
    if (of_domain || of_pasid) stream.flush(flush);
    entry(stream, 6, trace_code::entry_set);
    return stream.found();
  };
  CHECK(given(false, false) == "I36");
  CHECK(given(true, false).empty());
  CHECK(given(false, true).empty());
  CHECK(given(false, false, true).empty());  // it belongs to the same guest still
}

TEST_CASE("I36: entries of two functions that have one tag lead to two tables") {
  constexpr std::uint8_t second_level = 2;
  constexpr std::uint8_t nested = 3;
  struct Entry {
    std::uint16_t domain = 9;
    std::uint32_t pasid = 5;
    std::uint8_t type = nested;
    std::uint64_t table = 0x1000;
  };
  const auto write = [](Stream& stream, std::uint16_t source, const Entry& entry,
                        std::uint16_t how) {
    const EntryWritten written{source, entry.domain, entry.type};
    stream.emit(EventKind::table_write, Stream::driver, entry.pasid, 1,
                {.address = entry.table, .value = written.encode(), .code = how});
  };
  const auto with = [&](const Entry& other, std::uint16_t before = 0) {
    Stream stream;
    stream.allocate(5, 1).allocate(6, 1);
    write(stream, Stream::source, {}, trace_code::entry_set);
    if (before != 0) write(stream, Stream::source, {}, before);
    write(stream, Stream::source + 1, other, trace_code::entry_set);
    return stream.found();
  };
  CHECK(with({}).empty());
  CHECK(with({.table = 0x2000}) == "I36");
  CHECK(with({.type = second_level}) == "I36");
  CHECK(with({.pasid = 6, .table = 0x2000}).empty());
  CHECK(with({.domain = 10, .table = 0x2000}).empty());
  CHECK(with({.table = 0x2000}, trace_code::entry_cleared).empty());
  CHECK(with({.table = 0x2000}, trace_code::entry_replaced).empty());
}

// The guest's two processes have one number, and the host one that stands for it.
TEST_CASE("I36: a host's number for one of a guest that was an orphan's may lead to two tables") {
  const auto found = [](bool given_out_again) {
    constexpr std::uint8_t nested = 3;
    Stream stream;
    const auto write = [&](std::uint16_t source, std::uint64_t table) {
      const EntryWritten written{source, 9, nested};
      stream.emit(EventKind::table_write, Stream::driver, 6, 1,
                  {.address = table, .value = written.encode(), .code = trace_code::entry_set});
    };
    stream.guest_allocates(5).allocate(6, 1, Stream::owner(Stream::vfio));
    write(Stream::source, 0x1000);
    stream.emit(EventKind::bind, Stream::vfio, 6, 1,
                {.address = 5, .value = Stream::source, .code = trace_code::for_guest});
    stream.emit(EventKind::free, Stream::guest_pasids, 5, 1, {.code = trace_code::orphaned});
    if (given_out_again) {
      stream.emit(EventKind::allocate, Stream::guest_pasids, 5, 2,
                  {.address = 1U | std::uint64_t{100} << 32U});
    }
    write(Stream::source + 1, 0x2000);
    return stream.found(false);
  };
  CHECK(found(false) == "I36");
  CHECK(found(true).empty());
}

TEST_CASE("I36: what stood in the tables of a vIOMMU goes with it") {
  constexpr std::uint8_t nested = 3;
  const auto write = [](Stream& stream, std::uint16_t source, std::uint8_t type,
                        std::uint64_t table) {
    const EntryWritten written{source, 9, type};
    stream.emit(EventKind::table_write, Stream::viommu_driver, 5, 1,
                {.address = table, .value = written.encode(), .code = trace_code::entry_set});
  };
  const auto after = [&](std::optional<std::uint16_t> presence, std::uint8_t type) {
    Stream stream;
    stream.guest_allocates(5);
    write(stream, Stream::source, nested, 0x1000);
    if (presence) stream.emit(EventKind::viommu, Stream::viommu, 0, 0, {.code = *presence});
    write(stream, Stream::source + 1, type, 0x2000);
    return stream.found();
  };
  const std::uint8_t type = GENERATE(std::uint8_t{1}, std::uint8_t{3});  // first-level, nested
  CHECK_THAT(after(std::nullopt, type), Catch::StartsWith("I36"));
  CHECK_THAT(after(trace_code::viommu_leaves, type), Catch::StartsWith("I36"));
  CHECK(after(trace_code::viommu_gone, type).empty());
  CHECK(after(trace_code::viommu_there, type).empty());
}

TEST_CASE("I36: a domain of a first-level entry is given to a nested one") {
  const auto with = [](std::uint16_t domain, std::uint8_t type) {
    const EntryWritten written{Stream::source, domain, type};
    return used()
        .allocate(6, 1)
        .emit(EventKind::table_write, Stream::driver, 6, 1,
              {.value = written.encode(), .code = trace_code::entry_set})
        .found();
  };
  constexpr std::uint8_t first_level = 1;
  constexpr std::uint8_t nested = 3;
  CHECK(with(Stream::domain, first_level).empty());
  CHECK(with(Stream::domain + 1, nested).empty());
  CHECK(with(Stream::domain, nested) == "I36");
}
