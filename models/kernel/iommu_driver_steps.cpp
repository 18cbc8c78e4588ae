// What each step of an order does.
// SPDX-License-Identifier: Apache-2.0
#include "models/kernel/iommu_job.hpp"

#include <algorithm>

namespace viosim {

bool IommuDriver::applies(When when) const {
  const IommuAbilities& can = iommu_.abilities();
  switch (when) {
    case When::always:
      return true;
    case When::caching_mode:
      return can.caching_mode;
    case When::no_caching_mode:
      return !can.caching_mode;
    case When::not_emulated:
      return !can.emulated;
  }
  return true;
}

// By a copy: an injection may change the order meanwhile.
void IommuDriver::run(Order order, Job& job) {
  std::vector<OrderStep> steps = orders.of(order);
  for (std::size_t at = 0; at < steps.size(); ++at) {
    if (!applies(steps[at].when)) continue;
    if (injection.on() && skips(order, steps, at, job.pasid)) continue;
    const OrderStep step = steps[at];
    if (writes_tables(step.step)) {
      job.lock(lock_);
    } else {
      job.unlock();
    }
    take(step.step, job);
  }
  job.unlock();
}

// Those that change places are taken one for the other.
bool IommuDriver::skips(Order order, std::vector<OrderStep>& steps, std::size_t at,
                        Pasid pasid) const {
  const auto here = steps.begin() + static_cast<std::ptrdiff_t>(at);
  StepSet later;
  for (auto one = here + 1; one != steps.end(); ++one)
    if (applies(one->when)) later.add(one->step);
  const Ruling ruling = injection.ask(InjectionPoint(order, here->step), pasid, later);
  if (ruling.fate == Fate::swap) {
    std::iter_swap(here, std::find_if(here + 1, steps.end(), [&](const OrderStep& one) {
                     return one.step == ruling.with && applies(one.when);
                   }));
  }
  return ruling.fate == Fate::skip;
}

void IommuDriver::take(Step step, Job& job) {
  switch (step) {
    case Step::write_context:
    case Step::clear_context_present:
    case Step::zero_context:
    case Step::write_fields:
    case Step::set_present:
    case Step::write_changes:
    case Step::write_entry:
    case Step::clear_present:
    case Step::zero_entry:
    case Step::barrier:
      return write_table(step, job);
    case Step::flush_write_buffer:
      if (iommu_.abilities().write_buffer) job.thread.run(params_.write_buffer_flush);
      return;
    case Step::flush_context_cache:
    case Step::flush_pasid_cache:
    case Step::flush_pasid_cache_of_domain:
    case Step::flush_iotlb_of_entry:
    case Step::flush_iotlb_of_pasid:
    case Step::flush_iotlb_of_domain:
    case Step::flush_iotlb_pages:
    case Step::flush_device_tlb:
    case Step::flush_device_tlb_pages:
      return flush(step, job);
    case Step::enable_pasid:
    case Step::enable_page_requests:
    case Step::enable_ats:
    case Step::disable_ats:
    case Step::disable_page_requests:
    case Step::disable_pasid:
      return configure(step, job);
    case Step::set_up_default:
      return job.failed(set_up_entry(job));
    case Step::tear_down_default:
      if (present(job.source, job.pasid)) job.failed(tear_down_entry(job));
      return;
    case Step::release_domain:
      return release_domain(job);
    case Step::wait_for_queue:
      return wait_for_queue(job);
    case Step::flush_faults:
      return flush_faults(job);
    case Step::drain_hardware:
      return drain_hardware(job);
  }
}

// The function.

void IommuDriver::configure(Step step, Job& job) {
  Function& function = functions_.at(job.source);
  FunctionConfig* const config = function.present ? function.is.config : nullptr;
  const auto set = [&](bool& state, bool wanted, std::int64_t writes,
                       void (FunctionConfig::*enable)(bool)) {
    if (state == wanted) return;
    job.thread.run(writes * params_.config_write);
    state = wanted;
    if (config != nullptr) (config->*enable)(wanted);
  };
  const IommuAbilities& can = iommu_.abilities();
  const bool ats = function.is.ats && can.device_tlbs;
  const bool pages = function.is.page_requests && can.page_requests;
  switch (step) {
    case Step::enable_pasid:
      return set(function.pasid, function.is.max_pasids > 0, 1, &FunctionConfig::enable_pasid);
    case Step::enable_page_requests:  // reset, credits, enable
      return set(function.page_requests, pages, 3, &FunctionConfig::enable_page_requests);
    case Step::enable_ats:
      return set(function.ats, ats, 1, &FunctionConfig::enable_ats);
    case Step::disable_ats:
      return set(function.ats, false, 1, &FunctionConfig::enable_ats);
    case Step::disable_page_requests:
      return set(function.page_requests, false, 1, &FunctionConfig::enable_page_requests);
    default:
      return set(function.pasid, false, 1, &FunctionConfig::enable_pasid);
  }
}

// Domains.

void IommuDriver::join(const Member& member, DomainId domain) {
  if (domain == first_level_domain) return;
  members_[domain].push_back(member);
  joined_[{member.source, member.pasid}].push_back(domain);
  stale_domains_.insert(domain);
}

void IommuDriver::leave(const Member& member, DomainId domain) {
  const auto members = members_.find(domain);
  if (members == members_.end()) return;
  const std::size_t left = std::erase(members->second, member);
  if (members->second.empty()) members_.erase(members);
  if (left == 0) return;
  const auto joined = joined_.find({member.source, member.pasid});
  joined->second.erase(std::find(joined->second.begin(), joined->second.end(), domain));
  if (joined->second.empty()) joined_.erase(joined);
}

// Whatever domain the table says: where a disturbed order wrote it, it may not be the one that it joined.
void IommuDriver::leave_all(Bdf source, Pasid pasid) {
  const auto joined = joined_.find({source, pasid});
  if (joined == joined_.end()) return;
  for (const DomainId domain : joined->second) {
    const auto members = members_.find(domain);
    if (members == members_.end()) continue;
    std::erase_if(members->second,
                  [&](const Member& one) { return one.source == source && one.pasid == pasid; });
    if (members->second.empty()) members_.erase(members);
  }
  joined_.erase(joined);
}

// The last one has left: its number may be used again only when no translation has it.
void IommuDriver::release_domain(Job& job) {
  if (members_.contains(job.domain) || stale_domains_.erase(job.domain) == 0) return;
  submit_one(job, descriptor_of(vtd::DescriptorType::iotlb, vtd::Granularity::domain, job.domain));
}

// Page requests.

void IommuDriver::wait_for_queue(Job& job) {
  for (;;) {
    const std::uint64_t before = page_requests_->passes();
    if (!page_requests_->queued(job.thread, job.pasid)) return;
    page_requests_->wait_for_pass(job.thread, before);
  }
}

// Handlers may need the pasid mutex.
void IommuDriver::flush_faults(Job& job) {
  pasid_mutex_.unlock(job.thread);
  page_requests_->flush(job.thread, job.source, job.pasid);
  pasid_mutex_.lock(job.thread);
}

// VT-d 3.x, 7.10.
void IommuDriver::drain_hardware(Job& job) {
  vtd::Descriptor fence;
  fence.type = vtd::DescriptorType::wait;
  fence.fence = true;
  vtd::Descriptor iotlb =
      descriptor_of(vtd::DescriptorType::pasid_iotlb, vtd::Granularity::pasid, job.domain);
  iotlb.pasid = job.pasid;
  std::vector<vtd::Descriptor> all{fence, iotlb};
  if (reachable(job.source))
    all.push_back(
        device_tlb_of({job.source, job.pasid, vtd::PasidEntry::Type::first_level}, true, job));
  for (;;) {
    const std::uint64_t before = page_requests_->passes();
    job.failed(submit(job.thread, all, true));
    if (!page_requests_->overflowed(job.thread)) return;
    page_requests_->wait_for_pass(job.thread, before);
  }
}

}  // namespace viosim
