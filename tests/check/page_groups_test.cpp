// Page request groups, and how they are answered.
// SPDX-License-Identifier: Apache-2.0
#include "tests/check/stream.hpp"
#include "tests/support/catch.hpp"

#include <vector>

using namespace viosim;
using namespace viosim::test;

namespace {

Stream asked() { return Stream().allocate(5, 1).ask(5, 1, 3); }
Stream& away(Stream& stream, EventKind how) {
  return stream.emit(how, Stream::device, 0, 0, {.value = Stream::source});
}

}  // namespace

TEST_CASE("a group that is answered once is fine") {
  CHECK(asked()
            .respond(5, 1, 3)
            .answered(5, 1, 3)
            .ask(5, 1, 3)
            .respond(5, 1, 3)
            .answered(5, 1, 3)
            .found()
            .empty());
}

TEST_CASE("I9: a number is given out while a group of its last life waits") {
  CHECK(asked().free(5, 1).allocate(5, 2).found(false) == "I9");
  CHECK(asked().respond(5, 1, 3).answered(5, 1, 3).free(5, 1).allocate(5, 2).found().empty());
}

TEST_CASE("I9: groups that a reset has dropped do not wait") {
  Stream stream = asked();
  away(stream, EventKind::reset);
  CHECK(stream.free(5, 1).allocate(5, 2).found().empty());
}

TEST_CASE("I9 to I11: by a failure a function forgets all of its groups, those on their way too") {
  constexpr std::uint16_t failure = 0xf;
  const auto failed = [] {
    return asked().ask(5, 1, 4).respond(5, 1, 3, failure).answered(5, 1, 3);
  };
  CHECK(failed().found().empty());
  CHECK(failed().respond(5, 1, 4).free(5, 1).allocate(5, 2).found().empty());
  CHECK(asked().ask(5, 1, 4).respond(5, 1, 3).answered(5, 1, 3).found() == "I11");
}

TEST_CASE("I10: a response to no group, to another PASID, to an earlier life, and a second one") {
  CHECK(Stream().allocate(5, 1).respond(5, 1, 3).found() == "I10");
  CHECK(asked().allocate(6, 1).respond(6, 1, 3).found(false) == "I10");
  CHECK(asked().respond(5, 2, 3).found(false) == "I10");
  CHECK(asked().respond(5, 1, 3).respond(5, 1, 3).found(false) == "I10");
}

TEST_CASE("I10: a response to what a reset dropped is lost, and no mistake") {
  Stream stream = asked();
  away(stream, EventKind::vanish);
  CHECK(stream.respond(5, 1, 3).found().empty());
}

TEST_CASE("a page request that was on its way when its function vanished is not waited for") {
  const auto sent_before = [](std::int64_t duration) {
    Stream stream;
    stream.allocate(5, 1);
    away(stream, EventKind::vanish);
    const GroupBits bits{Stream::source, 3, true, true, false};
    return stream
        .emit(EventKind::page_request, Stream::device, 5, 1,
              {.value = bits.encode(), .duration = duration})
        .found();
  };
  CHECK(sent_before(1000).empty());
  CHECK(sent_before(999) == "I11");
}

TEST_CASE("I11: a group that is never answered") {
  CHECK(asked().found() == "I11");
  CHECK(asked().found(false).empty());  // the run was killed
}

TEST_CASE("I11: a group whose last request never came") {
  const auto found = Stream().allocate(5, 1).ask(5, 1, 3, false).violations();
  REQUIRE(found.size() == 1);
  CHECK(check::name_of(found[0].invariant) == "I11");
  CHECK(found[0].message == "group 3 of function 01:00.0 was never whole, and not answered");
}

TEST_CASE("what carries private data completes its group, marked as the last one or not") {
  const auto answered = [](bool private_data) {
    GroupBits bits{Stream::source, 3, false, true, false, private_data};
    Stream stream = Stream().allocate(5, 1);
    stream.emit(EventKind::page_request, Stream::device, 5, 1, {.value = bits.encode()});
    return stream.respond(5, 1, 3).answered(5, 1, 3).found();
  };
  CHECK(answered(true).empty());
  CHECK(answered(false) == "I13");
}

