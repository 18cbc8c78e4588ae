// The kernel's side of a page request queue: takes its entries, collects groups, maps what they ask for,
// and answers each group once.
// SPDX-License-Identifier: Apache-2.0
//
// Two actors, as in Linux: an interrupt thread that empties the queue in order, and a worker that
// handles one group after the other.
#pragma once

#include "core/base/fields.hpp"
#include "core/base/stats.hpp"
#include "core/des/engine.hpp"
#include "models/host/host_kernel.hpp"
#include "models/host/page_responder.hpp"
#include "models/injection.hpp"
#include "models/iommu/vtd/page_request_queue.hpp"
#include "models/trace_point.hpp"

#include <cstdint>
#include <deque>
#include <map>
#include <string>
#include <utility>
#include <vector>

namespace viosim {

struct PageRequestHandlerStats {
  std::uint64_t entries = 0;
  std::uint64_t stop_markers = 0;
  std::uint64_t groups = 0;
  std::uint64_t mapped = 0;
  std::uint64_t refused = 0;
  std::uint64_t malformed = 0;
  std::uint64_t overflows = 0;
  std::uint64_t partial_dropped = 0;
  static constexpr auto fields() {
    using S = PageRequestHandlerStats;
    return Fields{metric("entries", &S::entries, Unit::count, "Entries taken from the queue."),
                  metric("stop_markers", &S::stop_markers, Unit::count, "Of these, stop markers."),
                  metric("groups", &S::groups, Unit::count, "Groups handled."),
                  metric("mapped", &S::mapped, Unit::count, "Pages mapped."),
                  metric("refused", &S::refused, Unit::count,
                         "Groups with a page that the device may not use."),
                  metric("malformed", &S::malformed, Unit::count,
                         "Entries that no address space could be found for."),
                  metric("overflows", &S::overflows, Unit::count, "Overflows cleared."),
                  metric("partial_dropped", &S::partial_dropped, Unit::count,
                         "Entries of incomplete groups dropped at an overflow.")};
  }
};

class PageRequestHandler final : public vtd::PageRequestListener {
 public:
  PageRequestHandler(std::string path, const HostKernelParams& params, Engine& engine,
                     HostKernel& kernel, vtd::PageRequestQueue& queue,
                     PageResponder* responder = nullptr);

  // The function's requests with this PASID use the kernel's space of that number. Before the run.
  void serve(Bdf source, Pasid pasid, std::size_t space, AtsFunction& function);
  void start();  // its actors

  void page_requests_pending() override;

  PageRequestHandlerStats stats;
  TracePoint trace;         // of groups that it begins with
  InjectionPort injection;  // of its recovery
  Histogram group_latency;  // last entry taken to response

 private:
  struct Group {
    std::vector<PageRequest> requests;
    Instant complete;
  };
  using Key = std::pair<Bdf, std::uint16_t>;  // of a group
  struct Served {
    std::size_t space;
    AtsFunction* function;
  };

  void empty_queue();
  void take_all();
  void take(PageRequest request);
  const Served* served(const PageRequest& request) const;
  void refuse(const PageRequest& request);
  void recover();
  void handle_groups();
  void handle(const Group& group);
  void respond(const PageResponse& response);

  std::string path_;
  HostKernelParams params_;
  Engine& engine_;
  HostKernel& kernel_;
  vtd::PageRequestQueue& queue_;
  PageResponder* responder_;
  std::map<std::pair<Bdf, Pasid>, Served> served_;
  std::map<Key, std::vector<PageRequest>> partial_;
  std::deque<Group> groups_;
  Instant interrupted_;
  Signal interrupt_;
  Signal work_;
};

}  // namespace viosim
