// Groups, workers, and waiting for both.
// SPDX-License-Identifier: Apache-2.0
#include "models/kernel/io_page_faults.hpp"

#include "models/pcie/ats_trace.hpp"

#include <algorithm>
#include <utility>

namespace viosim {

IoPageFaults::IoPageFaults(Engine& engine, std::string path, const IoPageFaultsParams& params,
                           PasidOwners& owners, PageRequestThread& requests, Workers& workers)
    : engine_(engine),
      path_(std::move(path)),
      params_(params),
      owners_(owners),
      requests_(requests),
      workers_(workers),
      done_(engine, path_ + ": a page fault handled") {}

// Linux' iommu_queue_iopf.
bool IoPageFaults::report(Thread& /*thread*/, const PageRequest& request) {
  std::vector<PageRequest>& parked = parked_[request.source];
  if (!request.last) {
    parked.push_back(request);
    return true;
  }
  Group group;
  for (const PageRequest& one : parked) {
    if (one.group == request.group) group.requests.push_back(one);
  }
  std::erase_if(parked, [&](const PageRequest& one) { return one.group == request.group; });
  group.requests.push_back(request);
  group.complete = engine_.now();
  group.job = ++last_job_;
  jobs_.emplace(request.source, group.job);
  workers_.post_at(engine_.now() + params_.worker_start,
                   [this, group](Thread& worker) { handle(worker, group); });
  return true;
}

void IoPageFaults::handle(Thread& thread, const Group& group) {
  const PageRequest& last = group.requests.back();
  if (trace.on()) trace.emit(told_taken(last, group.requests.size(), engine_.now()));
  if (owners_.owner(last.pasid) == nullptr) ++stats.nobodys;
  bool valid = true;
  for (const PageRequest& request : group.requests) {
    ++stats.requests;
    valid = valid && resolve(thread, request);
  }
  ++stats.groups;
  if (!valid) ++stats.invalid;
  requests_.respond(thread, PageResponse::to(last, valid ? PageResponseCode::success
                                                         : PageResponseCode::invalid));
  latency.record(engine_.now() - group.complete);
  jobs_.erase({last.source, group.job});
  for (; waiting_ > 0; --waiting_) done_.raise();
}

// Linux' iopf_handle_single. The address space stays while its pages are looked for.
bool IoPageFaults::resolve(Thread& thread, const PageRequest& request) {
  Mm* const mm = owners_.owner(request.pasid);
  if (mm == nullptr) return false;
  mm->get();
  const Errno error =
      mm->fault(thread, request.address, {request.read, request.write, request.execute});
  mm->put(thread);
  return error == Errno::ok;
}

void IoPageFaults::discard_incomplete() {
  for (auto& [source, parked] : parked_) {
    stats.discarded += parked.size();
    parked.clear();
  }
}

// (Linux 6.1 keeps them, and the next group with this index takes them in.)
void IoPageFaults::discard_group(const PageRequest& last) {
  const auto found = parked_.find(last.source);
  if (found == parked_.end()) return;
  stats.discarded += static_cast<std::uint64_t>(std::erase_if(
      found->second, [&](const PageRequest& one) { return one.group == last.group; }));
}

// Linux' iopf_queue_remove_device.
void IoPageFaults::forget(Bdf source) {
  const auto found = parked_.find(source);
  if (found == parked_.end()) return;
  stats.discarded += found->second.size();
  parked_.erase(found);
}

void IoPageFaults::discard(Bdf source, Pasid pasid) {
  const auto found = parked_.find(source);
  if (found == parked_.end()) return;
  stats.discarded += static_cast<std::uint64_t>(
      std::erase_if(found->second, [&](const PageRequest& one) { return one.pasid == pasid; }));
}

bool IoPageFaults::done_up_to(Bdf source, std::uint64_t job) const {
  const auto first = jobs_.lower_bound({source, 0});
  return first == jobs_.end() || first->first != source || first->second > job;
}

// Jobs that come later are not waited for. A group that lacks its last request at this point never
// gets it: its device was stopped. (Linux 6.1 keeps such requests until the device goes.)
void IoPageFaults::flush(Thread& thread, Bdf source, Pasid pasid) {
  const std::uint64_t last = last_job_;
  while (!done_up_to(source, last)) {
    ++waiting_;
    thread.wait(done_);
  }
  discard(source, pasid);
}

std::size_t IoPageFaults::incomplete() const {
  std::size_t all = 0;
  for (const auto& [source, parked] : parked_) all += parked.size();
  return all;
}

}  // namespace viosim
