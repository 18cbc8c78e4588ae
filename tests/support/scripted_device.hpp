// A device with a translation cache that uses any PASID, does as it is told, and notes what it gets:
// for tests of the software above it.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/des/engine.hpp"
#include "models/event_order.hpp"
#include "models/iommu/vtd/unit.hpp"

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <set>
#include <utility>
#include <vector>

namespace viosim::test {

class ScriptedDevice final : public AtsFunction, EventHandler, WalkClient {
 public:
  static constexpr Ps link = 200ns;
  static constexpr Ps work = 300ns;  // on an invalidation

  ScriptedDevice(Engine& engine, vtd::Unit& unit, Bdf source, std::uint32_t number)
      : engine_(engine), unit_(unit), source_(source), number_(number) {
    unit.attach_ats(source, *this, link);
    unit.page_requests().give_ring();
  }

  Bdf source() const { return source_; }

  // Uses a page: translated by its own cache or the IOMMU, asked for where it is missing. `pri`:
  // whether it may ask.
  void access(Pasid pasid, Iova page, bool write, bool pri = true) {
    if (stopped_.contains(pasid)) return;
    accesses_.push_back({pasid, page, write, pri, pri ? 8U : 0U, engine_.now(), {}, false, false});
    ++busy_[pasid];
    look_up(accesses_.size() - 1);
  }
  // A page request group as given; the last one is marked so.
  void ask(Pasid pasid, const std::vector<Iova>& pages, bool write, std::uint16_t group) {
    for (std::size_t i = 0; i < pages.size(); ++i) {
      PageRequest request{source_, pasid, pages[i], group, true, write};
      request.last = i + 1 == pages.size();
      unit_.request_page(request);
    }
  }
  // No new use; `idle` is raised when none is under way.
  void stop(Pasid pasid, Signal& idle) {
    stopped_.insert(pasid);
    if (busy_[pasid] == 0) return idle.raise();
    waiting_.emplace(pasid, &idle);
  }
  void start(Pasid pasid) { stopped_.erase(pasid); }
  std::size_t cached(Pasid pasid) const {
    std::size_t all = 0;
    for (const auto& [key, entry] : tlb_) all += key.first == pasid ? 1U : 0U;
    return all;
  }

  void invalidate(const AtsInvalidation& message) override {
    invalidations.push_back(message);
    std::erase_if(tlb_, [&](const auto& entry) {
      return message.covers(entry.first.first, entry.first.second, page_4k);
    });
    for (Use& one : accesses_) {
      if (!one.over && message.covers(one.pasid, one.page, page_4k)) one.overtaken = true;
    }
    if (!answers) return;
    engine_.agenda().schedule(engine_.agenda().now() + link + work,
                              rank(EventClass::message, number_), *this, message.tag);
  }
  void fire(std::uint64_t tag) override { unit_.invalidated(source_, std::uint32_t{1} << tag); }

  void answer(const PageResponse& response) override {
    responses.emplace_back(engine_.now(), response);
    const auto found = groups_.find(response.group);
    if (found == groups_.end()) return;
    const std::size_t number = found->second;
    groups_.erase(found);
    if (response.code == PageResponseCode::success) {
      look_up(number);
    } else {
      end(number);
    }
  }
  void walked(std::uint64_t cookie, const WalkResult& result) override {
    completed(static_cast<std::size_t>(cookie), result);
  }

  bool answers = true;  // invalidations
  std::vector<AtsInvalidation> invalidations;
  std::vector<std::pair<Instant, PageResponse>> responses;
  std::uint64_t used = 0;
  std::uint64_t hits = 0;
  std::uint64_t refused = 0;
  std::uint64_t asked = 0;
  std::uint64_t starved = 0;  // asked again and again, was told that it has the page, and had not
  // A page was used that was asked for at that instant.
  std::function<void(Pasid, Iova, Hpa, Instant)> on_use;

 private:
  struct Use {
    Pasid pasid;
    Iova page;
    bool write;
    bool asks;
    unsigned tries;  // page requests left
    Instant since;
    IommuPort port;
    bool overtaken;
    bool over;
  };
  struct Cached {
    Hpa frame;
    bool write;
  };
  using Key = std::pair<Pasid, Iova>;

  static std::uint16_t after(std::uint16_t group) {
    return static_cast<std::uint16_t>((group + 1) % 512);
  }
  void look_up(std::size_t number) {
    Use& one = accesses_[number];
    const auto known = tlb_.find({one.pasid, one.page});
    if (known != tlb_.end() && (known->second.write || !one.write)) {
      ++hits;
      one.since = engine_.now();
      return use(number, known->second.frame);
    }
    one.port = {};
    one.port.source = source_;
    one.port.pasid = one.pasid;
    one.port.device = number_;
    one.overtaken = false;
    one.since = engine_.now();
    const Access access = one.write ? Access::write : Access::read;
    Iommu& iommu = unit_.iommu();
    const UseStamp stamp = iommu.use_now();
    WalkResult result;
    if (iommu.lookup_translation(one.port, one.page, access, stamp, result))
      return completed(number, result);
    iommu.start_walk(one.port, one.page, access, stamp, *this, number, AddressType::translation);
  }
  void completed(std::size_t number, const WalkResult& result) {
    Use& one = accesses_[number];
    const Rights needed = Rights::needed(one.write ? Access::write : Access::read, false);
    if (!result.faulted() && result.translation.rights.contain(needed)) {
      const Hpa frame = result.translation.address(one.page);
      if (!one.overtaken)
        tlb_[{one.pasid, one.page}] = {frame, result.translation.rights.can_write(false)};
      return use(number, frame);
    }
    if (!result.faulted() && one.asks && one.tries == 0) ++starved;
    if (result.faulted() || one.tries == 0 || stopped_.contains(one.pasid)) return end(number);
    --one.tries;
    ++asked;
    while (groups_.contains(next_group_)) next_group_ = after(next_group_);
    const std::uint16_t group = std::exchange(next_group_, after(next_group_));
    groups_[group] = number;
    ask(one.pasid, {one.page}, one.write, group);
  }
  void use(std::size_t number, Hpa frame) {
    const Use& one = accesses_[number];
    ++used;
    if (on_use) on_use(one.pasid, one.page, frame, one.since);
    finish(number);
  }
  void end(std::size_t number) {
    ++refused;
    finish(number);
  }
  void finish(std::size_t number) {
    Use& one = accesses_[number];
    one.over = true;
    if (--busy_[one.pasid] > 0) return;
    const auto waiting = waiting_.find(one.pasid);
    if (waiting == waiting_.end()) return;
    waiting->second->raise();
    waiting_.erase(waiting);
  }

  Engine& engine_;
  vtd::Unit& unit_;
  Bdf source_;
  std::uint32_t number_;
  std::map<Key, Cached> tlb_;
  std::deque<Use> accesses_;
  std::map<Pasid, std::uint32_t> busy_;
  std::set<Pasid> stopped_;
  std::map<Pasid, Signal*> waiting_;
  std::map<std::uint16_t, std::size_t> groups_;
  std::uint16_t next_group_ = 0;
};

}  // namespace viosim::test
