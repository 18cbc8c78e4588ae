// What led to what in a trace: the rules of sim/trace/README.md on made-up events.
// SPDX-License-Identifier: Apache-2.0
#include "sim/trace/flows.hpp"

#include "models/iommu/vtd/descriptor.hpp"
#include "tests/support/catch.hpp"
#include "tests/trace/made_run.hpp"

#include <string>
#include <vector>

using namespace viosim;
using namespace viosim::test;

namespace {

// Components of a made-up run, and what Flows gives of the events that it is handed.
class Joiner {
 public:
  Joiner()
      : reader_(opened(scratch_)),
        names_(reader_),
        flows_(reader_.components(), PartNames(reader_.manifest(), reader_.file()), names_,
               [this](const std::vector<Flows::Shown>& flow) { note(flow); }) {}

  bool add(const TraceEvent& event) { return flows_.add({event, 0}); }
  std::vector<std::string> finish() {
    flows_.finish();
    return joined;
  }

  std::vector<std::string> joined;  // "0:page_request 2:group_taken", in the order of giving

  static constexpr std::uint32_t device = 0;
  static constexpr std::uint32_t queue = 1;
  static constexpr std::uint32_t kernel = 2;  // of the host
  static constexpr std::uint32_t viommu = 3;
  static constexpr std::uint32_t guest = 4;
  static constexpr std::uint32_t container = 5;  // of the guest, in the host
  static constexpr std::uint32_t other_viommu = 6;
  static constexpr std::uint32_t other_container = 7;

 private:
  static RunReader opened(const Scratch& scratch) {
    MadeRun run(scratch / "run.db");
    for (const char* path :
         {"host0.acc", "host0.dmar0.invalidation_queue", "host0.kernel.pasids", "host0.vm[0].v0",
          "host0.vm[0].kernel.pasids", "host0.vm[0].vfio", "host0.vm[1].v0", "host0.vm[1].vfio"})
      run.component(path);
    run.block({event_of(EventKind::map, 0, {0, 0})});
    run.finish();
    return RunReader::open(scratch / "run.db");
  }
  void note(const std::vector<Flows::Shown>& flow) {
    std::string text;
    for (const Flows::Shown& shown : flow) {
      if (!text.empty()) text += ' ';
      text += std::to_string(shown.event.component) + ':' + names_.kind(shown.event.kind).name;
    }
    joined.push_back(text);
  }

  Scratch scratch_;
  RunReader reader_;
  EventNames names_;
  Flows flows_;
};

using J = Joiner;

TraceEvent coded(TraceEvent event, std::uint16_t code) {
  event.code = code;
  return event;
}

// Of a group of function 01:00.0.
TraceEvent of_group(EventKind kind, std::uint32_t component, At at, std::uint16_t group,
                    bool last = true) {
  const GroupBits bits{0x100, group, last, true, false};
  return event_of(kind, component, at, 0x1000, bits.encode(), 5);
}

TraceEvent of_descriptor(EventKind kind, std::uint32_t component, At at,
                         const vtd::Descriptor& descriptor) {
  const vtd::DescriptorBits bits = descriptor.encode();
  const bool wait = descriptor.type == vtd::DescriptorType::wait;
  return coded(event_of(kind, component, at, bits[1], bits[0], wait ? 0 : descriptor.pasid.value()),
               static_cast<std::uint16_t>(descriptor.type));
}

vtd::Descriptor flush_of(std::uint32_t pasid, std::uint64_t address = 0) {
  vtd::Descriptor flush;
  flush.type = vtd::DescriptorType::pasid_iotlb;
  flush.granularity = address == 0 ? vtd::Granularity::pasid : vtd::Granularity::page;
  flush.pasid = Pasid(pasid);
  flush.address = Iova(address);
  return flush;
}

vtd::Descriptor cache_of(std::uint32_t pasid) {
  vtd::Descriptor flush;
  flush.type = vtd::DescriptorType::pasid_cache;
  flush.granularity = vtd::Granularity::pasid;
  flush.pasid = Pasid(pasid);
  return flush;
}

vtd::Descriptor response_to(std::uint16_t group, std::uint32_t pasid) {
  vtd::Descriptor response;
  response.type = vtd::DescriptorType::page_response;
  response.source = Bdf(0x100);
  response.has_pasid = true;
  response.pasid = Pasid(pasid);
  response.last = true;
  response.group = group;
  return response;
}

// A guest's number for a host's PASID.
TraceEvent binding(EventKind kind, std::uint32_t container, At at, std::uint32_t host,
                   std::uint32_t guest) {
  return coded(event_of(kind, container, at, guest, 0x100, host), trace_code::for_guest);
}

using Texts = std::vector<std::string>;

}  // namespace

