// intel-vtd recordings: the guest's probes tell of mappings, the hypervisor of everything else.
// SPDX-License-Identifier: Apache-2.0
#include "models/host/physical_memory.hpp"
#include "models/iommu/vtd/descriptor.hpp"
#include "sim/recording/dialect.hpp"
#include "sim/recording/named_fields.hpp"

#include <fmt/format.h>

#include <array>
#include <bit>
#include <limits>
#include <map>

namespace viosim::recording {
namespace {

constexpr std::uint64_t did_max = 0xffff;
constexpr std::uint64_t all_translations = 0x12;  // type 2, granularity 1
constexpr std::uint8_t read_bit = 1;
constexpr std::uint8_t write_bit = 2;

constexpr std::array vtd_outcomes = {
    OutcomeName{"hit", RecordedOutcome::hit}, OutcomeName{"miss", RecordedOutcome::miss},
    OutcomeName{"fault", RecordedOutcome::fault}, OutcomeName{"pt", RecordedOutcome::bypass},
    OutcomeName{"off", RecordedOutcome::bypass}};

// Descriptor fields, VT-d 3.3 s6.5.2.3: type in lo 3:0, granularity in lo 5:4, DID in lo 31:16,
// address mask in hi 5:0, address in hi 63:12.
struct PageSelective {
  std::uint32_t domain = 0;
  PageRange range;
};

std::optional<PageSelective> page_selective(std::uint64_t hi, std::uint64_t lo) {
  constexpr std::uint64_t iotlb_type = 2;
  constexpr std::uint64_t page_granularity = 3;
  constexpr unsigned page_number_bits = 52;
  const auto mask_bits = static_cast<unsigned>(hi & 0x3fU);
  if ((lo & 0xfU) != iotlb_type || (lo >> 4U & 3U) != page_granularity) return std::nullopt;
  if (mask_bits >= page_number_bits) return std::nullopt;
  const std::uint64_t mask = (std::uint64_t{1} << mask_bits) - 1;
  const std::uint64_t page = hi >> 12U;
  return PageSelective{static_cast<std::uint32_t>(lo >> 16U & did_max),
                       {page & ~mask, page | mask}};
}

// Unmaps that were recorded and whose invalidation was not yet seen, by domain and first page.
class PendingUnmaps {
 public:
  void add(std::uint32_t domain, std::uint64_t page) { ++pending_[{domain, page}]; }

  // Takes the oldest of each page of the range; false when there is none.
  bool take(std::uint32_t domain, PageRange range) {
    bool any = false;
    auto it = pending_.lower_bound({domain, range.first});
    while (it != pending_.end() && it->first <= Place{domain, range.last}) {
      any = true;
      it = --it->second == 0 ? pending_.erase(it) : std::next(it);
    }
    return any;
  }

 private:
  using Place = std::pair<std::uint32_t, std::uint64_t>;
  std::map<Place, std::uint32_t> pending_;
};

class Vtd : public Dialect {
 public:
  Vtd(RecordedStream& stream, StreamBuilder& builder, bool write_implies_read)
      : stream_(stream), builder_(builder), write_implies_read_(write_implies_read) {}

  void apply(std::string_view kind, const Record& record) override {
    if (kind == "req") {
      request(record);
    } else if (kind == "inv") {
      descriptor(record);
    } else if (kind == "map") {
      map(record);
    } else if (kind == "unmap") {
      unmap(record);
    } else if (kind == "ctx") {
      context(record);
    } else if (kind == "attach") {
      attach(record);
    } else if (kind == "release") {
      release(record);
    } else if (kind == "root" || kind == "enable") {
      insertions_.dropped_all();
      builder_.drop_all();
    }
  }

 private:
  static std::uint32_t domain_of(const Record& record) {
    return static_cast<std::uint32_t>(record.integer(Key::did, 0, did_max));
  }

  // Only a translated request names its domain. When a walk went through another one than we knew, a
  // context entry was written without our seeing it; a hit may be on what an old one left behind.
  void request(const Record& record) {
    RecordedOp op = read_request(record, vtd_outcomes);
    insertions_.request(record, op, stream_.iotlb_capacity);
    if (has_translation(op) && record.has(Key::sz)) check_entry(record, op);
    std::uint32_t known = 0;
    const bool is_known = builder_.attached(op.sid, known);
    if (has_translation(op) || record.has(Key::did)) {
      op.domain = domain_of(record);
      if (op.outcome != RecordedOutcome::hit || !is_known) attach(op.sid, op.domain);
    } else {
      op.domain = known;
    }
    if (op.outcome == RecordedOutcome::miss) prove_mapped(record, op);
    if (walk_denied(op)) builder_.prove_denied(op.domain, op.iova >> 12U, needed_permission(op));
    builder_.request(op);
  }

