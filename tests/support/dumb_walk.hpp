// A walk through VT-d's tables that is dumb and obviously right: straight from their layout, with shifts
// and nothing else.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "models/iommu/address_space.hpp"
#include "models/iommu/request.hpp"

#include <algorithm>
#include <cstdint>
#include <ostream>

namespace viosim::test {

struct WalkOutcome {
  unsigned fault = 0;
  std::uint64_t address = 0;
  unsigned reads = 0;
  unsigned updates = 0;
  unsigned rights = 0;    // of requests of this privilege: 1 to read, 2 to write, 4 to execute
  unsigned level = 0;     // of the page
  bool silenced = false;  // a fault that is not reported
  bool operator==(const WalkOutcome&) const = default;
};

inline std::ostream& operator<<(std::ostream& out, const WalkOutcome& o) {
  return out << std::hex << "fault " << o.fault << " address " << o.address << std::dec << " reads "
             << o.reads << " updates " << o.updates << " rights " << o.rights << " level "
             << o.level << " silenced " << o.silenced;
}

// What a word is read as.
enum class Place : std::uint8_t {
  root,
  context,
  directory,
  pasid_entry,
  first_level,
  second_level
};

class DumbMemory {
 public:
  // `index`: of the word in its entry.
  virtual std::uint64_t word(std::uint64_t at, Place place, unsigned index) = 0;

 protected:
  ~DumbMemory() = default;
};

// Requests of all types. Memory stays as it is: updates are counted, and taken for done.
class DumbWalk {
 public:
  DumbWalk(DumbMemory& memory, const Request& request)
      : memory_(memory),
        request_(request),
        iova_(request.iova.value()),
        write_(request.access == Access::write),
        probe_(request.type == AddressType::translation),
        privileged_(request.privileged) {}

