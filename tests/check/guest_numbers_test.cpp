// Guests' numbers in their hosts, in processors, and over whose memory.
// SPDX-License-Identifier: Apache-2.0
#include "tests/check/stream.hpp"
#include "tests/support/catch.hpp"

using namespace viosim;
using namespace viosim::test;

namespace {

constexpr std::uint64_t its_owner = Stream::owner(Stream::vfio);
constexpr std::uint16_t allocates = 1;

// By a virtual command the host gives a guest a number.
Stream given() {
  return Stream()
      .emit(EventKind::command, Stream::viommu, 0, 0, {.value = 1, .code = allocates})
      .allocate(5, 1, its_owner)
      .emit(EventKind::command_done, Stream::viommu, 5, 0, {.value = 1});
}
Stream both() {
  return given().emit(EventKind::allocate, Stream::guest_pasids, 5, 1,
                      {.address = std::uint64_t{100} << 32U});
}
Stream freed_by_guest() { return both().emit(EventKind::free, Stream::guest_pasids, 5, 1, {}); }
Stream later(Stream stream) {
  stream.wait(2'000'000'000);
  return stream.emit(EventKind::plug, Stream::device, 0, 0, {.value = Stream::source});
}

Stream bound_over(std::uint64_t table) {
  return Stream()
      .emit(EventKind::second_stage, Stream::vfio, 0, 0, {.address = 0x1000})
      .emit(EventKind::second_stage, Stream::other_vfio, 0, 0, {.address = 0x2000})
      .allocate(5, 1, its_owner)
      .emit(EventKind::nested, Stream::driver, 5, 1, {.address = table, .value = Stream::source})
      .emit(EventKind::bind, Stream::vfio, 5, 1,
            {.address = 5, .value = Stream::source, .code = trace_code::for_guest});
}

Stream in_cpus() {
  return Stream()
      .allocate(5, 1, its_owner)
      .emit(EventKind::vcpu_pasid, Stream::vfio, 5, 1,
            {.address = 7, .code = trace_code::translation_set});
}

}  // namespace

TEST_CASE("I22: the host has a number for a guest whose kernel does not") {
  CHECK(later(both()).found().empty());
  CHECK(later(given()).found() == "I22");
  CHECK(later(freed_by_guest()).found() == "I22");
  CHECK(later(freed_by_guest().free(5, 1, its_owner)).found().empty());
}

TEST_CASE("I22: a guest's kernel has a number that the host does not have for it") {
  CHECK(later(both().emit(EventKind::allocate, Stream::guest_pasids, 6, 1,
                          {.address = std::uint64_t{100} << 32U}))
            .found() == "I22");
}

TEST_CASE("I22: what is under way at the end of a run, an orphan, and a guest that has ended") {
  CHECK(freed_by_guest().found().empty());
  CHECK(
      later(given().emit(EventKind::command, Stream::viommu, 0, 0, {.value = 2})).found().empty());
  CHECK(later(both().emit(EventKind::free, Stream::guest_pasids, 5, 1,
                          {.code = trace_code::orphaned}))
            .found()
            .empty());
  CHECK(later(both()
                  .free(5, 1, its_owner)
                  .emit(EventKind::id_set, Stream::vfio, 0, 0,
                        {.address = 1U << 20U, .code = trace_code::set_gone}))
            .found()
            .empty());
}

TEST_CASE("I22: a guest that closes has not told the host of what it freed") {
  const auto closed = [](Stream stream) {
    return stream
        .emit(EventKind::allocator, Stream::viommu, 0, 0,
              {.address = 1, .code = trace_code::allocator_ended})
        .free(5, 1, its_owner)  // the host takes it back
        .emit(EventKind::id_set, Stream::vfio, 0, 0,
              {.address = 1U << 20U, .code = trace_code::set_gone})
        .found();
  };
  CHECK(closed(both()).empty());
  CHECK(closed(freed_by_guest()) == "I22");
  const auto lost = [](Stream stream, EventKind kind, std::uint16_t code) {
    if (kind == EventKind::command_done)
      stream.emit(EventKind::command, Stream::viommu, 0, 0, {.value = 2, .code = 2});
    return stream.emit(kind, Stream::viommu, 0, 0, {.value = 2, .code = code});
  };
  // What a vIOMMU that vanished did not pass on.
  CHECK(closed(lost(freed_by_guest(), EventKind::command_lost, 0)).empty());
  constexpr std::uint16_t dropped = trace_code::command_dropped;
  CHECK(closed(lost(freed_by_guest(), EventKind::command_done, dropped)).empty());
  CHECK(closed(lost(freed_by_guest(), EventKind::command_done, 1)) == "I22");
  // A host that it has left takes back what it likes, and what it has not told that one it tells no other.
  CHECK(closed(freed_by_guest().emit(EventKind::moved, Stream::vfio_elsewhere, 0, 0, {})) == "I22");
  const auto left = [](Stream stream) {
    return stream.emit(EventKind::moved, Stream::vfio_elsewhere, 0, 0, {})
        .emit(EventKind::id_set, Stream::vfio, 0, 0,
              {.address = 1U << 20U, .code = trace_code::set_gone});
  };
  CHECK(closed(left(both())) == "I21");  // with a PASID in it
  CHECK(closed(left(freed_by_guest())) == "I21 I22");
  const auto ended = [](Stream stream) {
    return stream.emit(EventKind::allocator, Stream::viommu, 0, 0,
                       {.address = 1, .code = trace_code::allocator_ended});
  };
  CHECK(ended(freed_by_guest().free(5, 1, its_owner)).found().empty());
  // Its kernel shuts down before the command is written, which another thread is about to do.
  CHECK(ended(freed_by_guest()).found() == "I22");
  CHECK(ended(freed_by_guest())
            .emit(EventKind::command, Stream::viommu, 5, 0, {.value = 2, .code = 2})
            .found()
            .empty());
}

TEST_CASE("I29: a guest's table is nested over another guest's memory, or nobody's") {
  CHECK(bound_over(0x1000).found(false).empty());
  CHECK(bound_over(0x2000).found(false) == "I29");
  CHECK(bound_over(0x3000).found(false) == "I29");
}

TEST_CASE("I29: a guest's slice has work with what is not bound there for it") {
  constexpr std::uint16_t elsewhere = Stream::source + 1;
  const auto bound = [](std::uint16_t source, Stream::Component guest, std::uint32_t slices = 1) {
    Stream stream;
    stream.allocate(5, 1);
    for (std::uint32_t i = 0; i < slices; ++i)
      stream.emit(EventKind::bind, guest, 5, 1,
                  {.address = 7, .value = source, .code = trace_code::for_guest});
    return stream;
  };
  const auto worked = [](Stream stream, std::uint16_t how = 0) {
    return stream
        .emit(EventKind::work, Stream::vfio, 5, 1,
              {.address = 7, .value = Stream::source, .code = how})
        .found(false);
  };
  CHECK(worked(bound(Stream::source, Stream::vfio)).empty());
  CHECK(worked(bound(Stream::source, Stream::other_vfio)) == "I29");
  CHECK(worked(bound(elsewhere, Stream::vfio)) == "I29");
  CHECK(worked(Stream()) == "I29");
  // ENQCMD is translated for the guest as a whole.
  CHECK(worked(bound(elsewhere, Stream::vfio), trace_code::by_enqcmd).empty());
  CHECK(worked(bound(elsewhere, Stream::other_vfio), trace_code::by_enqcmd) == "I29");
  CHECK(worked(bound(Stream::source, Stream::other_vfio), trace_code::by_enqcmd) == "I29");
  const auto unbound = [&](std::uint32_t slices) {
    return bound(Stream::source, Stream::vfio, slices)
        .emit(EventKind::unbind, Stream::vfio, 5, 1,
              {.address = 7, .value = Stream::source, .code = trace_code::for_guest});
  };
  CHECK(worked(unbound(1)) == "I29");
  CHECK(worked(unbound(2)).empty());  // by another slice of the same function
}

TEST_CASE("I30: a number is freed while processors use it") {
  CHECK(in_cpus().free(5, 1, its_owner).found() == "I30");
  CHECK(in_cpus()
            .emit(EventKind::vcpu_pasid, Stream::vfio, 5, 1,
                  {.address = 7, .code = trace_code::translation_removed})
            .free(5, 1, its_owner)
            .found()
            .empty());
}

TEST_CASE("I30: the numbers are those of the host on which the processors are") {
  const auto freed = [](Stream stream, Stream::Component where) {
    return stream.emit(EventKind::moved, Stream::vfio_elsewhere, 0, 0, {})
        .emit(EventKind::free, where, 5, 1, {.value = where == Stream::pasids ? its_owner : 0})
        .found();
  };
  const auto number_of_both = [](Stream stream) {
    return stream.emit(EventKind::allocate, Stream::pasids_elsewhere, 5, 1,
                       {.address = 1U | std::uint64_t{100} << 32U});
  };
  CHECK(freed(number_of_both(in_cpus()), Stream::pasids_elsewhere).empty());
  CHECK(freed(in_cpus(), Stream::pasids) == "I30");  // its files there are still open
  const Stream there = number_of_both(Stream().allocate(5, 1, its_owner))
                           .emit(EventKind::vcpu_pasid, Stream::cpus_elsewhere, 5, 1,
                                 {.address = 7, .code = trace_code::translation_set});
  CHECK(freed(there, Stream::pasids_elsewhere) == "I30");
  CHECK(freed(there, Stream::pasids).empty());
}

TEST_CASE("I30: two numbers of a guest are one of the host's") {
  const auto second = [](std::uint32_t number, Stream::Component guest) {
    return in_cpus()
        .emit(EventKind::vcpu_pasid, guest, 5, 1,
              {.address = number, .code = trace_code::translation_set})
        .found();
  };
  CHECK(second(7, Stream::vfio).empty());
  CHECK(second(8, Stream::vfio) == "I30");
  CHECK(second(8, Stream::other_vfio).empty());
}
