// The steps of a walk, in the order of the specification.
// SPDX-License-Identifier: Apache-2.0
#include "models/iommu/vtd/walk.hpp"

namespace viosim::vtd {
namespace {

constexpr std::size_t word_in_line(Hpa at) {
  return (at.value() >> 3U) & (PhysicalMemory::words_per_line - 1);
}

// First-level input addresses are canonical: the bits above the table's width repeat its top bit.
constexpr bool canonical(Iova iova, unsigned levels) {
  const unsigned unused = 64 - (12 + 9 * levels);
  const auto shifted = static_cast<std::int64_t>(iova.value() << unused);
  return static_cast<std::uint64_t>(shifted >> unused) == iova.value();
}

}  // namespace

Walk::Walk(Mode mode, Hpa root_table, const Request& request, const Context* context,
           const AddressSpace* space)
    : request_(request), pasid_(request.pasid == no_pasid ? Pasid(0) : request.pasid), mode_(mode) {
  if (context != nullptr) fault_silenced_ = context->scalable.fault_disable;
  if (space != nullptr) {
    if (mode == Mode::scalable && request.pasid == no_pasid && context != nullptr)
      pasid_ = context->scalable.rid_pasid;
    enter(*space);
  } else if (context != nullptr && mode == Mode::scalable) {
    use_scalable_context(context->scalable);
  } else if (context != nullptr) {
    enter(context->space);
  } else {
    const bool upper = mode == Mode::scalable && request.source.devfn() >= 128;
    want(Phase::root, root_entry::address(root_table, request.source) + Bytes(upper ? 8 : 0));
  }
}

void Walk::go_back(const TablePosition& position) {
  level_ = position.level;
  permissions_ = position.permissions;
  fault_ = FaultReason::none;
  want(Phase::table, position.next_read);
}

Step Walk::want(Phase phase, Hpa at) {
  phase_ = phase;
  next_read_ = at;
  return step_ = Step::read;
}

Step Walk::fail(FaultReason reason) {
  fault_ = reason;
  return step_ = Step::faulted;
}

Step Walk::advance(const PhysicalMemory::Line& line) {
  learned_ = Learned::nothing;
  const Words entry = Words(line).subspan(word_in_line(next_read_));
  switch (phase_) {
    case Phase::root:
      return have_root(entry);
    case Phase::context:
      return have_context(entry);
    case Phase::directory: {
      if ((entry[0] & 1U) == 0) return fail(FaultReason::sm_directory_not_present);
      return want(Phase::pasid_entry,
                  pasid_entry_address(Hpa(entry[0] & ~std::uint64_t{0xfff}), pasid_));
    }
    case Phase::pasid_entry:
      return have_pasid_entry(entry);
    case Phase::table:
      return have_table_entry(TableEntry{entry[0]});
  }
  return step_;
}

Step Walk::have_root(Words entry) {
  const bool scalable = mode_ == Mode::scalable;
  if (!root_entry::present(entry[0])) {
    return fail(scalable ? FaultReason::sm_root_not_present : FaultReason::root_not_present);
  }
  const unsigned index = scalable ? request_.source.devfn() % 128 : request_.source.devfn();
  return want(Phase::context,
              root_entry::context_table(entry[0]) + Bytes(index * (scalable ? 32 : 16)));
}

Step Walk::have_context(Words entry) {
  if (mode_ == Mode::legacy) {
    const LegacyContext context = LegacyContext::decode(entry);
    fault_silenced_ = context.fault_disable;
    if (!context.present) return fail(FaultReason::context_not_present);
    if (!context.valid()) return fail(FaultReason::context_invalid);
    learned_ = Learned::context;
    return enter(context.space());
  }
  const ScalableContext context = ScalableContext::decode(entry);
  fault_silenced_ = context.fault_disable;
  if (!context.present) return fail(FaultReason::sm_context_not_present);
  learned_ = Learned::context;
  context_.scalable = context;
  return use_scalable_context(context);
}

Step Walk::use_scalable_context(const ScalableContext& context) {
  if (request_.pasid == no_pasid) {
    pasid_ = context.rid_pasid;
  } else if (!context.pasid_enable) {
    return fail(FaultReason::sm_pasid_disabled);
  }
  if (pasid_.value() >= context.pasid_limit()) return fail(FaultReason::sm_pasid_too_large);
  return want(Phase::directory, directory_entry_address(context.directory, pasid_));
}

Step Walk::have_pasid_entry(Words entry) {
  const PasidEntry pasid_entry = PasidEntry::decode(entry);
  fault_silenced_ = fault_silenced_ || pasid_entry.fault_disable;
  if (!pasid_entry.present) return fail(FaultReason::sm_pasid_entry_not_present);
  if (!pasid_entry.valid()) return fail(FaultReason::sm_pasid_entry_invalid);
  learned_ = Learned::space;
  return enter(pasid_entry.space());
}

Step Walk::enter(const AddressSpace& space) {
  context_.space = space;
  entered_ = true;
  fault_silenced_ = fault_silenced_ || space.fault_disable;
  if (space.pass_through) {
    page_ = Hpa(request_.iova.page_base(page_4k).value());
    level_ = 1;
    return step_ = Step::translated;
  }
  if (space.format == TableFormat::first_level) {
    if (!canonical(request_.iova, space.levels)) return fail(FaultReason::sm_not_canonical);
  } else if (request_.iova.value() >> (12U + 9U * space.levels) != 0) {
    return fail(mode_ == Mode::legacy ? FaultReason::beyond_width
                                      : FaultReason::sm_second_level_denied);
  }
  level_ = space.levels;
  return want(Phase::table, entry_address(space.root, request_.iova, level_));
}

FaultReason Walk::absent(Access access) const {
  if (mode_ == Mode::legacy) return denied(access);
  return context_.space.format == TableFormat::first_level ? FaultReason::sm_first_level_not_present
                                                           : FaultReason::sm_second_level_denied;
}

FaultReason Walk::denied(Access access) const {
  const bool write = access == Access::write;
  if (mode_ == Mode::legacy) return write ? FaultReason::write_denied : FaultReason::read_denied;
  return write ? FaultReason::sm_write_denied : FaultReason::sm_read_denied;
}

Step Walk::have_table_entry(TableEntry entry) {
  const TableFormat format = context_.space.format;
  if (!entry.present(format)) return fail(absent(request_.access));
  permissions_ = permissions_ & entry.permissions(format);
  if (!permissions_.allow(request_.access)) return fail(denied(request_.access));
  if (!entry.leaf(level_)) {
    --level_;
    return want(Phase::table, entry_address(entry.address(), request_.iova, level_));
  }
  page_ = entry.address().page_base(leaf_size(level_));
  return step_ = Step::translated;
}

}  // namespace viosim::vtd