  // VT-d fault reasons: the table entries on the way lack write (5) or read (6) permission.
  static bool walk_denied(const RecordedOp& op) {
    constexpr std::uint8_t no_write = 5;
    constexpr std::uint8_t no_read = 6;
    return op.outcome == RecordedOutcome::fault &&
           (op.fault_reason == no_write || op.fault_reason == no_read);
  }

  // The entry that answered. VT-d 3.3 s9.8: bit 7 of a leaf tells one of 2 MiB or 1 GiB from one of 4 KiB, and bits
  // 51:12 are the page's address.
  static void check_entry(const Record& record, const RecordedOp& op) {
    constexpr std::uint64_t of_2m = std::uint64_t{1} << 21U;
    constexpr std::uint64_t of_1g = std::uint64_t{1} << 30U;
    const std::uint64_t size =
        record.integer(Key::sz, 0, std::numeric_limits<std::uint64_t>::max());
    if (size != page_4k.count() && size != of_2m && size != of_1g)
      record.reject(Key::sz, "4096, 2097152 or 1073741824");
    if (!record.has(Key::pte)) return;
    const std::uint64_t entry = record.hex(Key::pte);
    constexpr std::uint64_t page_size_bit = 0x80;
    if (size != page_4k.count() && (entry & page_size_bit) == 0)
      record.reject(Key::sz, "4096, since `pte` is an entry of the lowest level");
    if ((entry & (read_bit | write_bit)) == 0)
      record.reject(Key::pte, "an entry that permits something, since it gave a translation");
    constexpr std::uint64_t address_bits = 0x000f'ffff'ffff'f000;
    const std::uint64_t page = entry & address_bits & ~(size - 1);
    const std::uint64_t address = page + (op.iova & (size - 1));
    if (op.pa != address)
      record.reject(Key::pa, fmt::format("\"{:#x}\", where `pte` has `iova`", address));
  }

  // The walk found a leaf entry: bits 0 and 1 are its permissions.
  void prove_mapped(const Record& record, const RecordedOp& op) {
    if (!record.has(Key::sz)) record.reject(Key::sz, "the size of the page that was found");
    const std::uint64_t size =
        record.integer(Key::sz, 0, std::numeric_limits<std::uint64_t>::max());
    const std::uint64_t first = (op.iova & ~(size - 1)) >> 12U;
    const auto permissions =
        static_cast<std::uint8_t>(record.hex(Key::pte) & (read_bit | write_bit));
    builder_.prove_mapped(op.domain, {first, first + (size >> 12U) - 1},
                          {(op.pa & ~(size - 1)) >> 12U, permissions,
                           static_cast<std::uint8_t>(std::countr_zero(size))},
                          needed_permission(op));
  }

  // As the queue of an IOMMU decodes it, but for the address masks: how large they may be differs from IOMMU to IOMMU.
  static void check_descriptor(const Record& record, std::uint64_t hi, std::uint64_t lo) {
    if (!vtd::Descriptor::decodable(lo))
      record.reject(Key::lo, "a descriptor of type 1 to 9 with a valid granularity");
    constexpr std::uint8_t any_mask = 63;
    if (vtd::Descriptor::error({lo, 0, 0, 0}, any_mask) != vtd::QueueError::none)
      record.reject(Key::lo, "reserved bits of its type to be 0");
    if (vtd::Descriptor::error({lo, hi, 0, 0}, any_mask) != vtd::QueueError::none)
      record.reject(Key::hi, "reserved bits of its type to be 0, and a size code that ends");
    const vtd::Descriptor descriptor = vtd::Descriptor::decode(lo, hi);
    if (descriptor.status_write && descriptor.status_address >= PhysicalMemory::tables_begin)
      record.reject(Key::hi,
                    "a status address below 16 TiB, where the tables of the simulation begin");
    check_named_fields(record, descriptor);
  }

