// How PASID entries are written.
// SPDX-License-Identifier: Apache-2.0
#include "tests/check/stream.hpp"
#include "tests/support/catch.hpp"

using namespace viosim;
using namespace viosim::test;

namespace {

Stream fields() { return Stream().allocate(5, 1).write(trace_code::entry_fields, 5, 1); }
Stream present() { return fields().write(trace_code::entry_set, 5, 1); }

void guest_writes(Stream& stream, std::uint16_t how) {
  const EntryWritten written{Stream::source, Stream::domain, 1, false, true, 64};
  stream.emit(EventKind::table_write, Stream::viommu_driver, 5, 0,
              {.value = written.encode(), .code = how});
}

}  // namespace

TEST_CASE("I25: an entry becomes present before the rest of it is written") {
  CHECK(present().found().empty());
  CHECK(fields().allocate(6, 1).write(trace_code::entry_set, 6, 1).found() == "I25");
  CHECK(Stream()
            .allocate(5, 1)
            .write(trace_code::entry_set, 5, 1)
            .write(trace_code::entry_fields, 5, 1)
            .found() == "I25");
}

TEST_CASE("I25: an entry is written anew while it is present") {
  const auto anew = [](Stream stream) {
    return stream.write(trace_code::entry_fields, 5, 1).write(trace_code::entry_set, 5, 1).found();
  };
  CHECK(anew(present().tear_down(5, 1)).empty());
  CHECK(anew(present()) == "I25 I25");
  CHECK(present().write(trace_code::entry_zeroed, 5, 1).found() == "I25");
}

TEST_CASE("I25: an entry that is present is changed in place: how, but not where to") {
  const auto changed = [](std::uint64_t table, std::uint16_t domain, std::uint8_t type,
                          std::uint16_t how) {
    const EntryWritten written{Stream::source, domain, type, true, false, 64};
    return present()
        .emit(EventKind::table_write, Stream::driver, 5, 1,
              {.address = table, .value = written.encode(), .code = how})
        .found();
  };
  constexpr std::uint16_t in_place = trace_code::entry_changed;
  CHECK(changed(0, Stream::domain, 1, in_place).empty());
  CHECK(changed(0x1000, Stream::domain, 1, trace_code::entry_replaced).empty());
  CHECK(fields().write(in_place, 5, 1).found() == "I25");  // it is not present
}

TEST_CASE("I25: an entry that is present is led elsewhere in place") {
  const auto changed = [](std::uint64_t table, std::uint16_t domain, std::uint8_t type) {
    const auto with = [](std::uint16_t its_domain, std::uint8_t its_type) {
      return EntryWritten{Stream::source, its_domain, its_type, true, false, 64}.encode();
    };
    const std::uint64_t first = with(Stream::domain, 1);
    return fields()
        .emit(EventKind::table_write, Stream::driver, 5, 1,
              {.address = 0x1000, .value = first, .code = trace_code::entry_set})
        .emit(EventKind::table_write, Stream::driver, 5, 1,
              {.address = table, .value = with(domain, type), .code = trace_code::entry_changed})
        .found();
  };
  CHECK(changed(0x1000, Stream::domain, 1).empty());
  CHECK(changed(0x2000, Stream::domain, 1) == "I25");
  CHECK(changed(0x1000, Stream::domain + 1, 1) == "I25");
  CHECK(changed(0x1000, Stream::domain, 4) == "I25");
}

TEST_CASE("I25: numbers of a function's user are of entries, too") {
  Stream stream;
  stream.emit(EventKind::own_numbers, Stream::driver, 0, 0, {.value = Stream::source, .code = 1});
  stream.write(trace_code::entry_fields, 5, 0).write(trace_code::entry_set, 5, 0);
  CHECK(Stream(stream).found().empty());
  CHECK(stream.write(trace_code::entry_set, 5, 0).found() == "I25");
}

TEST_CASE("I25: who does not know yet that its vIOMMU has vanished goes on writing in order") {
  const auto goes_on = [](bool writes_fields) {
    Stream stream;
    stream.guest_allocates(5);
    const auto write = [&](std::uint16_t how) { guest_writes(stream, how); };
    write(trace_code::entry_fields);  // it tells of fields
    write(trace_code::entry_zeroed);
    if (writes_fields) write(trace_code::entry_fields);
    stream.emit(EventKind::viommu, Stream::viommu, 0, 0, {.code = trace_code::viommu_gone});
    write(trace_code::entry_set);
    return stream.found();
  };
  CHECK(goes_on(true).empty());
  CHECK(goes_on(false) == "I25");
}

TEST_CASE("I25: a vIOMMU that comes back has tables of its own") {
  const auto again = [](bool returns) {
    Stream stream;
    stream.guest_allocates(5);
    const auto write = [&](std::uint16_t how) { guest_writes(stream, how); };
    write(trace_code::entry_fields);
    write(trace_code::entry_set);
    if (returns)
      stream.emit(EventKind::viommu, Stream::viommu, 0, 0, {.code = trace_code::viommu_there});
    write(trace_code::entry_fields);
    return stream.found();
  };
  CHECK(again(true).empty());
  CHECK(again(false) == "I25");
}
