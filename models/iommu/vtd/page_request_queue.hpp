// The page request queue: a ring of page requests in memory that hardware fills and software empties.
// SPDX-License-Identifier: Apache-2.0
//
// VT-d 3.x, 7.4. A request that arrives is checked against its function's context entry (PRE), as the
// context cache knows it or by a walk, one after the other; then its entry is written. Where the ring
// is full, the overflow flag is set (PRO), and until software clears it all requests are dropped; those
// that are the last of their group, or carry private data, are answered by hardware.
#pragma once

#include "core/base/fields.hpp"
#include "core/base/stats.hpp"
#include "core/des/agenda.hpp"
#include "models/host/physical_memory.hpp"
#include "models/injection.hpp"
#include "models/iommu/iommu.hpp"
#include "models/iommu/vtd/event_control.hpp"
#include "models/iommu/vtd/page_requests.hpp"
#include "models/pcie/ats.hpp"
#include "models/trace_point.hpp"

#include <array>
#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <unordered_map>
#include <vector>

namespace viosim::vtd {

// 32 bytes: type 7:0 (1), PASID present 8, requester id 31:16, PASID 51:32, Exe 52, Priv 53; second
// word R 0, W 1, LPIG 2, PRG index 11:3, address 63:12; then private data, if bit 9 of the first word
// says that there is any.
struct PageRequestEntry {
  static constexpr Bytes size{32};
  static std::array<std::uint64_t, 4> encode(const PageRequest& request);
  static PageRequest decode(const std::array<std::uint64_t, 4>& words);
};

enum class OverflowResponse : std::uint8_t { success, invalid };

constexpr auto choices(OverflowResponse) {
  return std::array{Choice{OverflowResponse::success, "success", "the device tries again"},
                    Choice{OverflowResponse::invalid, "invalid", "the device gives up"}};
}

struct PageRequestQueueParams {
  std::uint32_t entries = 2048;
  Ps write = 200ns;
  OverflowResponse overflow_response = OverflowResponse::success;

  static constexpr auto fields() {
    using P = PageRequestQueueParams;
    return Fields{field("entries", &P::entries, "Entries of the ring; 128 are one page of memory.",
                        "Linux 6.1 uses 2048, earlier ones 128")
                      .power_of_two()
                      .from(128)
                      .to(16384),
                  field("write", &P::write, "Writing an entry to memory, and the tail.", "assumed"),
                  field("overflow_response", &P::overflow_response,
                        "What hardware answers to the last request of a group that it drops.",
                        "from general knowledge of the specification")};
  }
  bool operator==(const PageRequestQueueParams&) const = default;
};

struct PageRequestQueueStats {
  std::uint64_t requests = 0;
  std::uint64_t written = 0;
  std::uint64_t refused = 0;
  std::uint64_t overflows = 0;
  std::uint64_t dropped = 0;
  std::uint64_t answered = 0;
  std::uint64_t longest = 0;
  static constexpr auto fields() {
    using S = PageRequestQueueStats;
    return Fields{
        metric("requests", &S::requests, Unit::count, "Page requests that arrived."),
        metric("written", &S::written, Unit::count, "Of these, written to the queue."),
        metric("refused", &S::refused, Unit::count,
               "From functions whose context entry does not allow them."),
        metric("overflows", &S::overflows, Unit::count, "Times that the queue overflowed."),
        metric("dropped", &S::dropped, Unit::count,
               "Dropped at an overflow, and until it was cleared."),
        metric("answered", &S::answered, Unit::count, "Groups answered by hardware."),
        metric("longest", &S::longest, Unit::count, "Most entries in the queue at a time.")};
  }
};

// Software that is interrupted. Called from hardware events.
class PageRequestListener {
 public:
  virtual void page_requests_pending() = 0;  // PPR was clear and is set

