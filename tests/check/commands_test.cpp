// Virtual commands, the order of the trace, and the table of invariants.
// SPDX-License-Identifier: Apache-2.0
#include "tests/check/stream.hpp"
#include "tests/support/catch.hpp"

#include <set>
#include <vector>

using namespace viosim;
using namespace viosim::test;

namespace {

Stream& command(Stream& stream, EventKind kind, std::uint64_t number) {
  return stream.emit(kind, Stream::viommu, 0, 0, {.value = number, .code = 1});
}

}  // namespace

TEST_CASE("I18: a second command while one is outstanding, and an answer to none") {
  Stream stream;
  command(stream, EventKind::command, 1);
  Stream second = stream;
  CHECK(command(second, EventKind::command, 2).found() == "I18");
  command(stream, EventKind::command_done, 1);
  command(stream, EventKind::command, 2);
  CHECK(stream.found().empty());
  CHECK(command(stream, EventKind::command_done, 1).found() == "I18");
}

TraceEvent at(EventKind kind, std::int64_t time) {
  TraceEvent event;
  event.time = time;
  event.kind = static_cast<std::uint16_t>(kind);
  return event;
}

TEST_CASE("I34: an event that is written after a later one") {
  // Requests as well, and locks: whether others look at them or not.
  const EventKind kind = GENERATE(EventKind::unplug, EventKind::translate, EventKind::lock_wait);
  check::Checker checker(Stream::paths());
  checker.observe(at(EventKind::unplug, 5));
  checker.observe(at(kind, 5));
  CHECK(checker.found() == 0);
  checker.observe(at(kind, 4));
  REQUIRE(checker.found() == 1);
  CHECK(checker.violations()[0].invariant == check::Invariant::trace_order);
}

TEST_CASE("I34: parts of a request are written when it is over, with the times that they had") {
  check::Checker checker(Stream::paths());
  checker.observe(at(EventKind::unplug, 5));
  checker.observe(at(EventKind::look_up, 3));
  CHECK(checker.found() == 0);
}

TEST_CASE("I34: the answer to a request that hits is told before it is there") {
  check::Checker checker(Stream::paths());
  checker.observe(at(EventKind::translate, 5));
  checker.observe(at(EventKind::unplug, 4));
  checker.observe(at(EventKind::translate, 4));
  CHECK(checker.found() == 0);
}

TEST_CASE("I34: what is bound in a host is unbound, and freed, when the run is over") {
  const auto bound = [] { return Stream().allocate(5, 1).bind(5, 1); };
  CHECK(bound().found(false).empty());
  CHECK(bound().found() == "I34");
  CHECK(bound().unbind(5, 1).found() == "I34");
  CHECK(bound().unbind(5, 1).free(5, 1).found().empty());
  const std::vector<check::Violation> leaks = bound().violations();
  REQUIRE(leaks.size() == 1);
  CHECK(leaks[0].time == bound().events().back().time);
  CHECK(leaks[0].chain.back() == bound().events().back());
}

TEST_CASE(
    "I34: what a host has bound for a guest is its own, what a guest has bound ends with it") {
  const Stream::Fields bond{.address = 5, .value = Stream::source, .code = trace_code::for_guest};
  const auto for_guest = [&] {
    return Stream()
        .allocate(9, 1, Stream::owner(Stream::vfio))
        .emit(EventKind::bind, Stream::vfio, 9, 1, bond);
  };
  CHECK(for_guest().found() == "I34");
  CHECK(for_guest().emit(EventKind::unbind, Stream::vfio, 9, 1, bond).found().empty());
  const Stream::Fields own{.address = 5, .value = Stream::source};
  Stream guest = Stream().guest_allocates(5);
  CHECK(guest.emit(EventKind::bind, Stream::guest_app, 5, 1, own).found().empty());
}

TEST_CASE("every invariant has a name, a sentence and a bug class of its own") {
  std::set<std::string_view> sentences;
  unsigned last = 0;
  for (const check::InvariantInfo& info : check::invariants()) {
    const auto number = static_cast<unsigned>(info.invariant);
    CHECK(number > last);
    last = number;
    CHECK(!info.bug_class.empty());
    CHECK(sentences.insert(info.sentence).second);
  }
}
