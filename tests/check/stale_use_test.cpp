// Requests that use what was taken away.
// SPDX-License-Identifier: Apache-2.0
#include "tests/check/stream.hpp"
#include "tests/support/catch.hpp"

using namespace viosim;
using namespace viosim::test;

namespace {

Stream bound() { return Stream().allocate(5, 1).write(trace_code::entry_set, 5, 1); }
// With its flushes, which in a guest are of the host's number.
Stream& unmap(Stream& stream, Stream::Component who, std::uint16_t pages = 2,
              std::uint32_t in_host = 5) {
  constexpr std::int64_t flushes = 2500;
  return stream.flush_iotlb(in_host).flush_device_tlb(in_host).emit(
      EventKind::unmap, who, 5, 1, {.address = Stream::page, .code = pages, .duration = flushes});
}
Stream& map(Stream& stream, std::uint64_t page) {
  return stream.emit(EventKind::map, Stream::app, 5, 1,
                     {.address = page, .value = 0xb000, .code = 1});
}

}  // namespace

TEST_CASE("I28: a request that was issued after its page was unmapped and flushed") {
  Stream stream = bound();
  unmap(stream, Stream::app);
  CHECK(Stream(stream).use(5, 1, 999).found() == "I28");
  CHECK(Stream(stream).use(5, 1, 1000).found().empty());  // issued just then
  CHECK(Stream(stream).use(5, 1, 999, outcome_no_page).found().empty());
  CHECK(Stream(stream).use(5, 1, 999, outcome_miss, Stream::page + 0x1fff).found() == "I28");
  CHECK(Stream(stream).use(5, 1, 999, outcome_hit, Stream::page + 0x2000).found().empty());
  CHECK(Stream(stream).use(5, 1, 999, outcome_hit, Stream::page - 1).found().empty());
}

TEST_CASE("I28: a page that was mapped again may be used, its neighbour not") {
  Stream stream = bound();
  unmap(stream, Stream::app, 3);
  map(stream, Stream::page + 0x1000);
  CHECK(Stream(stream).use(5, 1, 0, outcome_hit, Stream::page + 0x1000).found().empty());
  CHECK(Stream(stream).use(5, 1, 0, outcome_hit, Stream::page).found() == "I28");
  CHECK(Stream(stream).use(5, 1, 0, outcome_hit, Stream::page + 0x2000).found() == "I28");
}

TEST_CASE("I28: a guest's process unmaps, and the host's number is used") {
  const auto guest = [](std::uint32_t gpasid) {
    Stream stream;
    stream.allocate(9, 1, Stream::owner(Stream::vfio))
        .emit(EventKind::bind, Stream::vfio, 9, 1,
              {.address = gpasid, .value = Stream::source, .code = trace_code::for_guest})
        .write(trace_code::entry_set, 9, 1);
    unmap(stream, Stream::guest_app, 2, 9);  // of the guest's PASID 5
    return stream.use(9, 1, 0).found(false);
  };
  CHECK(guest(5) == "I28");
  CHECK(guest(6).empty());
}

TEST_CASE("I28: a free that is refused, or waits for others, takes nothing back") {
  constexpr std::uint16_t not_yours = 13;  // EACCES
  const auto used = [](std::uint16_t error) {
    Stream stream = bound();
    unmap(stream, Stream::app);
    const bool refused = error == not_yours;
    stream.free(5, 1, refused ? Stream::owner(Stream::vfio) : 0, error);
    return stream.use(5, 1, 0).found();
  };
  CHECK(used(not_yours) == "I4 I28");
  CHECK(used(trace_code::pending) == "I28");
  CHECK(used(trace_code::orphaned).empty());
}

TEST_CASE("I28: a request that was issued after the entry of its PASID was gone") {
  Stream stream = bound().tear_down(5, 1);
  CHECK(Stream(stream).use(5, 1, 999).found() == "I28");
  CHECK(Stream(stream).use(5, 1, 1000).found().empty());
  CHECK(Stream(stream).write(trace_code::entry_set, 5, 1).use(5, 1, 0).found().empty());
}

TEST_CASE("answers to requests are wanted only while something is taken away") {
  check::Checker checker(Stream::paths());
  Stream stream = bound();
  for (const TraceEvent& event : stream.events()) checker.observe(event);
  CHECK(!checker.wants_requests());
  unmap(stream, Stream::app, 1);
  checker.observe(stream.events().back());
  CHECK(checker.wants_requests());
  map(stream, Stream::page);
  checker.observe(stream.events().back());
  CHECK(!checker.wants_requests());
}

// The function still uses what the orphan has mapped.
TEST_CASE("I28: what another process with the number of an orphan unmaps is not the orphan's") {
  const auto found = [](bool orphan) {
    Stream stream = bound();
    if (orphan) {
      stream.emit(EventKind::free, Stream::pasids, 5, 1, {.code = trace_code::orphaned})
          .allocate(5, 2);
    }
    return unmap(stream, Stream::app).use(5, 1, 0).found(false);
  };
  CHECK(found(false) == "I28");
  CHECK(found(true).empty());
}
