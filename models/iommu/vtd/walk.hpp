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
#include <optional>

namespace viosim::vtd {

// What the context cache holds: a context entry of either mode.
struct Context {
  AddressSpace space;        // legacy mode
  ScalableContext scalable;  // scalable mode
};

enum class Step : std::uint8_t { read, translated, faulted };

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

  const Request& request() const { return request_; }
  const Translation& translation() const { return translation_; }  // when translated
  FaultReason fault() const { return fault_; }                     // when faulted
  bool fault_silenced() const { return fault_silenced_; }          // FPD: blocked, not reported

  // What the last step learned, for the caches. Empty when they knew it before.
  const std::optional<Context>& learned_context() const { return learned_context_; }
  const std::optional<AddressSpace>& learned_space() const { return learned_space_; }
  // Known from the moment the address space is.
  const std::optional<AddressSpace>& space() const { return space_; }
  // The PASID that tags cached results: the request's, or RID_PASID in scalable mode, or 0 in
  // legacy mode.
  Pasid effective_pasid() const { return pasid_; }

 private:
  enum class Phase : std::uint8_t { root, context, directory, pasid_entry, table };

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

  Mode mode_;
  Phase phase_ = Phase::root;
  Step step_ = Step::read;
  FaultReason fault_ = FaultReason::none;
  bool fault_silenced_ = false;
  std::uint8_t level_ = 0;
  Request request_;
  Pasid pasid_{0};
  Hpa next_read_;
  Permissions permissions_{true, true};
  Translation translation_;
  std::optional<AddressSpace> space_;
  std::optional<Context> learned_context_;
  std::optional<AddressSpace> learned_space_;
};

}  // namespace viosim::vtd