TEST_CASE("I11: a group that is answered when it is allowed, and a picosecond later") {
  const auto after = [](std::int64_t ps, const check::Limits& limits) {
    Stream stream = asked();
    stream.wait(ps - 2000).respond(5, 1, 3).answered(5, 1, 3);  // two events, of 1 ns each
    return stream.violations(true, limits).size();
  };
  constexpr std::int64_t usual = 1'100'000'000'000;
  CHECK(after(usual, {}) == 0);
  CHECK(after(usual + 1, {}) == 1);
  CHECK(after(1'000'000, {.answer_within = Ps(1'000'000)}) == 0);
  CHECK(after(1'000'001, {.answer_within = Ps(1'000'000)}) == 1);
}

TEST_CASE("I12: as many page requests as a function may have, and one more") {
  Stream stream = Stream().allocate(5, 1).ask(5, 1, 0).ask(5, 1, 1);
  CHECK(Stream(stream).found(false).empty());
  CHECK(Stream(stream).ask(5, 1, 2).found(false) == "I12");
  CHECK(stream.respond(5, 1, 0).answered(5, 1, 0).ask(5, 1, 2).found(false).empty());
}

TEST_CASE("I12: an index is used again before its group has its response") {
  CHECK(asked().ask(5, 1, 3).found(false) == "I12");
  CHECK(Stream().allocate(5, 1).ask(5, 1, 3, false).ask(5, 1, 3).found(false).empty());
}

TEST_CASE("I13: a group comes back with what an overflow had cut off") {
  const auto taken = [](std::uint64_t requests, bool drop) {
    const std::uint64_t bits = GroupBits{Stream::source, 3, true, true, false}.encode();
    Stream stream;
    stream.allocate(5, 1).ask(5, 1, 3, false).ask(5, 1, 3);
    if (drop) stream.emit(EventKind::request_dropped, Stream::queue, 5, 1, {.value = bits});
    stream.emit(EventKind::group_taken, Stream::driver, 5, 1, {.address = requests, .value = bits});
    return stream.respond(5, 1, 3).answered(5, 1, 3).found();
  };
  CHECK(taken(2, false).empty());
  CHECK(taken(3, false) == "I13");
  CHECK(taken(1, true).empty());
  CHECK(taken(2, true) == "I13");
}

TEST_CASE("the chain of I13 has the group that an overflow cut off, of which the rest came back") {
  const std::uint64_t bits = GroupBits{Stream::source, 3, true, true, false}.encode();
  Stream stream;
  stream.allocate(5, 1).ask(5, 1, 3, false).ask(5, 1, 3);
  stream.emit(EventKind::request_dropped, Stream::queue, 5, 1, {.value = bits});
  stream.answered(5, 1, 3).ask(5, 1, 3);  // the answer is the IOMMU's own
  stream.emit(EventKind::group_taken, Stream::driver, 5, 1, {.address = 2, .value = bits});
  const auto found = stream.violations(false);
  REQUIRE(found.size() == 1);
  CHECK(check::name_of(found[0].invariant) == "I13");
  const std::vector<TraceEvent> all(stream.events().begin() + 1, stream.events().end());
  CHECK(found[0].chain == all);  // but for the function's coming
}

TEST_CASE("I13: a response to a group whose last request has not come") {
  const auto answered = [](bool last) {
    return Stream().allocate(5, 1).ask(5, 1, 3, last).respond(5, 1, 3).answered(5, 1, 3).found();
  };
  CHECK(answered(true).empty());
  CHECK(answered(false) == "I13");
}

TEST_CASE("I10: a response that the function takes for none of its own") {
  const auto arrives = [](std::uint16_t outcome, bool index_reused = false) {
    Stream stream;
    stream.allocate(5, 1).ask(5, 1, 3);
    if (index_reused) stream.ask(5, 1, 3);
    stream.respond(5, 1, 3);
    return stream.emit(EventKind::group_answered, Stream::device, 5, 1,
                       {.value = GroupBits{Stream::source, 3}.encode(), .code = outcome});
  };
  constexpr std::uint16_t go_on = 0;
  constexpr std::uint16_t nobody_asked = 2;
  CHECK(arrives(go_on).found().empty());
  CHECK(arrives(nobody_asked).found() == "I10 I11");
  CHECK(arrives(nobody_asked, true).found() == "I12 I11");  // its own doing
}