  // In a strict guest without caching mode the only reason for a page-selective descriptor is an
  // unmap just before it.
  void descriptor(const Record& record) {
    const std::uint64_t hi = record.hex(Key::hi);
    const std::uint64_t lo = record.hex(Key::lo);
    check_descriptor(record, hi, lo);
    if (stream_.strict && !stream_.caching_mode) {
      const std::optional<PageSelective> flushed = page_selective(hi, lo);
      if (flushed && !pending_.take(flushed->domain, flushed->range))
        builder_.prove_unmapped(flushed->domain, flushed->range);
    }
    if ((lo & 0x3fU) == all_translations) insertions_.dropped_all();
    builder_.descriptor(hi, lo);
  }

  void map(const Record& record) {
    const GuestPages pages = guest_pages(record);
    const std::uint64_t pa_page = physical_page(record, pages);
    if (unplaced(record)) return;
    builder_.map(domain_of(record), pages.range, {pa_page, permissions(record), pages.page_shift});
  }

  void unmap(const Record& record) {
    const GuestPages pages = guest_pages(record);
    if (unplaced(record)) return;
    builder_.unmap(domain_of(record), pages.range);
    if (stream_.strict && !stream_.caching_mode) pending_.add(domain_of(record), pages.range.first);
  }

  bool unplaced(const Record& record) {
    if (record.has(Key::did)) return false;
    ++stream_.unplaced;
    return true;
  }

  // Tracepoints have no `prot`: the mapping is then taken to allow everything.
  std::uint8_t permissions(const Record& record) const {
    if (!record.has(Key::prot)) return read_bit | write_bit;
    constexpr std::uint64_t largest = 0xff;
    const auto asked = static_cast<std::uint8_t>(record.integer(Key::prot, 0, largest));
    const bool grants_read = write_implies_read_ && (asked & write_bit) != 0;
    return (asked & (read_bit | write_bit)) | (grants_read ? read_bit : 0);
  }

  // Legacy mode: translation type in lo 3:2 (2 passes through), DID in hi 23:8. Scalable-mode
  // entries point to PASID tables; there the requests tell the domain.
  void context(const Record& record) {
    const std::uint16_t sid = requester(record);
    const std::uint64_t hi = record.hex(Key::hi);
    const std::uint64_t lo = record.hex(Key::lo);
    constexpr std::uint64_t pass_through = 2;
    if (stream_.scalable_mode || (lo >> 2U & 3U) == pass_through) return;
    attach(sid, static_cast<std::uint32_t>(hi >> 8U & did_max));
  }

  void attach(const Record& record) {
    const std::uint16_t sid = device_sid(record);
    if (record.has(Key::did)) attach(sid, domain_of(record));
  }

  void attach(std::uint16_t sid, std::uint32_t domain) {
    std::uint32_t before = 0;
    const bool moves = builder_.attached(sid, before) && before != domain;
    builder_.attach(sid, domain);
    if (moves) flush_pasid_entries(before);
  }

  // The guest flushes a PASID entry that it changes or removes, but the hypervisor, which caches
  // none, does not log that: VT-d 3.3 s6.5.2.2, PASID 0 of the domain.
  void flush_pasid_entries(std::uint32_t domain) {
    if (!stream_.scalable_mode) return;
    vtd::Descriptor flush;
    flush.type = vtd::DescriptorType::pasid_cache;
    flush.granularity = vtd::Granularity::pasid;
    flush.domain = DomainId(static_cast<std::uint16_t>(domain));
    const auto words = flush.encode();
    builder_.descriptor(words[1], words[0]);
  }

  // The device is gone. When it was the last of its domain the guest frees the domain with all that
  // is still mapped, without an unmap for each.
  void release(const Record& record) {
    const std::uint16_t sid = device_sid(record);
    std::uint32_t domain = 0;
    if (!builder_.attached(sid, domain)) return;
    builder_.detach(sid);
    flush_pasid_entries(domain);
    if (!builder_.any_attached(domain)) builder_.unmap_all(domain);
  }

  RecordedStream& stream_;
  StreamBuilder& builder_;
  bool write_implies_read_;
  PendingUnmaps pending_;
  InsertionCount insertions_;
};

}  // namespace

std::unique_ptr<Dialect> make_vtd(RecordedStream& stream, StreamBuilder& builder,
                                  bool write_implies_read) {
  return std::make_unique<Vtd>(stream, builder, write_implies_read);
}

}  // namespace viosim::recording
