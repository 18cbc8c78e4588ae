// Allocations, frees and uses of PASIDs.
// SPDX-License-Identifier: Apache-2.0
#include "tests/check/stream.hpp"
#include "tests/support/catch.hpp"

using namespace viosim;
using namespace viosim::test;

TEST_CASE("a function with numbers of its user's own is not held against the kernel's") {
  const auto present = [](std::uint16_t own) {
    return Stream()
        .emit(EventKind::own_numbers, Stream::driver, 0, 0, {.value = Stream::source, .code = own})
        .allocate(5, 1)
        .write(trace_code::entry_set, 5, 1)
        .free(5, 1);
  };
  CHECK(present(1).found().empty());
  CHECK(present(0).found() == "I7");
  Stream returned = present(1).emit(EventKind::own_numbers, Stream::driver, 0, 0,
                                    {.value = Stream::source, .code = 0});
  CHECK(returned.write(trace_code::entry_cleared, 5, 1).found() == "I6");
  CHECK(returned.write(trace_code::entry_set, 5, 1).found() == "I6 I6 I26");
}

namespace {

constexpr std::uint16_t not_there = 2;   // ENOENT
constexpr std::uint16_t not_yours = 13;  // EACCES
constexpr std::uint16_t busy = 16;       // EBUSY

}  // namespace

TEST_CASE("a number that is given out again after its life is fine") {
  CHECK(Stream().life(5, 1).life(5, 2).found().empty());
}

TEST_CASE("I1: a number that lives is given out") {
  CHECK(Stream().allocate(5, 1).allocate(5, 2).found() == "I1");
  CHECK(Stream().allocate(5, 1).allocate(6, 1).found().empty());
}

TEST_CASE("I1: the same number in a host and in its guest is two numbers") {
  Stream stream;
  stream.allocate(5, 1).emit(EventKind::allocate, Stream::guest_pasids, 5, 1,
                             {.address = std::uint64_t{100} << 32U});
  CHECK(stream.found().empty());
}

TEST_CASE("I2: a number beyond what was asked for") {
  CHECK(Stream().allocate(9, 1, 0, 1, 9).found().empty());
  CHECK(Stream().allocate(10, 1, 0, 1, 9).found() == "I2");
  CHECK(Stream().allocate(2, 1, 0, 3, 9).found() == "I2");
}

TEST_CASE("I4: a number is freed by another machine, or asked to be") {
  const auto mine = Stream::owner(Stream::vfio);
  const auto theirs = Stream::owner(Stream::other_vfio);
  CHECK(Stream().allocate(5, 1, mine).free(5, 1, mine).found().empty());
  CHECK(Stream().allocate(5, 1, mine).free(5, 1, theirs).found() == "I4");
  CHECK(Stream().allocate(5, 1, mine).free(5, 1, theirs, not_yours).found() == "I4");
}

TEST_CASE("I5: a number is freed twice, or was never allocated") {
  CHECK(Stream().allocate(5, 1).free(5, 1).free(5, 1).found() == "I5");
  CHECK(Stream().free(5, 1, 0, not_there).found() == "I5");
}

TEST_CASE("I5: a number that waits for others to let go of it is freed once") {
  Stream stream;
  stream.allocate(5, 1).free(5, 1, 0, trace_code::pending);
  CHECK(Stream(stream).free(5, 1).found().empty());
  CHECK(Stream(stream).free(5, 1, 0, trace_code::pending).found() == "I5");
}

TEST_CASE("a free that is refused because the number is in use is no violation") {
  CHECK(Stream().allocate(5, 1).free(5, 1, 0, busy).found().empty());
}

TEST_CASE("a number whose allocator left may be freed by who does not know it") {
  Stream stream;
  stream.allocate(5, 1).free(5, 1, 0, trace_code::orphaned).free(5, 1);
  CHECK(stream.found().empty());
  Stream given_again;
  given_again.allocate(5, 1).free(5, 1, 0, trace_code::orphaned).life(5, 2).free(5, 2);
  CHECK(Stream(given_again).found().empty());
  CHECK(given_again.free(5, 2).found() == "I5");
}

TEST_CASE("a number that has been an orphan twice may be freed by both of its owners") {
  Stream stream;
  stream.allocate(5, 1).free(5, 1, 0, trace_code::orphaned);
  stream.allocate(5, 2).free(5, 2, 0, trace_code::orphaned);
  stream.free(5, 2).free(5, 2);
  CHECK(Stream(stream).found().empty());
  CHECK(stream.free(5, 2).found() == "I5");
}

TEST_CASE("I6: a freed number is bound, made present, or named by a descriptor") {
  const auto ended = [] { return Stream().allocate(5, 1).free(5, 1); };
  CHECK(ended().emit(EventKind::bind, Stream::app, 5, 1, {.value = Stream::source}).found(false) ==
        "I6");
  CHECK(ended().write(trace_code::entry_set, 5, 1).found() == "I6");
  CHECK(ended().emit(EventKind::submit, Stream::queue, 5, 1, {}).found() == "I6");
  CHECK(ended().allocate(5, 2).write(trace_code::entry_set, 5, 2).found().empty());
}

