// Invalidations that are aborted, and entries that are quiet.
// SPDX-License-Identifier: Apache-2.0
#include "tests/check/stream.hpp"
#include "tests/support/catch.hpp"

using namespace viosim;
using namespace viosim::test;

namespace {

vtd::Descriptor flush_of(std::uint32_t pasid) {
  vtd::Descriptor descriptor;
  descriptor.type = vtd::DescriptorType::pasid_device_tlb;
  descriptor.pasid = Pasid(pasid);
  descriptor.source = Bdf(Stream::source);
  descriptor.address_mask = vtd::Descriptor::every_address;
  return descriptor;
}

struct Queue : Stream {
  Queue() { allocate(5, 1).allocate(6, 1); }
  Queue& told(EventKind kind, const vtd::Descriptor& descriptor) {
    const vtd::DescriptorBits bits = descriptor.encode();
    emit(kind, queue, descriptor.pasid.value(), 0,
         {.address = bits[1],
          .value = bits[0],
          .code = static_cast<std::uint16_t>(descriptor.type)});
    return *this;
  }
  Queue& gone() {
    emit(EventKind::vanish, device, 0, 0, {.value = source});
    return *this;
  }
  Queue& told(EventKind kind) { return told(kind, flush_of(5)); }
};

Queue aborted() { return Queue().told(EventKind::submit).told(EventKind::aborted); }

// Requests that began some time after the entry was taken away.
Stream quiet(std::uint16_t source = Stream::source) {
  const auto written = [](Stream& stream, std::uint16_t how, bool silent, std::uint16_t of) {
    const EntryWritten entry{of, Stream::domain, 1, false, false, 64, silent};
    stream.emit(EventKind::table_write, Stream::driver, 5, 1,
                {.value = entry.encode(), .code = how});
  };
  Stream stream = Stream().allocate(5, 1);
  written(stream, trace_code::entry_set, false, source);
  written(stream, trace_code::entry_cleared, true, source);
  stream.flush_pasid_cache(5).flush_iotlb(5);
  written(stream, trace_code::entry_zeroed, true, source);
  return stream;
}
Stream faults(Stream stream, std::int64_t duration) {
  return stream.emit(
      EventKind::fault, Stream::queue, 5, 1,
      {.address = Stream::page, .value = Stream::source, .code = 0x51, .duration = duration});
}

}  // namespace

TEST_CASE("I33: an aborted invalidation is neither submitted again nor reported") {
  CHECK(aborted().found() == "I33");
  CHECK(aborted().told(EventKind::submit).found().empty());
  CHECK(aborted().told(EventKind::given_up).found().empty());
  CHECK(aborted().told(EventKind::submit, flush_of(6)).found() == "I33");
  CHECK(aborted().told(EventKind::submit).told(EventKind::aborted).found() == "I33");
}

TEST_CASE("I33: a function that is gone has nothing to forget, and a response was sent") {
  CHECK(aborted().gone().found().empty());
  CHECK(Queue().told(EventKind::submit).gone().told(EventKind::aborted).found().empty());
  // It is there again, and its kernel has not let go of the one that was.
  const auto comes_back = [](bool let_go) {
    Queue queue;
    queue.told(EventKind::submit).gone();
    if (let_go) queue.emit(EventKind::unplug, Queue::app, 0, 0, {.value = Queue::source});
    queue.emit(EventKind::plug, Queue::device, 0, 0, {.address = 2, .value = Queue::source});
    return queue.told(EventKind::aborted).found();
  };
  CHECK(comes_back(false).empty());
  CHECK(comes_back(true) == "I33");
  vtd::Descriptor response;
  response.type = vtd::DescriptorType::page_response;
  CHECK(
      Queue().told(EventKind::submit, response).told(EventKind::aborted, response).found().empty());
}

TEST_CASE("I33: the trace of a run that was not ended may lack what follows") {
  CHECK(aborted().found(false).empty());
}

TEST_CASE("I35: a fault is reported though its entry is quiet") {
  CHECK(faults(quiet(), 500).found() == "I35");
  CHECK(faults(quiet(), 50'000).found().empty());  // it was on its way before
  CHECK(faults(quiet(Stream::source + 1), 500).found().empty());
}

TEST_CASE("I35: a request succeeds though its entry is quiet and not present") {
  CHECK(quiet().use(5, 1, 500).found() == "I28 I35");
  CHECK(quiet().use(5, 1, 50'000).found().empty());
  CHECK(quiet().use(5, 1, 500, outcome_fault(0x51)).found().empty());
}

TEST_CASE("I35: an entry that is set up again reports again") {
  Stream stream = quiet();
  stream.write(trace_code::entry_fields, 5, 1).write(trace_code::entry_set, 5, 1);
  CHECK(faults(stream, 500).found().empty());
}
