// Allocators of vIOMMUs, and sets of PASIDs.
// SPDX-License-Identifier: Apache-2.0
#include "tests/check/stream.hpp"
#include "tests/support/catch.hpp"

using namespace viosim;
using namespace viosim::test;

namespace {

constexpr std::uint64_t its_group = 1;
constexpr std::uint64_t other_group = 2;
constexpr std::uint64_t kernel_itself = 0;

struct Guest : Stream {
  Guest& allocator(Component whose, std::uint16_t what, std::uint64_t active,
                   std::uint64_t group = its_group) {
    emit(EventKind::allocator, whose, 0, 0, {.address = group, .value = active, .code = what});
    return *this;
  }
  Guest& joins(Component whose, std::uint64_t active, std::uint64_t group = its_group) {
    return allocator(whose, trace_code::allocator_registered, active, group);
  }
  Guest& leaves(Component whose, std::uint64_t active, std::uint64_t group = its_group) {
    return allocator(whose, trace_code::allocator_left, active, group);
  }
  Guest& number(std::uint32_t pasid) {
    emit(EventKind::allocate, guest_pasids, pasid, 1, {.address = std::uint64_t{100} << 32U});
    return *this;
  }
  Guest& back(std::uint32_t pasid) {
    emit(EventKind::free, guest_pasids, pasid, 1, {});
    return *this;
  }
  Guest& gone(Component which) {
    emit(EventKind::viommu, which, 0, 0, {.code = trace_code::viommu_gone});
    return *this;
  }
  Guest& command(Component which, EventKind kind = EventKind::command) {
    emit(kind, which, 0, 0, {.value = 1, .code = 1});
    return *this;
  }
};

constexpr std::uint64_t first = Stream::owner(Stream::viommu);
constexpr std::uint64_t second = Stream::owner(Stream::other_viommu);

Guest two() { return Guest().joins(Stream::viommu, first).joins(Stream::other_viommu, first); }

}  // namespace

TEST_CASE("I14: the allocator that is asked has left") {
  CHECK(two().leaves(Stream::viommu, second).gone(Stream::viommu).found().empty());
  CHECK(two().leaves(Stream::viommu, first).found() == "I14");
}

TEST_CASE("I14 and I19: a command goes to a vIOMMU whose allocator has left") {
  CHECK(two().command(Stream::viommu).found().empty());
  CHECK(two().leaves(Stream::viommu, second).command(Stream::viommu).found() == "I14");
  CHECK(two()
            .leaves(Stream::viommu, second)
            .gone(Stream::viommu)
            .command(Stream::viommu, EventKind::command_lost)
            .found() == "I14 I19");
}

TEST_CASE("I19: a vIOMMU is taken away while a command is outstanding") {
  const auto done = [](Guest guest) {
    guest.emit(EventKind::command_done, Stream::viommu, 0, 0, {.value = 1});
    return guest;
  };
  CHECK(done(two().command(Stream::viommu)).gone(Stream::viommu).found().empty());
  CHECK(two().command(Stream::viommu).gone(Stream::viommu).found() == "I19");
}

TEST_CASE("I19: a kernel that has not been told yet may write a command that is lost") {
  CHECK(
      two().gone(Stream::viommu).command(Stream::viommu, EventKind::command_lost).found().empty());
}

TEST_CASE("I19: a kernel that knows that a vIOMMU is gone writes a command to it") {
  const auto kept = [] {
    return two()
        .gone(Stream::viommu)
        .allocator(Stream::viommu, trace_code::allocator_kept, first, its_group);
  };
  CHECK(kept().found().empty());
  CHECK(kept().command(Stream::viommu, EventKind::command_lost).found() == "I19");
  CHECK(kept().command(Stream::viommu).found() == "I19");
  CHECK(kept().command(Stream::other_viommu).found().empty());
}

TEST_CASE("I15: another group takes over while numbers live") {
  const auto of_two_groups = [] {
    return Guest().joins(Stream::viommu, first).joins(Stream::other_viommu, first, other_group);
  };
  CHECK(of_two_groups().number(5).leaves(Stream::viommu, second).found() == "I15");
  CHECK(of_two_groups().number(5).back(5).leaves(Stream::viommu, second).found().empty());
  CHECK(two().number(5).leaves(Stream::viommu, second).found().empty());  // of the same group
}

