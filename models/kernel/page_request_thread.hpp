// The interrupt thread of a page request queue: takes its entries in order, refuses those that make
// no sense, hands the others to whoever handles the function's faults, and sends the answers.
// SPDX-License-Identifier: Apache-2.0
//
// By Linux 6.1's prq_event_thread, iommu_report_device_fault and iommu_page_response.
#pragma once

#include "core/base/fields.hpp"
#include "core/base/stats.hpp"
#include "models/cpu/workers.hpp"
#include "models/kernel/iommu_driver.hpp"
#include "models/kernel/kernel_page_requests.hpp"

#include <cstdint>
#include <deque>
#include <map>
#include <string>
#include <vector>

namespace viosim {

// Who handles the page requests of functions. Called on the queue's thread: it must not wait for
// that.
class PageFaultHandler {
 public:
  // False: not taken; the group is answered as invalid.
  virtual bool report(Thread& thread, const PageRequest& request) = 0;
  // Requests were lost: groups that are not complete by now never will be.
  virtual void discard_incomplete() = 0;
  // The last request of this one's group is refused, and the group answered with it: what was
  // reported of the group is over.
  virtual void discard_group(const PageRequest& last) = 0;
  // This function's requests are handed here no more: groups of it that are not complete never will be.
  virtual void forget(Bdf source) = 0;
  // Waits until all that was reported of this function and PASID so far is answered.
  virtual void flush(Thread& thread, Bdf source, Pasid pasid) = 0;

 protected:
  ~PageFaultHandler() = default;
};

struct PageRequestThreadParams {
  Ps interrupt = 3us;
  Ps entry_read = 50ns;

  static constexpr auto fields() {
    using P = PageRequestThreadParams;
    return Fields{
        field("interrupt", &P::interrupt,
              "Entry written to the thread's start: interrupt and wake-up.", "assumed, 2-10 us"),
        field("entry_read", &P::entry_read, "Taking one entry from the queue, and checking it.",
              "assumed")};
  }
  bool operator==(const PageRequestThreadParams&) const = default;
};

struct PageRequestThreadStats {
  std::uint64_t passes = 0;
  std::uint64_t entries = 0;
  std::uint64_t stop_markers = 0;
  std::uint64_t refused = 0;
  std::uint64_t responses = 0;
  std::uint64_t unmatched = 0;
  std::uint64_t overflows = 0;
  static constexpr auto fields() {
    using S = PageRequestThreadStats;
    return Fields{
        metric("passes", &S::passes, Unit::count, "Times that the thread emptied the queue."),
        metric("entries", &S::entries, Unit::count, "Entries taken."),
        metric("stop_markers", &S::stop_markers, Unit::count, "Of these, stop markers."),
        metric("refused", &S::refused, Unit::count,
               "Of these, entries that make no sense or that nobody handles."),
        metric("responses", &S::responses, Unit::count, "Groups answered."),
        metric("unmatched", &S::unmatched, Unit::count,
               "Answers to groups that were not pending, dropped."),
        metric("overflows", &S::overflows, Unit::count, "Overflows cleared.")};
  }
};

class PageRequestThread final : public vtd::PageRequestListener, public PageRequestService {
 public:
  // Serves the driver, too, when it drains.
  PageRequestThread(Engine& engine, std::string path, const PageRequestThreadParams& params,
                    KernelPageRequests& queue, IommuDriver& driver, Workers& workers);

  // -EBUSY: it has one.
  Errno register_handler(Bdf source, PageFaultHandler& handler);
  // -EINVAL: it has none. -EBUSY: groups wait for their answer.
  Errno unregister_handler(Bdf source);
  // Answers a group. -EINVAL: none such is pending; nothing is sent.
  Errno respond(Thread& thread, const PageResponse& response);
  std::size_t pending() const;  // groups handed to handlers and not answered

  void page_requests_pending() override;
  bool queued(Thread& thread, Pasid pasid) override;
  bool overflowed(Thread& thread) override { return queue_.overflow(thread); }
  std::uint64_t passes() const override { return passes_; }
  void wait_for_pass(Thread& thread, std::uint64_t after) override;
  void flush(Thread& thread, Bdf source, Pasid pasid) override;

  PageRequestThreadStats stats;
  Histogram latency;  // last entry of a group taken to response sent

 private:
  struct Pending {
    Pasid pasid;
    std::uint16_t group;
    Instant since;
    std::uint64_t number;  // of several of a group each has its own answer
  };
  static auto same_group(Pasid pasid, std::uint16_t group) {
    return [=](const Pending& one) { return one.group == group && one.pasid == pasid; };
  }
  struct Function {
    PageFaultHandler* handler = nullptr;
    std::vector<Pending> pending;
  };

  // Places of the first entry and behind the last one. Of a queue that is not there any more, also when it goes
  // between the two reads, none.
  struct Filled {
    std::uint32_t head = 0;
    std::uint32_t tail = 0;
  };
  Filled filled(Thread& thread);
  void work(Thread& thread);
  void pass(Thread& thread);
  void take(Thread& thread, PageRequest request);
  void report(Thread& thread, const PageRequest& request);
  void refuse(Thread& thread, const PageRequest& request);
  void recover(Thread& thread);
  void send(Thread& thread, const PageResponse& response);

  Engine& engine_;
  std::string path_;
  PageRequestThreadParams params_;
  KernelPageRequests& queue_;
  IommuDriver& driver_;
  Workers& workers_;
  std::map<Bdf, Function> functions_;
  Signal passed_;
  std::uint64_t passes_ = 0;
  std::uint64_t last_pending_ = 0;
  std::uint32_t waiting_ = 0;  // for the end of a pass
  bool running_ = false;
  bool again_ = false;
};

}  // namespace viosim
