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
// Requests are translated to this frame.
constexpr std::uint64_t used_frame = 0xa000;
Stream& map(Stream& stream, std::uint64_t page, std::uint64_t frame = used_frame,
            Stream::Component who = Stream::app) {
  return stream.emit(EventKind::map, who, 5, 1, {.address = page, .value = frame, .code = 1});
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

TEST_CASE("I28: of a page that was mapped again the frame is used that it has now") {
  Stream stream = bound().bind(5, 1);
  for (const std::uint64_t page : {0x0000U, 0x1000U, 0x2000U}) map(stream, Stream::page + page);
  unmap(stream, Stream::app, 3);
  map(stream, Stream::page, used_frame + 0x1000);
  CHECK(Stream(stream).use(5, 1, 999).found(false) == "I28");
  CHECK(Stream(stream).use(5, 1, 2000).found(false).empty());  // issued as software got its answer
  CHECK(Stream(stream).use(5, 1, 999, outcome_no_page).found(false).empty());
  unmap(stream, Stream::app, 3);
  CHECK(Stream(stream).use(5, 1, 0, outcome_hit, Stream::page + 0x1000).found(false) == "I28");
  map(stream, Stream::page);
  CHECK(Stream(stream).use(5, 1, 0).found(false).empty());
  map(stream, Stream::page + 0x2000, used_frame + 0x1000);
  stream.free(5, 1).allocate(5, 2);
  CHECK(Stream(stream).use(5, 2, 0, outcome_hit, Stream::page + 0x2000).found(false).find("I28") ==
        std::string::npos);
}

TEST_CASE("I28: frames of a guest are where its memory lies in its host") {
  const auto guest = [](std::uint64_t frame, std::initializer_list<std::uint64_t> memory) {
    Stream stream;
    for (const std::uint64_t begin : memory)
      stream.emit(EventKind::guest_memory, Stream::vfio, 0, 0, {.value = begin});
    stream.guest_allocates(5)
        .allocate(9, 1, Stream::owner(Stream::vfio))
        .emit(EventKind::bind, Stream::vfio, 9, 1,
              {.address = 5, .value = Stream::source, .code = trace_code::for_guest})
        .write(trace_code::entry_set, 9, 1);
    stream.emit(EventKind::bind, Stream::guest_app, 5, 1, {.address = 5, .value = Stream::source});
    unmap(stream, Stream::guest_app, 2, 9);
    map(stream, Stream::page, frame, Stream::guest_app);
    return stream.use(9, 1, 0).found(false);
  };
  CHECK(guest(0x2000, {used_frame - 0x2000}).empty());
  CHECK(guest(0x1000, {used_frame - 0x2000}) == "I28");
  CHECK(guest(0x1000, {used_frame - 0x2000, used_frame - 0x1000}).empty());  // it has moved
  CHECK(guest(0x1000, {}).empty());  // a trace that does not say
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

TEST_CASE("I28: what a function kept is used in the number's next life") {
  const auto found = [](std::uint64_t frame, std::uint64_t address) {
    Stream stream = bound();
    map(stream, Stream::page);
    stream.bind(5, 1).unbind(5, 1).tear_down(5, 1).free(5, 1).allocate(5, 2);
    stream.emit(EventKind::map, Stream::app, 5, 2,
                {.address = Stream::page, .value = frame, .code = 1});
    stream.write(trace_code::entry_set, 5, 2).bind(5, 2);
    CHECK(Stream(stream).use(5, 2, 2000, outcome_hit, address).found(false).empty());  // of before
    return stream.use(5, 2, 0, outcome_hit, address).found(false);
  };
  CHECK(found(used_frame, Stream::page).empty());
  CHECK(found(used_frame + 0x1000, Stream::page) == "I28");
  CHECK(found(used_frame, Stream::page + 0x1000) == "I28");  // it has none there
}

TEST_CASE("I28: what stopped for one life is used in the next one") {
  Stream stream =
      bound().tear_down(5, 1).free(5, 1).allocate(5, 2).write(trace_code::entry_set, 5, 2);
  CHECK(Stream(stream).use(5, 1, 999).found(false).find("I28") != std::string::npos);
  CHECK(Stream(stream).use(5, 1, 4000).found(false).find("I28") == std::string::npos);  // before
  CHECK(Stream(stream).use(5, 2, 999).found(false).find("I28") == std::string::npos);
  CHECK(Stream(stream).use(5, 0, 999).found(false).find("I28") == std::string::npos);  // not told
}

TEST_CASE("answers to requests are wanted while something is bound, or was taken away") {
  const auto wanted = [](const Stream& stream) {
    check::Checker checker(Stream::paths());
    for (const TraceEvent& event : stream.events()) checker.observe(event);
    const bool at_once = checker.wants_requests();
    checker.catch_up();
    // Also until it has looked at what may be such a thing.
    CHECK((at_once || !checker.wants_requests()));
    return checker.wants_requests();
  };
  Stream stream = bound();
  CHECK_FALSE(wanted(stream));
  unmap(stream, Stream::app, 1);
  CHECK(wanted(stream));
  map(stream, Stream::page);
  CHECK_FALSE(wanted(stream));
  stream.bind(5, 1);
  CHECK(wanted(stream));
  stream.free(5, 1);
  CHECK_FALSE(wanted(stream));
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
