// What led to a violation, as it is told.
// SPDX-License-Identifier: Apache-2.0
#include "models/event_fields.hpp"
#include "tests/check/stream.hpp"
#include "tests/support/catch.hpp"

#include <algorithm>

using namespace viosim;
using namespace viosim::test;

namespace {

using Chain = std::vector<TraceEvent>;

bool has(const Chain& chain, const TraceEvent& event) {
  return std::find(chain.begin(), chain.end(), event) != chain.end();
}

bool in_order(const Chain& chain) {
  return std::is_sorted(chain.begin(), chain.end(),
                        [](const TraceEvent& a, const TraceEvent& b) { return a.time < b.time; });
}

Stream& disturbed(Stream& stream, std::uint32_t pasid = 0) {
  return stream.emit(EventKind::injection, Stream::queue, pasid, 0, {.code = 1});
}

// Other groups come, and are answered.
Stream& busy(Stream& stream) {
  for (int i = 0; i < 40; ++i) stream.ask(5, 1, 4).respond(5, 1, 4).answered(5, 1, 4);
  return stream;
}

}  // namespace

TEST_CASE("the chain of a violation is bounded, and has the latest") {
  Stream stream;
  for (std::uint32_t epoch = 1; epoch < 40; ++epoch) stream.life(5, epoch);
  stream.allocate(5, 40).allocate(5, 41);
  const auto found = stream.violations();
  REQUIRE(found.size() == 1);
  CHECK(found[0].chain.size() <= check::Chains::longest);
  CHECK(found[0].chain.back() == stream.events().back());
  CHECK(in_order(found[0].chain));
}

TEST_CASE("of a group that is never answered the chain is its own, whatever came later") {
  Stream stream;
  stream.allocate(5, 1).bind(5, 1).ask(5, 1, 3);
  const Chain before = stream.events();
  disturbed(stream);
  const TraceEvent injection = stream.events().back();
  busy(stream).respond(5, 1, 3);
  const TraceEvent response = stream.events().back();
  busy(stream).unbind(5, 1);
  const auto found = stream.violations();
  REQUIRE(found.size() == 2);
  CHECK(found[1].invariant == check::Invariant::trace_order);  // its number is not freed, either
  const Chain expected = {before[1], before[2], before[3], injection, response};
  CHECK(found[0].chain == expected);
  CHECK(found[0].time == before[3].time);
}

TEST_CASE("how a number was allocated and bound is in the chain, however long ago it was") {
  Stream stream;
  stream.allocate(5, 1).bind(5, 1);
  const Chain roots(stream.events().begin() + 1, stream.events().end());
  busy(stream).free(5, 1, Stream::owner(Stream::vfio));
  const auto found = stream.violations();
  REQUIRE(found.size() == 2);  // it is bound, too
  for (const check::Violation& one : found) {
    CHECK(has(one.chain, roots[0]));
    CHECK(has(one.chain, roots[1]));
    CHECK(one.chain.back() == stream.events().back());
    CHECK(in_order(one.chain));
  }
}

TEST_CASE(
    "a number that is given out twice has both in the chain, however long ago the first was") {
  Stream stream;
  stream.allocate(5, 1).bind(5, 1);
  const Chain first(stream.events().begin() + 1, stream.events().end());
  busy(stream).allocate(5, 2);
  const auto found = stream.violations();
  REQUIRE(!found.empty());
  REQUIRE(found[0].invariant == check::Invariant::one_owner);
  CHECK(has(found[0].chain, first[0]));
  CHECK(has(found[0].chain, first[1]));
  CHECK(found[0].chain.back() == stream.events().back());
}

TEST_CASE("the injections of a chain are those about its number, nearest to its object") {
  Stream stream;
  stream.allocate(5, 1).allocate(6, 1);
  disturbed(stream, 6);
  const TraceEvent other = stream.events().back();
  disturbed(stream, 5);
  const TraceEvent own = stream.events().back();
  for (int i = 0; i < 10; ++i) disturbed(stream, 6);
  stream.allocate(5, 2);
  const auto found = stream.violations();
  REQUIRE(found.size() == 1);
  CHECK(has(found[0].chain, own));
  CHECK(!has(found[0].chain, other));
}

TEST_CASE("where no injection is about its number the chain has the last of any") {
  Stream stream;
  stream.allocate(5, 1);
  disturbed(stream, 6);
  const TraceEvent other = stream.events().back();
  stream.allocate(5, 2);
  CHECK(has(stream.violations()[0].chain, other));
}

TEST_CASE("an unmapping that was used is in the chain of its use") {
  Stream stream;
  stream.allocate(5, 1).emit(EventKind::unmap, Stream::app, 5, 1,
                             {.address = Stream::page, .code = 1});
  const TraceEvent unmap = stream.events().back();
  busy(stream).use(5, 1, 10);
  const auto found = stream.violations();
  REQUIRE(found.size() == 1);
  CHECK(has(found[0].chain, unmap));
  CHECK(found[0].message.find("flushed 120.99 ns before") != std::string::npos);
}

TEST_CASE("an event is told in words: owners, errors, descriptors and fates by their names") {
  const std::vector<std::string> paths = Stream::paths();
  const EventWords words(paths);
  const auto told = [&](const Stream& stream) { return words.of(stream.events().back()); };
  const auto owner = Stream::owner(Stream::other_vfio);
  CHECK(told(Stream().free(5, 1, owner, 13)) ==
        "host0.kernel.pasids free, PASID 5, asked by host0.vm[1].vfio, -EACCES");
  CHECK(told(Stream().free(5, 1)) ==
        "host0.kernel.pasids free, PASID 5, asked by the kernel itself, it is free");
  CHECK(told(Stream().allocate(5, 1, owner, 1, 9)) ==
        "host0.kernel.pasids allocate, PASID 5, lowest asked for 1, highest 9, owner "
        "host0.vm[1].vfio, known to its allocator");
  Stream stream;
  CHECK(told(disturbed(stream)).find("delayed") == std::string::npos);
  CHECK(told(disturbed(stream)).find("lost") != std::string::npos);
  CHECK(told(Stream().flush_iotlb(5)) ==
        "host0.dmar0.invalidation_queue invalidate, PASID 5, pasid-iotlb of domain 7, PASID 5");
  CHECK(told(Stream().flush_device_tlb(5)) ==
        "host0.dmar0.invalidation_queue invalidate, PASID 5, pasid-devtlb of function 01:00.0, "
        "PASID 5, every address");
  CHECK(told(Stream().emit(EventKind::lock_order, Stream::app, 0, 0, {.value = Stream::driver})) ==
        "host0.app lock_order, held host0.dmar0.driver");
}