TEST_CASE("I6: a freed number is unbound, taken out of a table, or answered for") {
  const auto ended = [] { return Stream().allocate(5, 1).bind(5, 1).free(5, 1); };
  CHECK(ended().unbind(5, 1).found() == "I7 I6");
  const auto present = [] {
    return Stream().allocate(5, 1).write(trace_code::entry_set, 5, 1).free(5, 1);
  };
  CHECK(present().write(trace_code::entry_cleared, 5, 1).found() == "I7 I6");
  CHECK(present().write(trace_code::entry_changed, 5, 1).found() == "I7 I6");
  const auto asked = [] { return Stream().allocate(5, 1).ask(5, 1, 3).free(5, 1); };
  CHECK(asked().respond(5, 1, 3).answered(5, 1, 3).found() == "I6");
}

// A function that nobody has stopped goes on asking.
TEST_CASE("I6: who asks for a number after it was freed may be refused, and not be served") {
  const std::uint16_t invalid = 1;
  const auto asks = [] { return Stream().allocate(5, 1).free(5, 1).ask(5, 1, 3); };
  const auto order = [](PageResponseCode code) {
    vtd::Descriptor response;
    response.type = vtd::DescriptorType::page_response;
    response.source = Bdf(Stream::source);
    response.has_pasid = true;
    response.pasid = Pasid(5);
    response.group = 3;
    response.code = code;
    return response;
  };
  const auto submit = [&](PageResponseCode code) {
    const vtd::DescriptorBits bits = order(code).encode();
    return asks().emit(EventKind::submit, Stream::queue, 5, 1,
                       {.address = bits[1],
                        .value = bits[0],
                        .code = static_cast<std::uint16_t>(vtd::DescriptorType::page_response)});
  };
  CHECK(asks().respond(5, 1, 3, invalid).answered(5, 1, 3).found().empty());
  CHECK(asks().respond(5, 1, 3).answered(5, 1, 3).found() == "I6");
  CHECK(submit(PageResponseCode::invalid)
            .respond(5, 1, 3, invalid)
            .answered(5, 1, 3)
            .found()
            .empty());
  CHECK(submit(PageResponseCode::success).respond(5, 1, 3, invalid).answered(5, 1, 3).found() ==
        "I6");
  // Once.
  CHECK(asks().respond(5, 1, 3, invalid).answered(5, 1, 3).respond(5, 1, 3, invalid).found() ==
        "I6 I10");
  // Between the teardown and the end of the number, after the queue was looked through.
  const auto torn_down = [] {
    return Stream()
        .allocate(5, 1)
        .write(trace_code::entry_set, 5, 1)
        .tear_down(5, 1)
        .ask(5, 1, 3)
        .free(5, 1);
  };
  CHECK(torn_down().respond(5, 1, 3, invalid).answered(5, 1, 3).found().empty());
  CHECK(torn_down().respond(5, 1, 3).answered(5, 1, 3).found() == "I6");
  const auto before = [] { return Stream().allocate(5, 1).ask(5, 1, 3).free(5, 1); };
  CHECK(before().respond(5, 1, 3, invalid).answered(5, 1, 3).found() == "I6");
  // What was sent before its function vanished comes afterwards, whatever its kernel waits for.
  const auto vanished = [](bool back, std::int64_t ago) {
    Stream stream;
    stream.allocate(5, 1).emit(EventKind::vanish, Stream::device, 0, 0, {.value = Stream::source});
    if (back) stream.emit(EventKind::plug, Stream::device, 0, 0, {.value = Stream::source});
    return stream.ask(5, 1, 3, true, ago).free(5, 1);
  };
  for (const bool back : {false, true}) {
    const auto of_before = [&] { return vanished(back, 2500); };
    CHECK(of_before().respond(5, 1, 3, invalid).found(false).find("I6") == std::string::npos);
    CHECK(of_before().respond(5, 1, 3).found(false).find("I6") != std::string::npos);
  }
  // What it sends once it has come back can be waited for.
  CHECK(vanished(true, 500).respond(5, 1, 3, invalid).found(false).find("I6") != std::string::npos);
}

TEST_CASE("I6: work is done that was sent in an earlier life of its number") {
  const auto begin = [](Stream stream, std::uint32_t epoch) {
    return stream
        .emit(EventKind::work_begun, Stream::device, 5, epoch,
              {.address = 1, .value = Stream::source})
        .found(false);
  };
  const auto bound_again = [] { return Stream().life(5, 1).allocate(5, 2).bind(5, 2); };
  CHECK(begin(bound_again(), 1) == "I6");
  CHECK(begin(bound_again(), 2).empty());
  CHECK(begin(bound_again(), 0).empty());  // a DMA device's, which no kernel counts
  // Nobody has bound the number there: the work gets nowhere.
  CHECK(begin(Stream().life(5, 1).allocate(5, 2), 1).empty());
  CHECK(begin(Stream().life(5, 1), 1).empty());
  CHECK(begin(bound_again().unbind(5, 2), 1).empty());
}

