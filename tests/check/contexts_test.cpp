// Context entries, and the flushes after them.
// SPDX-License-Identifier: Apache-2.0
#include "tests/check/stream.hpp"
#include "tests/support/catch.hpp"

using namespace viosim;
using namespace viosim::test;
using vtd::DescriptorType;
using vtd::Granularity;

namespace {

Stream& context(Stream& stream, std::uint16_t how, bool device_tlb = false,
                Stream::Component driver = Stream::driver) {
  const ContextWritten written{Stream::source, device_tlb, driver == Stream::viommu_driver};
  return stream.emit(EventKind::context_write, driver, 0, 0,
                     {.value = written.encode(), .code = how});
}

Stream present(bool caching = false) {
  Stream stream;
  context(stream, trace_code::entry_set, false, caching ? Stream::viommu_driver : Stream::driver);
  return stream;
}

Stream cleared(bool device_tlb = false) {
  Stream stream = present();
  context(stream, trace_code::entry_cleared, device_tlb);
  return stream;
}

vtd::Descriptor order(DescriptorType type, Granularity by, std::uint16_t domain = 1) {
  vtd::Descriptor descriptor;
  descriptor.type = type;
  descriptor.granularity = by;
  descriptor.domain = DomainId(domain);
  descriptor.source = Bdf(Stream::source);
  return descriptor;
}

vtd::Descriptor of_device() { return order(DescriptorType::context_cache, Granularity::device); }
vtd::Descriptor pasids(std::uint16_t domain = 1) {
  return order(DescriptorType::pasid_cache, Granularity::domain, domain);
}
vtd::Descriptor iotlb(std::uint16_t domain = 1) {
  return order(DescriptorType::iotlb, Granularity::domain, domain);
}
vtd::Descriptor device_tlb() {
  vtd::Descriptor descriptor = order(DescriptorType::device_tlb, Granularity::global);
  descriptor.address_mask = vtd::Descriptor::every_address;
  return descriptor;
}

std::string zeroed(Stream stream) { return context(stream, trace_code::entry_zeroed).found(); }

}  // namespace

TEST_CASE("I26: a context entry is zeroed before one of its flushes") {
  CHECK(zeroed(cleared().flush(of_device()).flush(pasids()).flush(iotlb())).empty());
  CHECK(zeroed(cleared().flush(pasids()).flush(iotlb())) == "I26");
  CHECK(zeroed(cleared().flush(of_device()).flush(iotlb())) == "I26");
  CHECK(zeroed(cleared().flush(of_device()).flush(pasids())) == "I26");
}

TEST_CASE("I26: flushes of another function and of one PASID do not count, those of all do") {
  vtd::Descriptor other = of_device();
  other.source = Bdf(Stream::source + 8);
  CHECK(zeroed(cleared().flush(other).flush(pasids()).flush(iotlb())) == "I26");
  const vtd::Descriptor one = order(DescriptorType::pasid_cache, Granularity::pasid);
  CHECK(zeroed(cleared().flush(of_device()).flush(one).flush(iotlb())) == "I26");
  CHECK(zeroed(cleared()
                   .flush(order(DescriptorType::context_cache, Granularity::global))
                   .flush(order(DescriptorType::pasid_cache, Granularity::global))
                   .flush(order(DescriptorType::iotlb, Granularity::global)))
            .empty());
}

TEST_CASE("I26: the domain of each PASID entry that is left present is flushed") {
  Stream stream = present().allocate(5, 1).write(trace_code::entry_set, 5, 1);
  context(stream, trace_code::entry_cleared);
  Stream wrong = stream;
  CHECK(zeroed(wrong.flush(of_device()).flush(pasids()).flush(iotlb())) == "I26");
  CHECK(zeroed(stream.flush(of_device()).flush(pasids(Stream::domain)).flush(iotlb(Stream::domain)))
            .empty());
}

TEST_CASE("I27: what is flushed before what it is filled from") {
  CHECK(zeroed(cleared().flush(pasids()).flush(of_device()).flush(iotlb())) == "I27");
  CHECK(zeroed(cleared().flush(of_device()).flush(iotlb()).flush(pasids())) == "I27");
  CHECK(zeroed(cleared().flush(iotlb()).flush(of_device()).flush(pasids()).flush(iotlb())).empty());
}

TEST_CASE("I26: the TLB of a function is flushed where it is still used") {
  CHECK(zeroed(cleared(true).flush(of_device()).flush(pasids()).flush(iotlb())) == "I26");
  CHECK(zeroed(cleared(true).flush(of_device()).flush(pasids()).flush(iotlb()).flush(device_tlb()))
            .empty());
}

TEST_CASE("I26: one that is zeroed without being cleared is to be flushed then") {
  Stream stream = present();
  context(stream.flush(of_device()).flush(pasids()).flush(iotlb()), trace_code::entry_zeroed);
  CHECK(stream.found().empty());
  context(stream, trace_code::entry_set);
  CHECK(stream.found() == "I26");
}

TEST_CASE("I20: a kernel lets go of a function whose context entry is present, or cached") {
  const auto left = [](Stream stream) {
    return stream.emit(EventKind::unplug, Stream::device, 0, 0, {.value = Stream::source}).found();
  };
  CHECK(left(present()) == "I20");
  CHECK(left(cleared()) == "I20");
  CHECK(left(cleared().flush(of_device()).flush(pasids()).flush(iotlb())).empty());
}

TEST_CASE("I31: a guest binds behind a vIOMMU that was not told of the function") {
  const auto bound = [](Stream stream) {
    return stream
        .emit(EventKind::bind, Stream::guest_app, 5, 1, {.address = 5, .value = Stream::source})
        .found();
  };
  Stream quiet = present(true).guest_allocates(5);
  CHECK(bound(quiet) == "I31");
  const vtd::DescriptorBits bits = of_device().encode();
  Stream told = quiet;
  told.emit(EventKind::invalidate, Stream::viommu, 0, 0,
            {.address = bits[1], .value = bits[0], .code = 1});
  CHECK(bound(told).empty());
  Stream gone = quiet;
  gone.emit(EventKind::viommu, Stream::viommu, 0, 0, {.code = trace_code::viommu_gone});
  CHECK(bound(gone).empty());
}

TEST_CASE("a context entry behind a vIOMMU that is gone is asked of nobody") {
  Stream stream = present(true);
  stream.emit(EventKind::viommu, Stream::viommu, 0, 0, {.code = trace_code::viommu_gone});
  context(stream, trace_code::entry_cleared, false, Stream::viommu_driver);
  context(stream, trace_code::entry_zeroed, false, Stream::viommu_driver);
  CHECK(stream.found().empty());
}
