// What callers ask of the driver: checks, and which order to run.
// SPDX-License-Identifier: Apache-2.0
#include "models/kernel/iommu_driver.hpp"

#include "models/kernel/iommu_job.hpp"

#include <algorithm>
#include <bit>

namespace viosim {

IommuDriver::IommuDriver(Engine& engine, const IommuDriverParams& params, KernelIommu& iommu,
                         vtd::Tables& tables, Mutex& pasid_mutex)
    : params_(params),
      iommu_(iommu),
      tables_(tables),
      pasid_mutex_(pasid_mutex),
      lock_(engine, iommu.path() + ".lock", params.lock_handover) {}

const IommuFunction* IommuDriver::function(Bdf source) const {
  const auto found = functions_.find(source);
  return found == functions_.end() ? nullptr : &found->second.is;
}

bool IommuDriver::ats_enabled(Bdf source) const {
  const auto found = functions_.find(source);
  return found != functions_.end() && found->second.ats;
}

bool IommuDriver::page_requests_enabled(Bdf source) const {
  const auto found = functions_.find(source);
  return found != functions_.end() && found->second.page_requests;
}

bool IommuDriver::reachable(Bdf source) const {
  const auto found = functions_.find(source);
  return found != functions_.end() && found->second.ats && found->second.present;
}

bool IommuDriver::answers(Bdf source) const {
  const IommuFunction* const known = function(source);
  return known != nullptr && (known->config == nullptr || known->config->present());
}

std::uint32_t IommuDriver::pasid_limit(Bdf source) const {
  const IommuFunction* const known = function(source);
  if (known == nullptr) return 0;
  return std::min(known->max_pasids, 1U << iommu_.abilities().pasid_bits);
}

Errno IommuDriver::add(Thread& thread, Bdf source, const IommuFunction& function) {
  Function added;
  added.is = function;
  if (!functions_.emplace(source, added).second) return Errno::eexist;
  Job job{thread, source, function.rid_pasid, DomainId(0)};
  run(Order::add, job);
  if (job.error != Errno::ok) functions_.erase(source);
  return job.error;
}

void IommuDriver::gone(Bdf source) {
  const auto found = functions_.find(source);
  if (found != functions_.end()) found->second.present = false;
}

// VT-d 3.x, 9.6: what the capabilities do not say, an entry must not ask for.
Errno IommuDriver::check(const vtd::PasidEntry& entry) const {
  using Type = vtd::PasidEntry::Type;
  const IommuAbilities& can = iommu_.abilities();
  if (!entry.valid()) return Errno::einval;
  if (entry.type == Type::nested && !can.nesting) return Errno::einval;
  if (entry.type == Type::pass_through && !can.pass_through) return Errno::einval;
  const bool second = entry.type == Type::second_level || entry.type == Type::nested;
  if (second && (can.address_widths >> entry.address_width & 1U) == 0) return Errno::einval;
  const bool first = entry.type == Type::first_level || entry.type == Type::nested;
  if (first && entry.first_level_mode == 1 && !can.five_levels) return Errno::einval;
  if (entry.supervisor_requests && !can.supervisor_requests) return Errno::einval;
  return Errno::ok;
}

Errno IommuDriver::set_up(Thread& thread, Bdf source, Pasid pasid, const vtd::PasidEntry& entry) {
  Job job{thread, source, pasid, entry.domain};
  job.entry = entry;
  return set_up_entry(job);
}

Errno IommuDriver::set_up_entry(Job& job) {
  const auto context = tables_.context(job.source);
  if (function(job.source) == nullptr || !context || job.pasid.value() >= context->pasid_limit())
    return Errno::enodev;
  if (const Errno error = check(job.entry); error != Errno::ok) return error;
  job.lock(lock_);
  if (!tables_.entry(job.source, job.pasid)) job.thread.run(params_.table_write);
  job.at = tables_.make_entry(job.source, job.pasid);
  if (tables_.read_entry(job.at).present) {
    job.unlock();
    return Errno::ebusy;
  }
  join({job.source, job.pasid, job.entry.type}, job.domain);
  run(Order::set_up, job);
  ++stats.set_up;
  // Its caller has no bind then, and nobody would take it away before the number is somebody else's.
  if (job.error != Errno::ok) tear_down_entry(job);
  return job.error;
}

Errno IommuDriver::change(Thread& thread, Bdf source, Pasid pasid, const vtd::PasidEntry& entry) {
  const auto at = tables_.entry(source, pasid);
  if (!at) return Errno::enoent;
  Job job{thread, source, pasid, entry.domain};
  job.at = *at;
  job.lock(lock_);
  const vtd::PasidEntry old = tables_.read_entry(*at);
  vtd::PasidEntry changed = old;
  changed.walk_snoop = entry.walk_snoop;
  changed.page_snoop = entry.page_snoop;
  changed.supervisor_requests = entry.supervisor_requests;
  changed.execute_requests = entry.execute_requests;
  changed.write_protect = entry.write_protect;
  changed.no_execute = entry.no_execute;
  changed.extended_accessed = entry.extended_accessed;
  vtd::PasidEntry wanted = entry;
  wanted.present = true;
  const Errno error = !old.present                          ? Errno::enoent
                      : check(wanted) != Errno::ok          ? Errno::einval
                      : wanted.encode() != changed.encode() ? Errno::einval
                                                            : Errno::ok;
  if (error != Errno::ok) {
    job.unlock();
    return error;
  }
  job.entry = wanted;
  run(Order::change, job);
  return job.error;
}

// What caches are told is about the old entry: its domain, and its kind of flush.
Errno IommuDriver::replace(Thread& thread, Bdf source, Pasid pasid, const vtd::PasidEntry& entry) {
  if (function(source) == nullptr) return Errno::enodev;
  const auto at = tables_.entry(source, pasid);
  if (!at || check(entry) != Errno::ok) return Errno::einval;
  Job job{thread, source, pasid, DomainId(0)};
  job.at = *at;
  job.lock(lock_);
  job.entry = tables_.read_entry(*at);
  job.domain = job.entry.domain;
  job.next = entry;
  job.next.present = true;
  if (!job.entry.present) {
    job.unlock();
    return Errno::einval;
  }
  const Member old{source, pasid, job.entry.type};
  const Member now{source, pasid, entry.type};
  const bool moves = job.domain != entry.domain || !(old == now);
  if (moves) join(now, entry.domain);
  run(Order::replace, job);
  if (moves) leave(old, job.domain);
  ++stats.replaced;
  return job.error;
}

Errno IommuDriver::tear_down(Thread& thread, Bdf source, Pasid pasid, bool quiet) {
  Job job{thread, source, pasid, DomainId(0)};
  job.quiet = quiet;
  return tear_down_entry(job);
}

Errno IommuDriver::tear_down_entry(Job& job) {
  const auto at = tables_.entry(job.source, job.pasid);
  if (!at) {  // its function's tables are gone
    leave_all(job.source, job.pasid);
    return Errno::enoent;
  }
  job.at = *at;
  job.lock(lock_);
  job.entry = tables_.read_entry(*at);
  job.domain = job.entry.domain;
  if (!job.entry.present) {
    if (job.entry.fault_disable && !job.quiet) zero_entry(job);
    leave_all(job.source, job.pasid);
    job.unlock();
    return Errno::enoent;
  }
  run(Order::tear_down, job);
  leave_all(job.source, job.pasid);
  ++stats.torn_down;
  return job.error;
}

bool IommuDriver::present(Bdf source, Pasid pasid) const {
  const auto at = tables_.entry(source, pasid);
  return at && tables_.read_entry(*at).present;
}

Errno IommuDriver::drain_page_requests(Thread& thread, Bdf source, Pasid pasid, DomainId domain) {
  if (page_requests_ == nullptr || !page_requests_enabled(source)) return Errno::ok;
  ensure(pasid_mutex_.held_by(thread), "page requests are drained without the pasid mutex");
  Job job{thread, source, pasid, domain};
  run(Order::drain, job);
  ++stats.drains;
  return job.error;
}

Result<DomainId> IommuDriver::take_domain() {
  if (!free_domains_.empty()) {
    const DomainId domain = *free_domains_.begin();
    free_domains_.erase(free_domains_.begin());
    return domain;
  }
  if (next_domain_ >> iommu_.abilities().domain_bits != 0) return Errno::enospc;
  return DomainId(next_domain_++);
}

// Where an order was disturbed an entry may still have it that nobody knows of any more: the book is what
// software believes.
void IommuDriver::give_back_domain(Thread& thread, DomainId domain) {
  if (injection.on()) members_.erase(domain);
  ensure(!members_.contains(domain), "a domain's number is given back while entries have it");
  Job job{thread, Bdf{}, Pasid(0), domain};
  release_domain(job);
  free_domains_.insert(domain);
}

Errno IommuDriver::attach(Thread& thread, Bdf source, const vtd::PasidEntry& entry) {
  const IommuFunction* const known = function(source);
  if (known == nullptr) return Errno::enodev;
  Job job{thread, source, known->rid_pasid, entry.domain};
  job.entry = entry;
  run(Order::attach, job);
  return job.error;
}

Errno IommuDriver::detach(Thread& thread, Bdf source) {
  const IommuFunction* const known = function(source);
  if (known == nullptr) return Errno::enodev;
  if (!present(source, known->rid_pasid)) return Errno::enoent;
  Job job{thread, source, known->rid_pasid, DomainId(0)};
  run(Order::detach, job);
  return job.error;
}

Errno IommuDriver::remove(Thread& thread, Bdf source) {
  const IommuFunction* const known = function(source);
  if (known == nullptr) return Errno::enodev;
  Job job{thread, source, known->rid_pasid, first_level_domain};
  run(Order::remove, job);
  functions_.erase(source);
  return job.error;
}

Errno IommuDriver::flush_first_level(Thread& thread, Bdf source, Pasid pasid, DomainId domain,
                                     PageRange range) {
  Job job{thread, source, pasid, domain};
  job.first_level = true;
  return flush_range(Order::unmap_first, job, range);
}

Errno IommuDriver::flush_second_level(Thread& thread, DomainId domain, PageRange range) {
  Job job{thread, Bdf{}, Pasid(0), domain};
  return flush_range(Order::unmap_second, job, range);
}

Errno IommuDriver::flush_mapped(Thread& thread, DomainId domain, PageRange range) {
  Job job{thread, Bdf{}, Pasid(0), domain};
  return flush_range(Order::map, job, range);
}

// Linux' intel_flush_svm_range.
Errno IommuDriver::flush_range(Order order, Job& job, PageRange range) {
  ensure(range.pages > 0, "a flush of no pages");
  const std::uint64_t chunk = std::bit_ceil(range.pages) << 12U;
  const std::uint64_t end = range.address.value() + (range.pages << 12U);
  job.address_mask = static_cast<std::uint8_t>(std::countr_zero(chunk) - 12);
  job.leaf_only = range.leaf_only;
  for (std::uint64_t at = range.address.value() & ~(chunk - 1); at < end; at += chunk) {
    job.address = Iova(at);
    run(order, job);
  }
  ++stats.flushes;
  return job.error;
}

}  // namespace viosim
