// Each name of an `inv` record beside what the words say.
// SPDX-License-Identifier: Apache-2.0
#include "sim/recording/named_fields.hpp"

#include <fmt/format.h>

#include <limits>
#include <string_view>

namespace viosim::recording {
namespace {

using vtd::Descriptor;
using vtd::DescriptorType;
using vtd::Granularity;

class Comparison {
 public:
  explicit Comparison(const Record& record) : record_(record) {}

  void text(Key key, std::string_view words) const {
    if (!record_.has(key) || record_.string(key) == words) return;
    record_.reject(key, fmt::format("\"{}\" as `hi` and `lo` say", words));
  }
  void integer(Key key, std::uint64_t words) const {
    constexpr std::uint64_t largest = std::numeric_limits<std::uint64_t>::max();
    if (!record_.has(key) || record_.integer(key, 0, largest) == words) return;
    record_.reject(key, fmt::format("{} as `hi` and `lo` say", words));
  }
  void address(Key key, std::uint64_t words) const {
    if (!record_.has(key) || record_.hex(key) == words) return;
    record_.reject(key, fmt::format("\"{:#x}\" as `hi` and `lo` say", words));
  }
  // The format has no names for these types: what bears one of its five names is none of them.
  void unnamed(DescriptorType type) const {
    if (!record_.has(Key::type)) return;
    const std::string_view read = record_.string(Key::type);
    for (const std::string_view known : {"iotlb", "context", "dev", "iec", "wait"}) {
      if (read == known)
        record_.reject(Key::type,
                       fmt::format("another name: `lo` says type {}", static_cast<unsigned>(type)));
    }
  }

 private:
  const Record& record_;
};

std::string_view name_of(const Descriptor& words) {
  switch (words.granularity) {
    case Granularity::global:
      return "global";
    case Granularity::domain:
      return "domain";
    case Granularity::device:
      return "device";
    case Granularity::pasid:
      return "pasid";
    case Granularity::page:
      break;
  }
  return words.type == DescriptorType::interrupt_cache ? "index" : "page";
}

void compare_device_tlb(const Comparison& named, const Descriptor& words) {
  const bool everything = words.address_mask == Descriptor::every_address;
  named.text(Key::type, "dev");
  named.integer(Key::sid, words.source.value());
  named.address(Key::addr, words.address.value());
  // 2^64 bytes are 0 in the recorder's 64 bits.
  named.integer(Key::sz, everything ? 0 : page_4k.count() << words.address_mask);
}

void compare_wait(const Comparison& named, const Descriptor& words) {
  named.text(Key::type, "wait");
  named.integer(Key::interrupt_flag, words.interrupt ? 1 : 0);
  named.integer(Key::sw, words.status_write ? 1 : 0);
  named.integer(Key::fn, words.fence ? 1 : 0);
  named.integer(Key::data, words.status_data);
  named.address(Key::addr, words.status_address.value());
}

void compare_iotlb(const Comparison& named, const Descriptor& words) {
  named.text(Key::type, "iotlb");
  named.text(Key::gran, name_of(words));
  named.integer(Key::did, words.domain.value());
  named.integer(Key::dr, words.drain_reads ? 1 : 0);
  named.integer(Key::dw, words.drain_writes ? 1 : 0);
  if (words.granularity != Granularity::page) return;
  named.address(Key::addr, words.address.value());
  named.integer(Key::am, words.address_mask);
  named.integer(Key::ih, words.leaf_only ? 1 : 0);
}

void compare_context(const Comparison& named, const Descriptor& words) {
  named.text(Key::type, "context");
  named.text(Key::gran, name_of(words));
  named.integer(Key::did, words.domain.value());
  named.integer(Key::sid, words.source.value());
  named.integer(Key::fm, words.function_mask);
}

void compare_interrupts(const Comparison& named, const Descriptor& words) {
  named.text(Key::type, "iec");
  named.text(Key::gran, name_of(words));
  named.integer(Key::idx, words.interrupt_index);
  named.integer(Key::im, words.interrupt_mask);
}

}  // namespace

void check_named_fields(const Record& record, const Descriptor& words) {
  const Comparison named(record);
  switch (words.type) {
    case DescriptorType::context_cache:
      return compare_context(named, words);
    case DescriptorType::iotlb:
      return compare_iotlb(named, words);
    case DescriptorType::device_tlb:
      return compare_device_tlb(named, words);
    case DescriptorType::interrupt_cache:
      return compare_interrupts(named, words);
    case DescriptorType::wait:
      return compare_wait(named, words);
    default:
      return named.unnamed(words.type);
  }
}

}  // namespace viosim::recording
