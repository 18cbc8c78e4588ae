// One IOMMU on the bare agenda, one requester, one address space: what a request is told, and when.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/des/agenda.hpp"
#include "models/event_order.hpp"
#include "models/host/physical_memory.hpp"
#include "models/iommu/vtd/unit.hpp"
#include "tests/support/paged_space.hpp"

#include <cstdint>
#include <deque>
#include <functional>
#include <utility>
#include <vector>

namespace viosim::test {

class LoneIommu final : public EventHandler, public WalkClient {
 public:
  static constexpr Pasid pasid{5};

  LoneIommu(const vtd::UnitParams& params, const SpaceShape& shape)
      : unit_("dmar0", params, 0, agenda_, memory_, 1), space_(memory_, shape) {
    port_.source = Bdf(0x100);
    port_.device = 1;
    if (params.mode == vtd::Mode::legacy) {
      unit_.tables().attach(port_.source, space_.context());
    } else {
      port_.pasid = pasid;
      unit_.tables().attach(port_.source, 64, pasid);
      bind(space_.entry());
    }
    touched_ = memory_.allocate_frames();
  }

  PagedSpace& space() { return space_; }
  PhysicalMemory& memory() { return memory_; }
  vtd::Unit& unit() { return unit_; }
  Iommu& iommu() { return unit_.iommu(); }
  IommuPort& port() { return port_; }
  Instant now() const { return agenda_.now(); }
  void bind(const vtd::PasidEntry& entry) { unit_.tables().set_entry(port_.source, pasid, entry); }
  // Writes something that no table is made of.
  void touch() { memory_.write(touched_, 1); }

  // When a cold walk that starts now has done so many reads.
  Ps after_reads(int reads) const {
    return unit_.params().context_cache.latency + reads * unit_.params().walk_read;
  }
  // Software acts so much later, before hardware does at that instant.
  void at(Ps after, std::function<void()> act) {
    acts_.push_back(std::move(act));
    agenda_.schedule(agenda_.now() + after, rank(EventClass::table_read, 0), *this,
                     acts_.size() - 1);
  }
  void run() { agenda_.run_before(Instant::latest()); }

  struct Told {
    bool hit = false;
    Ps after{0};
    WalkResult result;
  };
  // A request arrives now; returns its number.
  std::size_t ask(std::uint64_t page, Access access = Access::read,
                  AddressType type = AddressType::untranslated) {
    return ask_at(space_.iova(page), access, type);
  }
  std::size_t ask_at(Iova iova, Access access, AddressType type = AddressType::untranslated) {
    const UseStamp stamp = iommu().use_now();
    told_.push_back({});
    asked_.push_back(agenda_.now());
    if (!known_at_once(iova, access, type, stamp))
      iommu().start_walk(port_, iova, access, stamp, *this, told_.size() - 1, type);
    return told_.size() - 1;
  }
  const Told& told(std::size_t number) const { return told_[number]; }
  // The same, alone, to its end.
  Told ask_alone(std::uint64_t page, Access access = Access::read) {
    return ask_alone_at(space_.iova(page), access);
  }
  Told ask_alone_at(Iova iova, Access access, AddressType type = AddressType::untranslated) {
    const std::size_t number = ask_at(iova, access, type);
    run();
    return told_[number];
  }
  WalkResult answer(std::uint64_t page, Access access = Access::read,
                    AddressType type = AddressType::untranslated) {
    const std::size_t number = ask(page, access, type);
    run();
    return told_[number].result;
  }

  void fire(std::uint64_t what) override { acts_[what](); }
  void walked(std::uint64_t cookie, const WalkResult& result) override {
    told_[cookie] = {false, agenda_.now() - asked_[cookie], result};
  }

 private:
  bool known_at_once(Iova iova, Access access, AddressType type, UseStamp stamp) {
    Told told{true, iommu().hit_latency(), {}};
    if (type == AddressType::untranslated) {
      Hpa address;
      told.hit = iommu().lookup(port_, iova, access, stamp, address);
      told.result.translation.page = address.page_base(page_4k);
    } else if (type == AddressType::translation) {
      told.hit = iommu().lookup_translation(port_, iova, access, stamp, told.result);
    } else {
      told.hit = iommu().admit(port_, iova, type, access, stamp);
      told.after = iommu().context_latency();
    }
    if (told.hit) told_.back() = told;
    return told.hit;
  }

  Agenda agenda_;
  PhysicalMemory memory_;
  vtd::Unit unit_;
  PagedSpace space_;
  IommuPort port_;
  Hpa touched_;
  std::deque<std::function<void()>> acts_;
  std::vector<Told> told_;
  std::vector<Instant> asked_;
};

}  // namespace viosim::test
