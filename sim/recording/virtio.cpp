// virtio-iommu recordings: the device itself is told of every mapping, so nothing has to be
// guessed. It has no separate commands to invalidate: when a request is answered, nothing that it
// took away is used any more (virtio 1.2, 5.13.6.6.2), so each one here also flushes.
// SPDX-License-Identifier: Apache-2.0
#include "sim/recording/dialect.hpp"

#include <array>
#include <limits>

namespace viosim::recording {
namespace {

constexpr std::uint64_t domain_max = 0xffff;  // guests count from 0; VT-d's ids have 16 bits
constexpr std::uint64_t most_pages = std::numeric_limits<std::uint32_t>::max();
constexpr std::uint64_t page_length = 4096;

constexpr std::array virtio_outcomes = {OutcomeName{"ok", RecordedOutcome::unknown},
                                        OutcomeName{"fault", RecordedOutcome::fault},
                                        OutcomeName{"bypass", RecordedOutcome::bypass}};

class Virtio : public Dialect {
 public:
  explicit Virtio(StreamBuilder& builder) : builder_(builder) {}

  void apply(std::string_view kind, const Record& record) override {
    if (kind == "req") {
      request(record);
    } else if (kind == "map") {
      map(record);
    } else if (kind == "unmap_done") {
      unmap(domain_of(record), range_of(record));
    } else if (kind == "attach") {
      builder_.attach(requester(record), domain_of(record));
      builder_.flush_context(requester(record));
    } else if (kind == "detach") {
      builder_.detach(requester(record));
      builder_.flush_context(requester(record));
    } else if (kind == "dom_free") {
      builder_.unmap_all(domain_of(record));
      builder_.invalidate_all(domain_of(record));
    } else if (kind == "device_reset" || kind == "system_reset") {
      builder_.forget_everything();
      builder_.drop_all();
    }
  }

 private:
  static std::uint32_t domain_of(const Record& record) {
    return static_cast<std::uint32_t>(record.integer(Key::did, 0, domain_max));
  }

  static PageRange range_of(const Record& record) {
    const std::uint64_t first = record.hex(Key::iova);
    const std::uint64_t last = record.hex(Key::end);
    if (first % page_length != 0) record.reject(Key::iova, "the address of a 4 KiB page");
    if (last % page_length != page_length - 1 || last < first)
      record.reject(Key::end, "the last byte of a 4 KiB page after `iova`");
    const PageRange range{first / page_length, last / page_length};
    if (range.pages() > most_pages) record.reject(Key::end, "at most 16 TiB after `iova`");
    return range;
  }

  void request(const Record& record) {
    RecordedOp op = read_request(record, virtio_outcomes);
    builder_.attached(op.sid, op.domain);
    builder_.request(op);
  }

  // virtio 1.2, MAP request: flag bit 0 is read, bit 1 is write.
  void map(const Record& record) {
    const PageRange range = range_of(record);
    constexpr std::uint64_t flags_max = std::numeric_limits<std::uint32_t>::max();
    const auto permissions =
        static_cast<std::uint8_t>(record.integer(Key::flags, 0, flags_max) & 3U);
    builder_.map(domain_of(record), range, {physical_page(record, {range, 12}), permissions, 12});
  }

  void unmap(std::uint32_t domain, PageRange range) {
    builder_.unmap(domain, range);
    builder_.invalidate(domain, range);
  }

  StreamBuilder& builder_;
};

}  // namespace

std::unique_ptr<Dialect> make_virtio(StreamBuilder& builder) {
  return std::make_unique<Virtio>(builder);
}

}  // namespace viosim::recording
