// The translation algorithm of VT-d, as a pure step: given what the last memory read returned, what
// comes next?
// SPDX-License-Identifier: Apache-2.0
//
// Timing is not known here. Whoever drives a walk reads memory at `next_read` whenever it likes and
// hands the 64-byte line over; every read of a table is a step of its own, so tables that change
// between two reads are seen exactly as hardware would.
#pragma once

#include "models/iommu/request.hpp"
#include "models/iommu/vtd/tables.hpp"

#include <cstdint>

namespace viosim::vtd {

// What the context cache holds: a context entry of either mode.
struct Context {
  AddressSpace space;        // legacy mode
  ScalableContext scalable;  // scalable mode
};

enum class Step : std::uint8_t { read, translated, faulted };

// Where in the page tables a walk is about to read, and what it has seen of them.
struct TablePosition {
  Hpa next_read;
  std::uint8_t level = 0;
  Permissions permissions;
};

class Walk {
 public:
  // Starts with what the caches know: nothing, the context, or the address space (then the context
  // is not needed).
  Walk(Mode mode, Hpa root_table, const Request& request, const Context* context,
       const AddressSpace* space);

  // Where the walk stands: `read` means that the line at next_read() is wanted.
  Step step() const { return step_; }
  Hpa next_read() const { return next_read_; }
  // Only when step() is `read`.
  Step advance(const PhysicalMemory::Line& line);

  // Whether the next read is of a page table: what precedes those changes the caches on the way.
  bool in_page_tables() const { return phase_ == Phase::table && step_ == Step::read; }
  // For a driver that reads ahead, and has to go back when memory changes before its time.
  TablePosition position() const { return {next_read_, level_, permissions_}; }
  void go_back(const TablePosition& position);

  const Request& request() const { return request_; }
  // When translated.
  Translation translation() const { return {page_, level_, permissions_}; }
  FaultReason fault() const { return fault_; }             // when faulted
  bool fault_silenced() const { return fault_silenced_; }  // FPD: blocked, not reported

  // What the last step learned, for the caches. Null when they knew it before.
  const Context* learned_context() const {
    return learned_ == Learned::context ? &context_ : nullptr;
  }
  const AddressSpace* learned_space() const {
    return learned_ == Learned::space ? &context_.space : nullptr;
  }
  // Null until the address space is known.
  const AddressSpace* space() const { return entered_ ? &context_.space : nullptr; }
  // The PASID that tags cached results: the request's, or RID_PASID in scalable mode, or 0 in
  // legacy mode.
  Pasid effective_pasid() const { return pasid_; }

 private:
  enum class Phase : std::uint8_t { root, context, directory, pasid_entry, table };
  enum class Learned : std::uint8_t { nothing, context, space };

  Step want(Phase phase, Hpa at);
  Step fail(FaultReason reason);
  Step have_root(Words entry);
  Step have_context(Words entry);
  Step use_scalable_context(const ScalableContext& context);
  Step have_pasid_entry(Words entry);
  Step enter(const AddressSpace& space);
  Step have_table_entry(TableEntry entry);
  FaultReason absent(Access access) const;
  FaultReason denied(Access access) const;

  // Many walks are in flight at a time: together with its timing, one fits two cache lines.
  Hpa next_read_;
  Hpa page_;         // of the translation; its level and permissions are those reached
  Context context_;  // as far as known; its space is where the walk is
  Request request_;
  Pasid pasid_{0};
  Mode mode_;
  Phase phase_ = Phase::root;
  Step step_ = Step::read;
  Learned learned_ = Learned::nothing;
  FaultReason fault_ = FaultReason::none;
  bool fault_silenced_ = false;
  bool entered_ = false;
  std::uint8_t level_ = 0;
  Permissions permissions_{true, true};
};

}  // namespace viosim::vtd
