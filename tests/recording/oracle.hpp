// An obviously simple re-enactment of the recording hypervisor's IOMMU: plain maps, no timing, no
// sharing with the models. It shows that a RecordedStream holds everything a decision depended on.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "models/device/recorded_stream.hpp"

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <utility>

namespace viosim::test {

struct OracleRules {
  bool mask_cut_to_8_bits = true;  // QEMU 7.2 keeps the page mask in a byte
  bool obey_invalidations = true;
};

struct OracleScore {
  std::uint64_t requests = 0;
  std::uint64_t same_outcome = 0;      // hit, miss or fault as recorded
  std::uint64_t same_answer = 0;       // and the same address
  std::uint32_t first_difference = 0;  // line; 0: none
  double percent() const {
    return 100.0 * static_cast<double>(same_outcome) / static_cast<double>(requests);
  }
};

class Oracle {
 public:
  Oracle(const RecordedStream& stream, OracleRules rules) : stream_(stream), rules_(rules) {}

  OracleScore run() {
    for (const RecordedOp& op : stream_.ops) step(op);
    return score_;
  }

 private:
  struct Page {
    std::uint64_t pa_page = 0;
    std::uint8_t permissions = 0;
  };
  struct Entry {
    std::uint32_t domain = 0;
    std::uint64_t pa_page = 0;
  };

  void step(const RecordedOp& op) {
    const std::uint64_t first = op.iova >> 12U;
    switch (op.kind) {
      case RecordedKind::request:
        compare(op);
        break;
      case RecordedKind::attach:
        attached_[op.sid] = op.domain;
        break;
      case RecordedKind::detach:
        attached_.erase(op.sid);
        break;
      case RecordedKind::map:
        for (std::uint64_t i = 0; i < op.pages; ++i)
          tables_[{op.domain, first + i}] = {(op.pa >> 12U) + i, op.permissions};
        break;
      case RecordedKind::unmap:
        for (std::uint64_t i = 0; i < op.pages; ++i) tables_.erase({op.domain, first + i});
        break;
      case RecordedKind::descriptor:
        if (rules_.obey_invalidations) descriptor(op.iova, op.pa);
        break;
      case RecordedKind::invalidate:
        if (rules_.obey_invalidations) invalidate(op);
        break;
      case RecordedKind::drop_all:
        tlb_.clear();
        break;
    }
  }

  void compare(const RecordedOp& op) {
    RecordedOp answer = translate(op);
    ++score_.requests;
    const bool outcome = answer.outcome == op.outcome;
    const bool all = outcome && (op.outcome == RecordedOutcome::fault || answer.pa == op.pa);
    score_.same_outcome += outcome ? 1 : 0;
    score_.same_answer += all ? 1 : 0;
    if (!all && score_.first_difference == 0) score_.first_difference = op.line;
  }

  RecordedOp translate(const RecordedOp& op) {
    RecordedOp answer = op;
    const std::uint64_t offset = op.iova & 0xfffU;
    const std::pair key{op.iova >> 12U, op.sid};
    if (const auto entry = tlb_.find(key); entry != tlb_.end()) {
      answer.outcome = RecordedOutcome::hit;
      answer.pa = entry->second.pa_page << 12U | offset;
      return answer;
    }
    const auto domain = attached_.find(op.sid);
    if (domain == attached_.end()) return fault(answer);
    const auto page = tables_.find({domain->second, key.first});
    const unsigned needed = op.permissions == 1 ? 2 : 1;
    if (page == tables_.end() || (page->second.permissions & needed) == 0) return fault(answer);
    if (tlb_.size() >= stream_.iotlb_capacity) tlb_.clear();
    tlb_[key] = {domain->second, page->second.pa_page};
    answer.outcome = RecordedOutcome::miss;
    answer.pa = page->second.pa_page << 12U | offset;
    return answer;
  }

  static RecordedOp fault(RecordedOp answer) {
    answer.outcome = RecordedOutcome::fault;
    answer.pa = 0;
    return answer;
  }

  void descriptor(std::uint64_t hi, std::uint64_t lo) {
    if ((lo & 0xfU) != 2) return;
    const unsigned granularity = lo >> 4U & 3U;
    const std::uint32_t domain = lo >> 16U & 0xffffU;
    const std::uint64_t page = hi >> 12U;
    std::uint64_t mask = ~((std::uint64_t{1} << (hi & 0x3fU)) - 1);
    if (rules_.mask_cut_to_8_bits) mask &= 0xffU;
    std::erase_if(tlb_, [&](const auto& item) {
      const auto& [key, entry] = item;
      if (granularity == 1) return true;
      if (entry.domain != domain) return false;
      return granularity == 2 || (key.first & mask) == (page & mask) || key.first == page;
    });
  }

  void invalidate(const RecordedOp& op) {
    std::erase_if(tlb_, [&](const auto& item) {
      const auto& [key, entry] = item;
      if (op.domain != RecordedOp::every_domain && entry.domain != op.domain) return false;
      return op.pages == 0 || key.first - (op.iova >> 12U) < op.pages;
    });
  }

  const RecordedStream& stream_;
  OracleRules rules_;
  OracleScore score_;
  std::map<std::uint16_t, std::uint32_t> attached_;
  std::map<std::pair<std::uint32_t, std::uint64_t>, Page> tables_;  // by domain and page
  std::map<std::pair<std::uint64_t, std::uint16_t>, Entry> tlb_;    // by page and requester
};

}  // namespace viosim::test
