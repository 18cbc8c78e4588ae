// A random workload on the bare agenda: devices ask in every way there is while software maps, unmaps,
// moves tables, replaces address spaces and invalidates. It remembers what the tables have said when.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/base/rng.hpp"
#include "core/des/agenda.hpp"
#include "core/des/trace.hpp"
#include "models/device/ats_device.hpp"
#include "models/host/physical_memory.hpp"
#include "tests/models/storm_history.hpp"
#include "tests/models/storm_system.hpp"
#include "tests/support/paged_space.hpp"

#include <array>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace viosim::test {

// What one request was told.
struct Answer {
  std::uint32_t device = 0;
  std::uint64_t page = 0;
  AddressType type = AddressType::untranslated;
  Access access = Access::read;
  bool privileged = false;
  bool hit = false;
  bool by_device_tlb = false;  // of a function with a translation cache, from issue to completion
  std::int64_t arrival = 0;
  std::int64_t at = -1;
  FaultCode fault = FaultCode::none;
  Hpa address;
  unsigned level = 0;
  Rights rights;
  Rights needed() const { return Rights::needed(access, privileged); }
  Instant walked() const {  // when its walk was answered; its arrival where there was none
    return Instant(Ps(hit || by_device_tlb ? arrival : at));
  }
  bool operator==(const Answer&) const = default;
};

// What a storm reached: a test of it means something only where it went.
struct StormReach {
  std::uint64_t hits = 0, walks = 0, faults = 0, merged = 0, queued = 0, withheld = 0, updated = 0,
                tables_moved = 0, rebound = 0, walk_cache_hits = 0;
  std::uint64_t pages_mapped = 0, device_tlb_hits = 0, page_responses = 0;
  // Answers with and without a fault, by kind of request, of space, and by architecture.
  std::array<std::array<std::uint64_t, 4>, 2> by_type{};
  std::array<std::array<std::uint64_t, 4>, 2> by_space{};
  std::array<std::array<std::uint64_t, 3>, 2> by_architecture{};  // legacy, scalable, RISC-V
  std::array<std::uint64_t, 2> privileged{}, executes{};
  void add(const StormReach& other);
};

class Storm final : public EventHandler,
                    public WalkClient,
                    public TraceSink,
                    public vtd::PageRequestListener {
 public:
  enum class Order : std::uint8_t {
    proper,             // tables first, then their invalidation
    invalidation_first  // wrong: walks may put the old entries back
  };
  Storm(std::uint64_t seed, bool run_ahead, Order order = Order::proper);
  void run();

  const std::vector<Answer>& answers() const { return answers_; }
  Iommu& iommu() { return system_->iommu(); }
  StormReach reach() const;
  std::uint64_t memory_hash() const;  // of all page table leaves
  // Who asked, and where that was translated at last: for people.
  std::string story(const Answer& answer) const;
  // The first request whose parts in the trace do not tile its time; empty when there is none.
  std::string untiled() const;
  // Whether the tables, old or new, allow this answer.
  bool allowed(const Answer& answer) const;

  void fire(std::uint64_t what) override;
  void walked(std::uint64_t cookie, const WalkResult& result) override;
  std::vector<TraceEvent> take(std::vector<TraceEvent> events) override;
  void page_requests_pending() override;

 private:
  static constexpr std::uint64_t pages = 8;
  static constexpr std::uint64_t guest_pages = 2 * pages;
  static constexpr std::uint64_t ats_pages = 4;  // that lie side by side
  struct Space {
    std::optional<PagedSpace> tables;
    std::vector<History> first;   // by page: a guest page + 1, or a frame
    std::vector<History> second;  // by guest page, or page
  };
  struct Device {
    StormFunction function;
    std::array<IommuPort, 2> ports;  // of user and of supervisor requests
    History space;                   // its number + 1; which requests its entry allows
    History entry;                   // 1, as long as it is there, for requests that need no space
    std::uint64_t left = 0;
    Access dma = Access::read;  // what its own engine does
    AtsDevice* engine = nullptr;
  };

  std::uint64_t below(std::uint64_t bound) { return rng_.below(bound); }
  bool chance(unsigned percent) { return below(100) < percent; }
  Ps some_time(std::uint64_t most) { return storm_time(rng_, most); }
  SpaceShape draw_shape(std::size_t number);
  void add_space(std::size_t number);
  void add_device(std::uint32_t number);
  void add_engine(Device& device);
  Rights draw_entry(StormFunction& function);
  void bind(std::uint32_t device, std::uint64_t space);

  void ask(std::uint32_t device);
  bool known_at_once(Answer& answer, IommuPort& port, Iova iova, UseStamp stamp);
  void later(Ps after, std::function<void()> act);
  void step();
  void finish_step(std::vector<History*> known, Ps wait);
  void submit(std::function<void()> done) { system_->submit(chance(30), std::move(done)); }
  void change_first(Space& space, std::uint64_t page, bool present = false);
  void change_second(Space& space, std::uint64_t page, bool present = false);
  Rights first_rights(const SpaceShape& shape, const Permissions& permissions) const;
  Rights second_rights(const SpaceShape& shape, const Permissions& permissions) const;
  void forget_page(const Space& space, bool second, std::uint64_t page, unsigned level,
                   bool leaf_only);
  void clear_used_bits(Space& space);
  void move_table(Space& space);
  void migrate_guest_table(Space& space);
  Hpa copy_table(Hpa table);
  void poison_later(Hpa table, Ps wait);
  bool serve_page_requests();
  void map_requested(Space& space, std::uint64_t page, std::vector<History*>& known);
  void rebind();
  void noise();
  Hpa new_frame() { return Hpa((std::uint64_t{1} << 42U) + (++frames_ << 30U)); }
  void poison(Hpa table);

  bool allows_ats(const Space& space) const;
  bool allowed_by_entry(const Answer& answer) const;
  bool allowed_in(const Space& space, const Answer& answer) const;
  bool answers_by(const Answer& answer, History::Value value, Rights rights) const;
  template <class See>
  void for_each_mapping(const Space& space, const Answer& answer, See&& see) const;

  Rng rng_;
  Order order_;
  Agenda agenda_;
  PhysicalMemory memory_;
  std::unique_ptr<StormSystem> system_;
  Tracer tracer_;
  bool software_first_ = false;
  bool dense_ = false;    // leaves as large as pages are far apart: all addresses are mapped
  unsigned spacing_ = 1;  // of all spaces: an address is the same page in all of them
  std::deque<Space> spaces_;
  std::deque<Device> devices_;
  std::deque<AtsDevice> engines_;
  std::vector<Answer> answers_;
  struct Interval {
    std::int64_t begin, end;
    auto operator<=>(const Interval&) const = default;
  };
  static constexpr std::uint32_t iommu_component = 1000;
  // By component and number of the request.
  std::map<std::pair<std::uint32_t, std::uint64_t>, std::vector<Interval>> parts_;
  std::uint64_t frames_ = 0;
  std::deque<std::function<void()>> acts_;
  std::uint64_t steps_left_ = 0;
  bool idle_ = false;  // all steps are done: only page requests are served
  StormReach reach_;
};

}  // namespace viosim::test
