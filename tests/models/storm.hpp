// A random workload on the bare agenda: devices ask while software maps, unmaps, moves tables,
// replaces address spaces and invalidates. It remembers what the tables have said when.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/base/rng.hpp"
#include "core/des/agenda.hpp"
#include "models/host/physical_memory.hpp"
#include "models/iommu/vtd/unit.hpp"
#include "tests/support/paged_space.hpp"

#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace viosim::test {

// What one request was told.
struct Answer {
  std::uint32_t device = 0;
  std::uint64_t page = 0;
  Access access = Access::read;
  bool hit = false;
  std::int64_t arrival = 0;
  std::int64_t at = 0;
  FaultCode fault = FaultCode::none;
  Hpa address;
  unsigned level = 0;
  Rights rights;
  bool operator==(const Answer&) const = default;
};

// The values of something that software changes, and from when on hardware cannot know older ones.
class History {
 public:
  struct Value {
    std::uint64_t target = 0;  // 0: absent
    bool writable = false;
  };
  void change(Instant at, Value value) { changes_.push_back({at, value}); }
  // An invalidation that software submitted at `submitted` is done.
  void fence(Instant submitted, Instant done) { fences_.push_back({submitted, done}); }
  Value last() const { return changes_.back().value; }
  Instant known_since(Instant arrival) const;
  // Calls see(value) for each value that was there at an instant in [from, to].
  template <class See>
  void for_each(Instant from, Instant to, See&& see) const {
    for (std::size_t i = 0; i < changes_.size() && changes_[i].at <= to; ++i) {
      if (i + 1 == changes_.size() || changes_[i + 1].at >= from) see(changes_[i].value);
    }
  }

 private:
  struct Change {
    Instant at;
    Value value;
  };
  struct Fence {
    Instant submitted;
    Instant done;
  };
  std::vector<Change> changes_;
  std::vector<Fence> fences_;
};

// What a storm reached: a test of it means something only where it went.
struct StormReach {
  std::uint64_t hits = 0, walks = 0, faults = 0, merged = 0, queued = 0, withheld = 0, updated = 0,
                tables_moved = 0, rebound = 0, walk_cache_hits = 0;
};

class Storm final : public EventHandler, public WalkClient, public vtd::InvalidationListener {
 public:
  enum class Order : std::uint8_t {
    proper,             // tables first, then their invalidation
    invalidation_first  // wrong: walks may put the old entries back
  };
  Storm(std::uint64_t seed, bool run_ahead, Order order = Order::proper);
  void run();

  const std::vector<Answer>& answers() const { return answers_; }
  Iommu& iommu() { return unit_->iommu(); }
  StormReach reach() const;
  std::uint64_t memory_hash() const;  // of all page table leaves
  // Whether the tables, old or new, allow this answer.
  bool allowed(const Answer& answer) const;

  void fire(std::uint64_t what) override;
  void walked(std::uint64_t cookie, const WalkResult& result) override;
  void status_written(Hpa address) override;
  void queue_stopped(std::uint32_t head) override;

 private:
  static constexpr std::uint64_t pages = 8;
  static constexpr std::uint64_t guest_pages = 2 * pages;
  struct Space {
    std::optional<PagedSpace> tables;
    std::vector<History> first;   // by page: a guest page + 1, or a frame
    std::vector<History> second;  // by guest page, or page
  };
  struct Device {
    IommuPort port;
    History space;  // its number + 1
    std::uint64_t left = 0;
  };

  std::uint64_t below(std::uint64_t bound) { return rng_.below(bound); }
  bool chance(unsigned percent) { return below(100) < percent; }
  Ps some_time(std::uint64_t most) {
    return Ps(static_cast<std::int64_t>(below(most + 1)) * 5'000);
  }
  vtd::UnitParams draw_params();
  WalkCachesParams draw_walk_caches();
  SpaceShape draw_shape(std::size_t number);
  void add_space(std::size_t number);
  void add_device(std::uint32_t number);
  void bind(std::uint32_t device, std::uint64_t space);

  void ask(std::uint32_t device);
  void later(Ps after, std::function<void()> act);
  void step();
  void finish_step(std::vector<History*> known, Ps wait);
  void change_first(Space& space, std::uint64_t page);
  void change_second(Space& space, std::uint64_t page);
  void clear_used_bits(Space& space);
  void move_table(Space& space);
  void migrate_guest_table(Space& space);
  void rebind();
  void noise();
  void invalidate_page(const Space& space, bool second, std::uint64_t page, std::uint8_t mask,
                       bool leaf_only);
  void invalidate_space(const Space& space);
  void submit(const std::function<void()>& done);
  Hpa new_frame() { return Hpa((std::uint64_t{1} << 42U) + (++frames_ << 30U)); }
  void poison(Hpa table);

  bool allowed_in(const Space& space, const Answer& answer, Instant since) const;

  Rng rng_;
  Order order_;
  Agenda agenda_;
  PhysicalMemory memory_;
  std::unique_ptr<vtd::Unit> unit_;
  bool legacy_ = false;
  bool software_first_ = false;
  unsigned spacing_ = 1;  // of all spaces: an address is the same page in all of them
  std::deque<Space> spaces_;
  std::deque<Device> devices_;
  std::vector<Answer> answers_;
  std::uint64_t frames_ = 0;
  std::deque<std::function<void()>> acts_;
  std::vector<vtd::Descriptor> pending_;  // of the step
  std::function<void()> when_done_;
  std::uint32_t tail_ = 0;
  Hpa status_;
  std::uint64_t steps_left_ = 0;
  StormReach reach_;
};

}  // namespace viosim::test