  WalkOutcome legacy(std::uint64_t root) {
    legacy_ = true;
    if (request_.type == AddressType::page_request) return fault(0x32);
    if (request_.pasid != no_pasid) return fault(0x31);
    const std::uint64_t slot = root + request_.source.bus() * 16ULL;
    const std::uint64_t r = read(slot, Place::root);
    if ((r & 1) == 0) return fault(0x01);
    if ((r & 0xfff0'0000'0000'0ffeULL) != 0 || beside(slot, Place::root, 1) != 0)
      return fault(0x0a);
    const std::uint64_t entry = (r & ~0xfffULL) + request_.source.devfn() * 16ULL;
    const std::uint64_t low = read(entry, Place::context);
    const std::uint64_t high = beside(entry, Place::context, 1);
    silenced_ = (low & 2) != 0;
    if ((low & 1) == 0) return fault(0x02);
    if ((low & 0xfff0'0000'0000'0ff0ULL) != 0 || (high & 0xffff'ffff'ff00'0080ULL) != 0)
      return fault(0x0b);
    const std::uint64_t type = low >> 2 & 3;
    const std::uint64_t width = high & 7;
    if (type == 3 || width < 1 || width > 3) return fault(0x03);
    if (request_.type != AddressType::untranslated && type != 1) return fault(0x0d);
    if (request_.type == AddressType::translated)
      return in_window(iova_) ? fault(0x0e) : as_it_is();
    if (in_window(iova_)) return write_ || probe_ ? as_it_is() : fault(0x0e);
    if (type == 2) return as_it_is();
    second_ = {low & ~0xfffULL, static_cast<unsigned>(width + 2)};
    return outcome(second(iova_, false));
  }

  WalkOutcome scalable(std::uint64_t root) {
    const unsigned devfn = request_.source.devfn();
    const std::uint64_t r =
        read(root + request_.source.bus() * 16ULL + (devfn >= 128 ? 8 : 0), Place::root);
    if ((r & 1) == 0) return fault(0x39);
    if ((r & 0xfff0'0000'0000'0ffeULL) != 0) return fault(0x3a);
    const std::uint64_t slot = (r & ~0xfffULL) + devfn % 128 * 32ULL;
    const std::uint64_t context = read(slot, Place::context);
    silenced_ = (context & 2) != 0;
    if ((context & 1) == 0) return fault(0x41);
    const std::uint64_t rid = beside(slot, Place::context, 1);
    if ((context & 0xfff0'0000'0000'01e0ULL) != 0 || rid >> 21 != 0 ||
        beside(slot, Place::context, 2) != 0 || beside(slot, Place::context, 3) != 0)
      return fault(0x42);
    const bool tagged = request_.pasid != no_pasid;
    const bool page_request = request_.type == AddressType::page_request;
    if (page_request && (context >> 4 & 1) == 0) return fault(0x47);
    if ((probe_ || request_.type == AddressType::translated) && (context >> 2 & 1) == 0)
      return fault(0x44);
    if (request_.type == AddressType::translated)
      return in_window(iova_) ? fault(0x87) : as_it_is();
    const std::uint64_t limit = 1ULL << ((context >> 9 & 7) + 13);
    if (page_request && tagged && (context >> 3 & 1) == 0) return fault(0x45);
    if (page_request && tagged && request_.pasid.value() >= limit) return fault(0x46);
    if (page_request) return as_it_is();
    const std::uint64_t pasid = tagged ? request_.pasid.value() : rid & 0xfffff;
    if (!tagged && pasid >= limit) return fault(0x48);
    if (!tagged) privileged_ = (rid >> 20 & 1) != 0;
    if (tagged && (context >> 3 & 1) == 0) return fault(0x45);
    if (pasid >= limit) return fault(0x46);
    const std::uint64_t directory = read((context & ~0xfffULL) + pasid / 64 * 8, Place::directory);
    silenced_ = silenced_ || (directory & 2) != 0;
    if ((directory & 1) == 0) return fault(0x51);
    if ((directory & 0xfff0'0000'0000'0ffcULL) != 0) return fault(0x52);
    return pasid_entry((directory & ~0xfffULL) + pasid % 64 * 64, tagged);
  }

 private:
  struct Table {
    std::uint64_t root = 0;
    unsigned levels = 0;
  };
  struct Stage {
    unsigned fault = 0;
    std::uint64_t address = 0;
    bool readable = true;
    bool writable = true;
    bool executable = true;
    unsigned level = 1;
  };

  static bool in_window(std::uint64_t address) { return address >> 20 == 0xfee; }
  std::uint64_t read(std::uint64_t at, Place place) {
    ++reads_;
    return memory_.word(at, place, 0);
  }
  // In the line that was read last.
  std::uint64_t beside(std::uint64_t entry, Place place, unsigned index) {
    return memory_.word(entry + index * 8ULL, place, index);
  }
  WalkOutcome fault(unsigned reason) const {
    return {reason, 0, reads_, updates_, 0, 0, silenced_};
  }
  WalkOutcome as_it_is() const { return {0, iova_, reads_, updates_, 7, 1, false}; }
  WalkOutcome outcome(const Stage& to) const {
    if (to.fault != 0) return fault(to.fault);
    const unsigned rights =
        (to.readable ? 1U : 0U) | (to.writable ? 2U : 0U) | (to.executable ? 4U : 0U);
    return {0, to.address, reads_, updates_, rights, to.level, false};
  }
  static bool misaligned(std::uint64_t target, unsigned shift, std::uint64_t spared) {
    return (target & ((1ULL << shift) - 1) & ~0xfffULL & ~spared) != 0;
  }

  WalkOutcome pasid_entry(std::uint64_t entry, bool tagged) {
    const std::uint64_t e0 = read(entry, Place::pasid_entry);
    silenced_ = silenced_ || (e0 & 2) != 0;
    if ((e0 & 1) == 0) return fault(0x59);
    const std::uint64_t e1 = beside(entry, Place::pasid_entry, 1);
    const std::uint64_t e2 = beside(entry, Place::pasid_entry, 2);
    const std::uint64_t type = e0 >> 6 & 7;
    const bool uses_first = type == 1 || type == 3;
    const bool uses_second = type == 2 || type == 3;
    bool reserved = (e0 & 0xc00) != 0 || (e1 & 0xffff'ffff'fe7f'0000ULL) != 0 || (e2 & 0xf00) != 0;
    if (uses_second && e0 >> 52 != 0) reserved = true;
    if (uses_first && e2 >> 52 != 0) reserved = true;
    for (unsigned word = 3; word < 8; ++word) {
      if (beside(entry, Place::pasid_entry, word) != 0) reserved = true;
    }
    if (reserved) return fault(0x5a);
    const std::uint64_t width = e0 >> 2 & 7;
    if (type < 1 || type > 4) return fault(0x5b);
    if (uses_first && (e2 >> 2 & 3) > 1) return fault(0x5b);
    if (uses_second && (width < 1 || width > 3)) return fault(0x5b);
    if (!tagged && in_window(iova_)) return write_ || probe_ ? as_it_is() : fault(0x87);
    if (privileged_ && (e2 & 1) == 0) return fault(0x5d);
    if (request_.access == Access::execute && (e2 & 2) == 0) return fault(0x5c);
    if (type == 4) return tagged && in_window(iova_) ? fault(0x87) : as_it_is();
    if (uses_second) second_ = {e0 & ~0xfffULL, static_cast<unsigned>(width + 2)};
    if (uses_first) first_ = {e2 & ~0xfffULL, static_cast<unsigned>((e2 >> 2 & 3) + 4)};
    protect_ = (e2 >> 4 & 1) != 0;
    no_execute_ = (e2 >> 5 & 1) != 0;
    extended_ = (e2 >> 7 & 1) != 0;
    second_executes_ = (e0 >> 5 & 1) != 0;
    second_updates_ = (e0 >> 9 & 1) != 0;
    const Stage to = uses_first ? first() : second(iova_, false);
    if (to.fault == 0 && tagged && in_window(to.address)) return fault(0x87);
    return outcome(to);
  }

  Stage first() {
    const unsigned top = 12 + 9 * first_.levels - 1;
    const std::uint64_t above = iova_ >> top;
    if (above != 0 && above != ~0ULL >> top) return {0x80};
    std::uint64_t base = first_.root;
    bool user = true;
    bool writable = true;
    bool executable = true;
    for (unsigned level = first_.levels;; --level) {
      const unsigned shift = 12 + 9 * (level - 1);
      std::uint64_t at = base + (iova_ >> shift & 511) * 8;
      bool may_update = true;
      if (second_.levels != 0) {
        const Stage place = second(at, true);
        if (place.fault == 0x76 && level == first_.levels) return {0x75};
        if (place.fault != 0) return place;
        at = place.address;
        may_update = place.writable;
      }
      const std::uint64_t entry = read(at, Place::first_level);
      if ((entry & 1) == 0) return {0x71};
      const std::uint64_t target = entry & 0x000f'ffff'ffff'f000ULL;
      const bool leaf = level == 1 || (entry & 0x80) != 0;
      if (leaf && (level > 3 || misaligned(target, shift, 0x1000))) return {0x72};
      if (entry >> 63 != 0 && !no_execute_) return {0x72};
      user = user && (entry & 4) != 0;
      writable = writable && ((entry & 2) != 0 || (privileged_ && !protect_));
      executable = executable && entry >> 63 == 0;
      const bool readable = privileged_ || user;
      if (!probe_ && !readable) return {0x81};
      if (!probe_ && write_ && !writable) return {0x85};
      if (!probe_ && request_.access == Access::execute && !executable) return {0x82};
      const bool dirties = leaf && write_ && readable && writable;
      const bool stale = (entry & 0x20) == 0 || (dirties && (entry & 0x40) == 0) ||
                         (extended_ && (entry & 0x400) == 0);
      if (stale && !may_update) return {0x77};
      if (stale) ++updates_;
      if (!leaf) {
        base = target;
        continue;
      }
      if ((entry & 0x40) == 0 && !dirties) writable = false;
      const std::uint64_t size = 1ULL << shift;
      const std::uint64_t address = (target & ~(size - 1)) | (iova_ & (size - 1));
      Stage end{0, address};
      end.level = level;
      if (second_.levels != 0) end = second(address, false, readable && writable);
      end.level = std::min(end.level, level);
      end.readable = end.readable && readable;
      end.writable = end.writable && readable && writable;
      end.executable = end.executable && readable && executable;
      return end;
    }
  }

  // `may_write`: what the first stage says of the page.
  Stage second(std::uint64_t input, bool for_table, bool may_write = true) {
    if (input >> (12 + 9 * second_.levels) != 0)
      return {legacy_ ? 0x04U : for_table ? 0x74U : 0x84U};
    const bool writes = write_ && !for_table;
    const bool executes = request_.access == Access::execute && !for_table;
    std::uint64_t base = second_.root;
    bool readable = true;
    bool writable = true;
    bool executable = true;
    for (unsigned level = second_.levels;; --level) {
      const unsigned shift = 12 + 9 * (level - 1);
      const std::uint64_t entry = read(base + (input >> shift & 511) * 8, Place::second_level);
      if ((entry & 3) == 0) return {legacy_ ? (writes ? 0x05U : 0x06U) : 0x79U};
      const std::uint64_t target = entry & 0x000f'ffff'ffff'f000ULL;
      const bool leaf = level == 1 || (entry & 0x80) != 0;
      const bool reserved = leaf ? level > 3 || misaligned(target, shift, 0)
                                 : (entry >> 62 & 1) != 0 || (entry >> 11 & 1) != 0;
      if (reserved) return {legacy_ ? 0x0cU : 0x7aU};
      readable = readable && (entry & 1) != 0;
      writable = writable && (entry & 2) != 0;
      const std::uint64_t needed = second_executes_ ? 5U : 1U;
      executable = executable && (entry & needed) == needed;
      if (for_table && !readable) return {0x76};
      if (!probe_ && writes && !writable) return {legacy_ ? 0x05U : 0x85U};
      if (!probe_ && !writes && !readable) return {legacy_ ? 0x06U : 0x86U};
      if (!probe_ && executes && !executable) return {legacy_ ? 0x06U : 0x82U};
      const bool dirties = leaf && ((writes && may_write) || for_table) && writable;
      if (second_updates_ && ((entry & 0x100) == 0 || (dirties && (entry & 0x200) == 0)))
        ++updates_;
      if (!leaf) {
        base = target;
        continue;
      }
      // Of a table, whether accessed and dirty may be set in it; of a page, whether the answer may
      // be kept for writes.
      if (second_updates_ && (entry & 0x200) == 0 && !dirties && !for_table) writable = false;
      const std::uint64_t size = 1ULL << shift;
      return {0,    (target & ~(size - 1)) | (input & (size - 1)), readable, writable, executable,
              level};
    }
  }

  DumbMemory& memory_;
  const Request& request_;
  std::uint64_t iova_;
  bool write_;
  bool probe_;  // what would be allowed is the answer: lacking rights are no fault
  bool privileged_;
  bool legacy_ = false;
  bool silenced_ = false;
  Table first_;
  Table second_;
  bool protect_ = false;
  bool no_execute_ = false;
  bool extended_ = false;
  bool second_executes_ = false;
  bool second_updates_ = false;
  unsigned reads_ = 0;
  unsigned updates_ = 0;
};

}  // namespace viosim::test
