// Puts a recorded stream together, operation by operation, and keeps an account of what is attached
// and mapped, so that what the guest's probes missed can be added where other records prove it.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "models/device/recorded_stream.hpp"
#include "sim/recording/mapped_pages.hpp"

#include <cstdint>
#include <map>
#include <set>
#include <vector>

namespace viosim::recording {

class StreamBuilder {
 public:
  StreamBuilder(RecordedStream& stream, std::uint64_t max_mapped_entries)
      : stream_(stream), max_mapped_entries_(max_mapped_entries) {}

  // The record that the operations below come from.
  void at(std::int64_t time_ps, std::uint32_t line);

  void request(RecordedOp op);  // its time and line are filled in
  void attach(std::uint16_t sid, std::uint32_t domain);
  void detach(std::uint16_t sid);
  // Nothing when the range is mapped so already; what it covers otherwise was unmapped unseen.
  void map(std::uint32_t domain, PageRange range, const Mapping& mapping);
  void unmap(std::uint32_t domain, PageRange range);
  void unmap_all(std::uint32_t domain);
  void descriptor(std::uint64_t hi, std::uint64_t lo);
  void invalidate(std::uint32_t domain, PageRange range);
  void invalidate_all(std::uint32_t domain);
  void flush_context(std::uint16_t sid);  // as a descriptor of VT-d
  void drop_all();
  void forget_everything();  // the IOMMU was reset: nothing is attached or mapped any more

  // A walk found this mapping and allowed an access that needs one of the bits `needed`: when our
  // account says otherwise, a map was missed.
  void prove_mapped(std::uint32_t domain, PageRange range, const Mapping& mapping,
                    std::uint8_t needed);
  // A walk found no such permission: when our account says otherwise, an unmap was missed.
  void prove_denied(std::uint32_t domain, std::uint64_t page, std::uint8_t needed);
  // Something shows that the range was unmapped by now; what is mapped there was unmapped unseen.
  void prove_unmapped(std::uint32_t domain, PageRange range);

  bool attached(std::uint16_t sid, std::uint32_t& domain) const;
  bool any_attached(std::uint32_t domain) const;
  void finish();

 private:
  RecordedOp& add(RecordedKind kind);
  std::uint64_t last_page() const;
  void add_map(std::uint32_t domain, PageRange range, const Mapping& mapping);

  RecordedStream& stream_;
  std::uint64_t max_mapped_entries_;
  std::uint64_t mapped_entries_ = 0;
  std::int64_t time_ps_ = 0;
  std::uint32_t line_ = 0;
  std::map<std::uint32_t, MappedPages> domains_;
  std::map<std::uint16_t, std::uint32_t> attached_;
  std::set<std::uint16_t> requesters_;
};

}  // namespace viosim::recording
