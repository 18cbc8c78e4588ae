// PASIDs of a function that are its guest's own: held against their own lives, not against the host's.
// SPDX-License-Identifier: Apache-2.0
#include "tests/check/stream.hpp"
#include "tests/support/catch.hpp"

using namespace viosim;
using namespace viosim::test;

namespace {

constexpr std::uint32_t pasid = 5;

// A function that a guest has as a whole, and whose PASIDs are the guest's own.
struct Own : Stream {
  Own() { own(true); }
  Own& own(bool is) {
    emit(EventKind::own_numbers, driver, 0, 0,
         {.value = source, .code = static_cast<std::uint16_t>(is)});
    return *this;
  }
  Own& bound(EventKind kind = EventKind::bind) {
    emit(kind, vfio, pasid, 0, {.address = pasid, .value = source, .code = trace_code::for_guest});
    return *this;
  }
  Own& set() {
    write(trace_code::entry_set, pasid, 0);
    return *this;
  }
  Own& takes() { return set().bound(); }
  Own& torn_down() {
    tear_down(pasid, 0);
    return *this;
  }
  Own& leaves() { return torn_down().bound(EventKind::unbind); }
  Own& unmaps() {
    emit(EventKind::unmap, guest_app, pasid, 1, {.address = page, .code = 1, .duration = 100});
    return *this;
  }
};

}  // namespace

TEST_CASE("a number of a guest's own that comes, goes and comes again is fine") {
  CHECK(Own().takes().leaves().takes().leaves().own(false).found().empty());
}

TEST_CASE("lives of the host's number are none of a guest's own number") {
  Own stream;
  stream.takes().allocate(pasid, 1).free(pasid, 1);
  stream.ask(pasid, 1, 3).allocate(pasid, 2).respond(pasid, 2, 3).answered(pasid, 2, 3);
  stream.free(pasid, 2);
  CHECK(stream.leaves().found().empty());
}

TEST_CASE("I7: the binding of a guest's own number ends while its entry is present") {
  CHECK(Own().takes().leaves().found().empty());
  CHECK(Own().takes().bound(EventKind::unbind).found() == "I7");
}

TEST_CASE("I9 and I10: a group of a guest's own number outlives its binding") {
  const auto asks = [](bool answered) {
    Own stream;
    stream.takes().ask(pasid, 0, 3);
    if (answered) stream.respond(pasid, 0, 3).answered(pasid, 0, 3);
    stream.leaves();
    return stream.takes();
  };
  CHECK(asks(true).found(false).empty());
  CHECK(asks(false).found(false) == "I9");
  CHECK(asks(false).respond(pasid, 0, 3).found(false) == "I9 I10");
}

TEST_CASE("I11: a group of a guest's own number has no answer") {
  Own stream;
  stream.takes().ask(pasid, 0, 3);
  stream.leaves();
  CHECK(stream.found() == "I11");
}

TEST_CASE("I20 and I34: a guest's own number is bound when its function, or the run, ends") {
  CHECK(Own().takes().found() == "I34");
  Own stream = Own().takes();
  stream.emit(EventKind::unplug, Stream::driver, 0, 0, {.value = Stream::source});
  CHECK(stream.found(false) == "I20 I20");
}

TEST_CASE("I26 and I27: entries of a guest's own numbers are flushed, in order") {
  const auto found = [](bool pasid_cache_first) {
    Own stream = Own().takes();
    stream.write(trace_code::entry_cleared, pasid, 0);
    if (pasid_cache_first) stream.flush_pasid_cache(pasid);
    stream.flush_iotlb(pasid).flush_device_tlb(pasid);
    if (!pasid_cache_first) stream.flush_pasid_cache(pasid);
    return stream.write(trace_code::entry_zeroed, pasid, 0).found(false);
  };
  CHECK(found(true).empty());
  CHECK(found(false) == "I27");
  Own stream = Own().takes();
  stream.write(trace_code::entry_cleared, pasid, 0);
  CHECK(stream.write(trace_code::entry_zeroed, pasid, 0).found(false) == "I26");
}

TEST_CASE("I26 and I28: what a guest unmaps is not used any more under its own number") {
  Own stream = Own().takes();
  stream.wait(1000);
  stream.unmaps();
  CHECK(stream.found(false) == "I26 I26");  // neither the IOTLB nor the function's TLB
  CHECK(stream.use(pasid, 0, 0).found(false) == "I26 I26 I28");
}

TEST_CASE("I28: a function goes on with a guest's own number whose entry is gone") {
  Own stream = Own().takes();
  stream.leaves();
  CHECK(Stream(stream).use(pasid, 0, 0).found() == "I28");
  CHECK(stream.takes().use(pasid, 0, 0).found(false).empty());
}