 protected:
  ~PageRequestListener() = default;
};

class PageRequestQueue final : public EventHandler, public WalkClient, public PageRequestPath {
 public:
  // `number`: the IOMMU's place in the order of events.
  PageRequestQueue(const PageRequestQueueParams& params, std::uint32_t number, Agenda& agenda,
                   PhysicalMemory& memory, Iommu& iommu);

  // A page request arrives.
  void request_page(const PageRequest& request) override;
  // Requests count as through when they are written or refused.
  bool drain(DrainClient& client, std::uint64_t cookie) override;
  Instant answers_arrive() const override { return answers_arrive_; }
  // Whose page requests will come, and who gets the answers. One that is gone gets no answers.
  void attach(Bdf source, AtsFunction& function) { functions_[source] = &function; }
  void detach(Bdf source) { functions_[source] = nullptr; }
  AtsFunction* function(Bdf source) const;

  // Registers, as software sees them.
  Hpa base() const { return base_.value_or(Hpa()); }
  std::uint32_t entries() const { return entries_; }
  std::uint32_t head() const { return head_; }
  std::uint32_t tail() const { return tail_; }
  void write_head(std::uint32_t head);
  // Empties the ring. It has no memory before: no request may be admitted until then.
  void set_ring(Hpa base, std::uint32_t entries);
  // What a kernel does first: gives the ring memory of its own, if it has none.
  void give_ring();
  PageRequest entry(std::uint32_t at) const;  // as it is in memory
  bool pending() const { return pending_; }   // PPR
  void clear_pending();
  // PRO. What was admitted before comes first: software that sees the flag finds all of it in the ring.
  bool overflow() const { return overflow_ && writing_.empty(); }
  void clear_overflow() {
    if (overflow()) overflow_ = false;
  }
  const EventControl& event() const { return event_; }
  void mask_event(bool on);

  void listen(PageRequestListener& listener) { listener_ = &listener; }
  void fire(std::uint64_t what) override;
  void walked(std::uint64_t cookie, const WalkResult& result) override;

  PageRequestQueueStats stats;
  TracePoint trace;  // of responses by hardware
  InjectionPort injection;

 private:
  enum class What : std::uint8_t { admitted, written, late, late_interrupt };
  void arrives(const PageRequest& request);
  void check_next();
  void checked(bool allowed);
  void written();
  void drop(const PageRequest& request);
  void answer(const PageRequest& request, PageResponseCode code);
  void tell_drained();
  void raise();
  void interrupt();
  std::uint32_t after(std::uint32_t entry) const { return (entry + 1) & (entries_ - 1); }

  PageRequestQueueParams params_;
  std::uint32_t number_;
  Agenda& agenda_;
  PhysicalMemory& memory_;
  Iommu& iommu_;
  PageRequestListener* listener_ = nullptr;
  std::unordered_map<Bdf, AtsFunction*> functions_;  // looked up, and never gone through
  EventControl event_;
  Instant answers_arrive_;
  std::uint32_t entries_;
  std::optional<Hpa> base_;
  std::uint32_t head_ = 0;
  std::uint32_t tail_ = 0;
  std::uint32_t reserved_ = 0;  // the tail when all entries on their way are written
  bool pending_ = false;
  bool overflow_ = false;
  bool checking_ = false;
  IommuPort port_;                   // of the request that is being checked
  std::deque<PageRequest> arrived_;  // the first one is being checked
  std::deque<PageRequest> writing_;
  // A drain is over when so many requests were checked, and then so many entries written.
  struct Drain {
    DrainClient* client;
    std::uint64_t cookie;
    std::uint64_t checked;
    std::uint64_t written;
  };
  static constexpr std::uint64_t not_known = ~std::uint64_t{0};
  std::uint64_t checked_ = 0;
  std::uint64_t to_write_ = 0;  // entries written or being written
  std::uint64_t written_ = 0;
  std::vector<Drain> drains_;
  // By injections: delayed ones by their number, and those that wait for the next one.
  std::map<std::uint64_t, PageRequest> late_;
  std::uint64_t last_late_ = 0;
  std::deque<PageRequest> held_back_;
};

}  // namespace viosim::vtd