TEST_CASE(
    "a group flows from its requests to its answer, and another of its number is another flow",
    "[trace]") {
  Joiner join;
  join.add(of_group(EventKind::page_request, J::device, {0, 10}, 3, false));
  join.add(of_group(EventKind::page_request, J::device, {5, 15}, 4));
  join.add(of_group(EventKind::page_request, J::device, {8, 18}, 3));
  join.add(of_group(EventKind::group_taken, J::kernel, {30, 30}, 3));
  join.add(of_group(EventKind::respond, J::queue, {40, 40}, 3));
  CHECK(join.joined.empty());
  join.add(of_group(EventKind::group_answered, J::device, {50, 50}, 3));
  CHECK(join.joined == Texts{"0:page_request 0:page_request 2:group_taken 1:respond "
                             "0:group_answered"});
  join.add(of_group(EventKind::page_request, J::device, {60, 70}, 3));
  CHECK(join.finish() == Texts{join.joined[0], "0:page_request", "0:page_request"});
}

TEST_CASE("a dropped request belongs to its group, and a stop marker to none", "[trace]") {
  Joiner join;
  join.add(of_group(EventKind::page_request, J::device, {0, 10}, 3));
  join.add(of_group(EventKind::request_dropped, J::queue, {12, 12}, 3));
  const GroupBits marker{0x100, 3, true, false, false};
  join.add(event_of(EventKind::page_request, J::device, {14, 14}, 0, marker.encode(), 5));
  join.add(of_group(EventKind::group_answered, J::device, {20, 20}, 3));
  CHECK(join.finish() ==
        Texts{"0:page_request", "0:page_request 1:request_dropped 0:group_answered"});
}

TEST_CASE("a group that begins again without an answer is two flows", "[trace]") {
  Joiner join;
  join.add(of_group(EventKind::page_request, J::device, {0, 10}, 3));
  join.add(of_group(EventKind::page_request, J::device, {100, 110}, 3));
  join.add(of_group(EventKind::group_answered, J::device, {120, 120}, 3));
  CHECK(join.finish() == Texts{"0:page_request", "0:page_request 0:group_answered"});
}

TEST_CASE("a group's answer by a guest goes through its vIOMMU and its host", "[trace]") {
  Joiner join;
  join.add(binding(EventKind::bind, J::container, {0, 1}, 5, 77));
  join.add(of_group(EventKind::page_request, J::device, {5, 10}, 3));
  join.add(of_group(EventKind::group_taken, J::guest, {30, 30}, 3));
  join.add(of_descriptor(EventKind::submit, J::viommu, {40, 40}, response_to(3, 77)));
  join.add(of_descriptor(EventKind::submit, J::queue, {50, 50}, response_to(3, 5)));
  join.add(of_group(EventKind::respond, J::queue, {60, 60}, 3));
  join.add(of_descriptor(EventKind::invalidate, J::queue, {55, 60}, response_to(3, 5)));
  join.add(of_group(EventKind::group_answered, J::device, {70, 70}, 3));
  CHECK(join.joined.empty());
  join.add(of_descriptor(EventKind::invalidate, J::viommu, {45, 80}, response_to(3, 77)));
  CHECK(join.joined == Texts{"0:page_request 4:group_taken 3:submit 3:invalidate 1:submit "
                             "1:invalidate 1:respond 0:group_answered"});
}

TEST_CASE("a descriptor flows from where it was submitted to its end, the oldest of equals first",
          "[trace]") {
  const auto end = GENERATE(EventKind::invalidate, EventKind::timed_out, EventKind::aborted);
  Joiner join;
  join.add(of_descriptor(EventKind::submit, J::queue, {1, 1}, flush_of(5)));
  join.add(of_descriptor(EventKind::submit, J::queue, {2, 2}, flush_of(5)));
  join.add(of_descriptor(EventKind::submit, J::queue, {3, 3}, flush_of(6)));
  join.add(of_descriptor(end, J::queue, {10, 20}, flush_of(5)));
  const std::string whole = "1:submit 1:" + std::string(name_of(end));
  CHECK(join.joined == Texts{whole});
  join.add(of_descriptor(end, J::viommu, {20, 20}, flush_of(6)));  // another queue's
  CHECK(join.joined == Texts{whole, "3:" + std::string(name_of(end))});
  CHECK(join.finish().size() == 4);
}

TEST_CASE("a host's descriptors flow from the guest's that they are made for", "[trace]") {
  Joiner join;
  join.add(binding(EventKind::bind, J::container, {0, 1}, 5, 77));
  join.add(binding(EventKind::bind, J::other_container, {0, 1}, 6, 77));
  // Both guests call it 77; the first has two flushes in its queue.
  join.add(of_descriptor(EventKind::submit, J::other_viommu, {10, 10}, flush_of(77, 0x2000)));
  join.add(of_descriptor(EventKind::submit, J::viommu, {11, 11}, flush_of(77, 0x1000)));
  join.add(of_descriptor(EventKind::submit, J::viommu, {11, 11}, flush_of(77, 0x2000)));
  join.add(of_descriptor(EventKind::submit, J::queue, {20, 20}, flush_of(5, 0x2000)));
  join.add(of_descriptor(EventKind::submit, J::queue, {25, 25}, flush_of(9, 0x2000)));
  join.add(of_descriptor(EventKind::invalidate, J::queue, {20, 30}, flush_of(5, 0x2000)));
  join.add(of_descriptor(EventKind::invalidate, J::viommu, {12, 40}, flush_of(77, 0x2000)));
  CHECK(join.joined == Texts{"3:submit 3:invalidate 1:submit 1:invalidate"});
  join.add(of_descriptor(EventKind::invalidate, J::viommu, {12, 40}, flush_of(77, 0x1000)));
  join.add(of_descriptor(EventKind::invalidate, J::other_viommu, {30, 50}, flush_of(77, 0x2000)));
  CHECK(join.finish() ==
        Texts{join.joined[0], "3:submit 3:invalidate", "6:submit 6:invalidate", "1:submit"});
}

