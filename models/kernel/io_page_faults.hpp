// Page faults of devices, resolved in the address spaces of processes.
// SPDX-License-Identifier: Apache-2.0
//
// By Linux 6.1's io-pgfault.c: requests of a group are parked until its last one comes; then the
// group is one job for a worker. The first error decides for the whole group, and each group gets
// one response.
#pragma once

#include "core/base/fields.hpp"
#include "core/base/stats.hpp"
#include "models/cpu/workers.hpp"
#include "models/kernel/mm.hpp"
#include "models/kernel/page_request_thread.hpp"
#include "models/trace_point.hpp"

#include <cstdint>
#include <deque>
#include <map>
#include <set>
#include <string>
#include <vector>

namespace viosim {

struct IoPageFaultsParams {
  Ps worker_start = 1us;

  static constexpr auto fields() {
    return Fields{field("worker_start", &IoPageFaultsParams::worker_start,
                        "A complete group to a worker's start on it.", "assumed")};
  }
  bool operator==(const IoPageFaultsParams&) const = default;
};

struct IoPageFaultsStats {
  std::uint64_t groups = 0;
  std::uint64_t requests = 0;
  std::uint64_t invalid = 0;
  std::uint64_t nobodys = 0;
  std::uint64_t discarded = 0;
  static constexpr auto fields() {
    using S = IoPageFaultsStats;
    return Fields{
        metric("groups", &S::groups, Unit::count, "Groups handled."),
        metric("requests", &S::requests, Unit::count, "Requests of these."),
        metric("invalid", &S::invalid, Unit::count, "Groups answered as invalid."),
        metric(
            "nobodys", &S::nobodys, Unit::count,
            "Of these, groups of a PASID that the kernel's allocator does not know (-ENOENT), or "
            "whose process ends."),
        metric("discarded", &S::discarded, Unit::count,
               "Requests whose group was not complete at an overflow, or when its PASID went, or "
               "whose last one was refused.")};
  }
};

// Whose address space a PASID is. Null: nobody's, or that of a process that ends.
class PasidOwners {
 public:
  virtual Mm* owner(Pasid pasid) = 0;

 protected:
  ~PasidOwners() = default;
};

// Serves the functions behind one IOMMU.
class IoPageFaults final : public PageFaultHandler {
 public:
  IoPageFaults(Engine& engine, std::string path, const IoPageFaultsParams& params,
               PasidOwners& owners, PageRequestThread& requests, Workers& workers);

  bool report(Thread& thread, const PageRequest& request) override;
  void discard_incomplete() override;
  void discard_group(const PageRequest& last) override;
  void forget(Bdf source) override;
  void flush(Thread& thread, Bdf source, Pasid pasid) override;

  std::size_t incomplete() const;  // requests that are parked
  std::size_t at_work() const { return jobs_.size(); }

  IoPageFaultsStats stats;
  TracePoint trace;
  Histogram latency;  // last request taken to response sent

 private:
  struct Group {
    std::vector<PageRequest> requests;
    Instant complete;
    std::uint64_t job = 0;
  };
  using Jobs = std::set<std::pair<Bdf, std::uint64_t>>;

  void handle(Thread& thread, const Group& group);
  bool resolve(Thread& thread, const PageRequest& request);
  bool done_up_to(Bdf source, std::uint64_t job) const;
  void discard(Bdf source, Pasid pasid);

  Engine& engine_;
  std::string path_;
  IoPageFaultsParams params_;
  PasidOwners& owners_;
  PageRequestThread& requests_;
  Workers& workers_;
  std::map<Bdf, std::vector<PageRequest>> parked_;
  Jobs jobs_;  // not done yet
  std::uint64_t last_job_ = 0;
  Signal done_;
  std::uint32_t waiting_ = 0;  // for the end of a job
};

}  // namespace viosim