TEST_CASE("I15: the kernel itself takes over while numbers live, also where the vIOMMU vanished") {
  const auto one = [] { return Guest().joins(Stream::viommu, first).number(5); };
  CHECK(one().leaves(Stream::viommu, kernel_itself).found() == "I15");
  CHECK(one().gone(Stream::viommu).leaves(Stream::viommu, kernel_itself).found() == "I15");
}

TEST_CASE("a kernel that shuts down may do so while its numbers live") {
  CHECK(Guest()
            .joins(Stream::viommu, first)
            .number(5)
            .allocator(Stream::viommu, trace_code::allocator_ended, kernel_itself)
            .found()
            .empty());
}

TEST_CASE("I16: an allocator takes over while the kernel's own numbers live") {
  CHECK(Guest().number(5).joins(Stream::viommu, first).found() == "I16");
  CHECK(Guest().number(5).back(5).joins(Stream::viommu, first).found().empty());
}

TEST_CASE("I17: an allocator is registered twice") {
  CHECK(two().joins(Stream::viommu, first).found() == "I17");
  CHECK(two().leaves(Stream::viommu, second).joins(Stream::viommu, second).found().empty());
}

TEST_CASE("I17: one that came back is another one, whose kernel may still know the first") {
  const auto back = [] {
    Guest guest = two().gone(Stream::viommu);
    guest.emit(EventKind::viommu, Stream::viommu, 0, 0, {.code = trace_code::viommu_there});
    return guest.joins(Stream::viommu, second);
  };
  CHECK(back().found().empty());
  CHECK(back().leaves(Stream::viommu, second).command(Stream::viommu).found().empty());
  CHECK(back().joins(Stream::viommu, second).found() == "I17");
  // The first is gone for good: nothing is left to be forgiven.
  CHECK(back().leaves(Stream::viommu, second).joins(Stream::viommu, second).found() == "I17");
}

TEST_CASE("I17: one that left in order and came back is registered once") {
  const auto back = [] {
    Guest guest = two().leaves(Stream::viommu, second).gone(Stream::viommu);
    guest.emit(EventKind::viommu, Stream::viommu, 0, 0, {.code = trace_code::viommu_there});
    return guest.joins(Stream::viommu, second);
  };
  CHECK(back().found().empty());
  CHECK(back().joins(Stream::viommu, second).found() == "I17");
}

TEST_CASE("I3: a number is given out that its allocator does not know") {
  const auto given = [](std::uint16_t code) {
    return Stream()
        .emit(EventKind::allocate, Stream::pasids, 5, 1,
              {.address = std::uint64_t{100} << 32U, .code = code})
        .found();
  };
  CHECK(given(0).empty());
  CHECK(given(trace_code::untracked) == "I3");
}

TEST_CASE("I21: a set holds more than its quota, or counts otherwise than its numbers live") {
  constexpr std::uint64_t capacity = 1U << 20U;
  const auto of = [](Stream stream, std::uint32_t used, std::uint32_t quota, std::uint64_t left,
                     std::uint16_t code = 0) {
    stream.emit(EventKind::id_set, Stream::vfio, 0, 0,
                {.address = left, .value = used | std::uint64_t{quota} << 32U, .code = code});
    return stream;
  };
  const auto one = [] { return Stream().allocate(5, 1, Stream::owner(Stream::vfio)); };
  CHECK(of(one(), 1, 1, capacity - 1).found().empty());
  CHECK(of(one(), 1, 0, capacity).found() == "I21");
  CHECK(of(one(), 2, 8, capacity - 8).found() == "I21");
  CHECK(of(one(), 0, 8, capacity - 8).found() == "I21");
  CHECK(of(one(), 1, 8, capacity - 7).found() == "I21");
  Stream freed = one().free(5, 1, Stream::owner(Stream::vfio));
  CHECK(of(freed, 0, 0, capacity, trace_code::set_gone).found().empty());
}