TEST_CASE("an unbind flows from the guest's descriptor, with all that the host submits for it",
          "[trace]") {
  Joiner join;
  join.add(binding(EventKind::bind, J::container, {0, 1}, 5, 77));
  join.add(of_descriptor(EventKind::submit, J::viommu, {10, 10}, cache_of(77)));
  join.add(of_descriptor(EventKind::submit, J::queue, {20, 20}, cache_of(5)));
  join.add(of_descriptor(EventKind::submit, J::queue, {20, 20}, flush_of(5)));
  join.add(of_descriptor(EventKind::invalidate, J::queue, {20, 22}, cache_of(5)));
  join.add(of_descriptor(EventKind::invalidate, J::queue, {22, 24}, flush_of(5)));
  CHECK(join.add(binding(EventKind::unbind, J::container, {15, 30}, 5, 77)));
  join.add(of_descriptor(EventKind::invalidate, J::viommu, {12, 40}, cache_of(77)));
  CHECK(join.joined == Texts{"3:submit 3:invalidate 5:unbind 1:submit 1:submit 1:invalidate "
                             "1:invalidate"});
  // The number is nobody's now.
  join.add(of_descriptor(EventKind::submit, J::viommu, {50, 50}, flush_of(77)));
  join.add(of_descriptor(EventKind::submit, J::queue, {60, 60}, flush_of(5)));
  CHECK(join.finish() == Texts{join.joined[0], "3:submit", "1:submit"});
}

TEST_CASE("a command flows through its host to what its guest makes of it", "[trace]") {
  constexpr std::uint16_t allocates = 1;
  constexpr std::uint16_t frees = 2;
  constexpr std::uint64_t owner = 1 + J::container;
  Joiner join;
  join.add(coded(event_of(EventKind::command, J::viommu, {10, 10}, 0, 1), allocates));
  CHECK(join.add(event_of(EventKind::allocate, J::kernel, {12, 15}, 0, owner, 5)));
  join.add(event_of(EventKind::command_done, J::viommu, {10, 20}, 0, 1, 5));
  CHECK(join.joined.empty());
  CHECK_FALSE(join.add(event_of(EventKind::allocate, J::guest, {5, 25}, 0, 0, 6)));
  CHECK(join.add(event_of(EventKind::allocate, J::guest, {5, 30}, 0, 0, 5)));
  const std::string first = "4:allocate 3:command 3:command_done 2:allocate";
  CHECK(join.joined == Texts{first});
  CHECK(join.add(event_of(EventKind::free, J::guest, {40, 40}, 0, 0, 5)));
  join.add(coded(event_of(EventKind::command, J::viommu, {45, 45}, 0, 2, 5), frees));
  CHECK(join.add(event_of(EventKind::free, J::kernel, {46, 48}, 0, owner, 5)));
  join.add(event_of(EventKind::command_done, J::viommu, {45, 50}, 0, 2, 0));
  CHECK(join.joined == Texts{first, "4:free 3:command 3:command_done 2:free"});
  // One that fails gives the guest nothing to wait for.
  join.add(coded(event_of(EventKind::command, J::viommu, {60, 60}, 0, 3), allocates));
  join.add(coded(event_of(EventKind::command_done, J::viommu, {60, 70}, 0, 3), 1));
  CHECK(join.joined.back() == "3:command 3:command_done");
}

TEST_CASE("allocations that no command has asked for are nobody's flow", "[trace]") {
  Joiner join;
  CHECK_FALSE(join.add(event_of(EventKind::allocate, J::kernel, {0, 5}, 0, 0, 1)));
  CHECK_FALSE(join.add(event_of(EventKind::allocate, J::kernel, {0, 5}, 0, 1 + J::container, 1)));
  CHECK_FALSE(join.add(event_of(EventKind::free, J::guest, {9, 9}, 0, 0, 1)));
  CHECK_FALSE(join.add(event_of(EventKind::translate, J::device, {0, 5}, 0x1000, 0x2000, 1)));
  CHECK(join.finish().empty());
}

TEST_CASE("what waits for ever does not grow for ever, and no event is lost", "[trace]") {
  Joiner join;
  constexpr std::uint64_t many = 50'000;
  for (std::uint64_t i = 0; i < many; ++i)
    join.add(of_descriptor(EventKind::submit, J::queue, {1, 1}, flush_of(5, (i + 1) << 12U)));
  CHECK(join.joined.size() > many / 2);
  CHECK(join.finish().size() == many);
}