TEST_CASE("I6: a number that was never given out is used") {
  CHECK(Stream().write(trace_code::entry_set, 9, 0).found() == "I6");
  CHECK(Stream().bind(9, 0).found(false) == "I6");
  CHECK(Stream().respond(9, 0, 3).found() == "I6 I10");
}

TEST_CASE("I6: where no kernel tells of its numbers, any may be used") {
  check::Checker checker({"host0.dmar0.driver"});
  TraceEvent event = Stream().write(trace_code::entry_set, 9, 0).events().back();
  event.component = 0;
  checker.observe(event);
  checker.finish();
  CHECK(checker.found() == 0);
}

TEST_CASE("I23: PASID 0 is given out") { CHECK(Stream().allocate(0, 1, 0, 0, 9).found() == "I23"); }

TEST_CASE("I23: PASID 0 is bound") { CHECK(Stream().bind(0, 0).found(false) == "I23"); }

TEST_CASE("I23: a function asks for a page with PASID 0, without one it may") {
  const auto asks = [](std::uint16_t code) {
    const Stream::Fields request{.value = GroupBits{Stream::source, 3, true, true}.encode(),
                                 .code = code};
    return Stream().emit(EventKind::page_request, Stream::device, 0, 0, request).found(false);
  };
  CHECK(asks(trace_code::has_pasid_zero).find("I23") != std::string::npos);
  CHECK(asks(0).find("I23") == std::string::npos);
}

TEST_CASE("I23: a process may have the requests that have no PASID") {
  const Stream::Fields whole{.value = Stream::source, .code = trace_code::without_pasid};
  CHECK(Stream().emit(EventKind::bind, Stream::app, 0, 0, whole).found(false).empty());
}

TEST_CASE("I24: the last PASID that a function has, and the one after it") {
  CHECK(Stream().allocate(63, 1).write(trace_code::entry_set, 63, 1).found().empty());
  CHECK(Stream().allocate(64, 1).write(trace_code::entry_set, 64, 1).found() == "I24");
  const auto bound = [](std::uint32_t pasid) {
    return Stream()
        .allocate(5, 1)
        .write(trace_code::entry_set, 5, 1)
        .allocate(pasid, 1)
        .bind(pasid, 1)
        .found(false);
  };
  CHECK(bound(63).empty());
  CHECK(bound(64) == "I24");
}

TEST_CASE("a violation says who has the number, who had it, and who did it") {
  const auto first = Stream::owner(Stream::vfio);
  const auto second = Stream::owner(Stream::other_vfio);
  Stream stream;
  stream.allocate(5, 1, first).free(5, 1, first).allocate(5, 2, second).free(5, 1, first);
  const auto found = stream.violations();
  REQUIRE(found.size() == 1);
  CHECK(found[0].message == "PASID 5 of host0.vm[1].vfio is freed by host0.vm[0].vfio");
  CHECK(found[0].owner == "host0.vm[1].vfio");
  CHECK(found[0].previous_owner == "host0.vm[0].vfio");
  CHECK(found[0].actor == "host0.kernel.pasids");
  CHECK(found[0].epoch == 1);
  CHECK(found[0].current_epoch == 2);
  CHECK(found[0].time == stream.events().back().time);
  CHECK(found[0].chain ==
        std::vector<TraceEvent>(stream.events().begin() + 1, stream.events().end()));
}

TEST_CASE("before the first owner of a number there is nobody") {
  const auto found = Stream()
                         .allocate(5, 1, Stream::owner(Stream::vfio))
                         .free(5, 1, Stream::owner(Stream::other_vfio))
                         .violations();
  REQUIRE(found.size() == 1);
  CHECK(found[0].owner == "host0.vm[0].vfio");
  CHECK(found[0].previous_owner == "nobody");
}

TEST_CASE("I4: a number of one guest is bound for another") {
  const auto bound = [](std::uint64_t owner) {
    return Stream()
        .allocate(5, 1, owner)
        .emit(EventKind::bind, Stream::vfio, 5, 1,
              {.address = 5, .value = Stream::source, .code = trace_code::for_guest})
        .violations();
  };
  const auto violates = [](const std::vector<check::Violation>& all, check::Invariant which) {
    for (const check::Violation& one : all)
      if (one.invariant == which) return true;
    return false;
  };
  CHECK(violates(bound(Stream::owner(Stream::other_vfio)), check::Invariant::own_free));
  CHECK_FALSE(violates(bound(Stream::owner(Stream::vfio)), check::Invariant::own_free));
  // The kernel allocates for mediated devices, and does not say for whom.
  CHECK_FALSE(violates(bound(0), check::Invariant::own_free));
}
