// What each step of an order does.
// SPDX-License-Identifier: Apache-2.0
#include "models/kernel/iommu_job.hpp"

#include <algorithm>

namespace viosim {
namespace {

using Type = vtd::PasidEntry::Type;
constexpr std::uint64_t present_bit = 1;
constexpr std::uint64_t fault_disable_bit = 2;

bool uses_second_level(Type type) { return type == Type::second_level || type == Type::nested; }

vtd::Descriptor descriptor_of(vtd::DescriptorType type, vtd::Granularity granularity,
                              DomainId domain) {
  vtd::Descriptor descriptor;
  descriptor.type = type;
  descriptor.granularity = granularity;
  descriptor.domain = domain;
  const bool drains = type == vtd::DescriptorType::iotlb;
  descriptor.drain_reads = drains;
  descriptor.drain_writes = drains;
  return descriptor;
}

}  // namespace

bool IommuDriver::applies(When when) const {
  const bool caching = iommu_.abilities().caching_mode;
  return when == When::always || (when == When::caching_mode) == caching;
}

// By a copy: an injection may change the order meanwhile.
void IommuDriver::run(Order order, Job& job) {
  const std::vector<OrderStep> steps = orders.of(order);
  for (const OrderStep& step : steps) {
    if (!applies(step.when)) continue;
    if (writes_tables(step.step)) {
      job.lock(lock_);
    } else {
      job.unlock();
    }
    take(step.step, job);
  }
  job.unlock();
}

void IommuDriver::take(Step step, Job& job) {
  switch (step) {
    case Step::write_context:
    case Step::clear_context_present:
    case Step::zero_context:
    case Step::write_fields:
    case Step::set_present:
    case Step::write_changes:
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
      while (page_requests_->queued(job.pasid)) page_requests_->wait_for_pass(job.thread);
      return;
    case Step::flush_faults:
      return flush_faults(job);
    case Step::drain_hardware:
      return drain_hardware(job);
  }
}

// Tables.

void IommuDriver::write(Job& job, Hpa at, std::uint64_t word) {
  job.thread.run(params_.table_write);
  iommu_.memory().write(at, word);
}

void IommuDriver::write_table(Step step, Job& job) {
  TableMemory& memory = iommu_.memory();
  switch (step) {
    case Step::write_context:
      return write_context(job);
    case Step::clear_context_present:
      if (const auto at = tables_.context_at(job.source))
        write(job, *at, memory.read(*at) & ~present_bit);
      return;
    case Step::zero_context:
      if (const auto at = tables_.context_at(job.source)) {
        write(job, *at + Bytes(8), 0);
        write(job, *at, 0);
      }
      return;
    case Step::write_fields:
      return write_fields(job);
    case Step::set_present:
      return write(job, job.at, memory.read(job.at) | present_bit);
    case Step::write_changes:
      return write_changes(job);
    case Step::clear_present:
      return clear_present(job);
    case Step::zero_entry:
      return zero_entry(job);
    default:
      job.thread.run(params_.barrier);
  }
}

// Present last, as Tables does; its instants are not told apart.
void IommuDriver::write_context(Job& job) {
  const Function& function = functions_.at(job.source);
  vtd::ScalableContext context;
  context.rid_pasid = function.is.rid_pasid;
  context.pasid_enable = function.is.max_pasids > 0;
  context.device_tlb_enable = function.is.ats && iommu_.abilities().device_tlbs;
  context.page_request_enable = function.is.page_requests && iommu_.abilities().page_requests;
  job.thread.run(2 * params_.table_write);
  constexpr std::uint32_t least_table = 32768;  // Linux makes a directory of at least one page
  tables_.attach(job.source, std::max(pasid_limit(job.source), least_table), context);
}

void IommuDriver::write_fields(Job& job) {
  vtd::PasidEntry fields = job.entry;
  fields.present = false;
  const PhysicalMemory::Line words = fields.encode();
  for (std::size_t word = words.size(); word-- > 0;)
    write(job, job.at + Bytes(word * 8), words[word]);
}

void IommuDriver::write_changes(Job& job) {
  const PhysicalMemory::Line words = job.entry.encode();
  for (std::size_t word = words.size(); word-- > 0;) {
    const Hpa at = job.at + Bytes(word * 8);
    if (iommu_.memory().read(at) != words[word]) write(job, at, words[word]);
  }
}

void IommuDriver::clear_present(Job& job) {
  const std::uint64_t word = iommu_.memory().read(job.at) & ~present_bit;
  write(job, job.at, job.quiet ? word | fault_disable_bit : word);
}

// Somebody may have set it up again while the caches were flushed.
void IommuDriver::zero_entry(Job& job) {
  if ((iommu_.memory().read(job.at) & present_bit) != 0) return;
  for (std::size_t word = PhysicalMemory::words_per_line; word-- > 1;)
    write(job, job.at + Bytes(word * 8), 0);
  write(job, job.at, job.quiet ? fault_disable_bit : 0);
}

// Caches. Each descriptor is a submission of its own, as in Linux.

void IommuDriver::flush(Step step, Job& job) {
  using Kind = vtd::DescriptorType;
  using By = vtd::Granularity;
  vtd::Descriptor descriptor;
  switch (step) {
    case Step::flush_context_cache:
      descriptor = descriptor_of(Kind::context_cache, By::device, job.domain);
      descriptor.source = job.source;
      break;
    case Step::flush_pasid_cache:
      descriptor = descriptor_of(Kind::pasid_cache, By::pasid, job.domain);
      descriptor.pasid = job.pasid;
      break;
    case Step::flush_pasid_cache_of_domain:
      descriptor = descriptor_of(Kind::pasid_cache, By::domain, job.domain);
      break;
    case Step::flush_iotlb_of_domain:
      descriptor = descriptor_of(Kind::iotlb, By::domain, job.domain);
      break;
    case Step::flush_iotlb_of_entry:
      if (uses_second_level(job.entry.type)) {
        descriptor = descriptor_of(Kind::iotlb, By::domain, job.domain);
        break;
      }
      [[fallthrough]];
    case Step::flush_iotlb_of_pasid:
      descriptor = descriptor_of(Kind::pasid_iotlb, By::pasid, job.domain);
      descriptor.pasid = job.pasid;
      break;
    case Step::flush_iotlb_pages:
      descriptor = iotlb_of(job);
      break;
    default:
      return flush_device_tlbs(job, step == Step::flush_device_tlb_pages);
  }
  submit_one(job, descriptor);
}

// More pages than a descriptor can name (MAMV): all of the PASID, or of the domain.
vtd::Descriptor IommuDriver::iotlb_of(const Job& job) const {
  using By = vtd::Granularity;
  const auto kind = job.first_level ? vtd::DescriptorType::pasid_iotlb : vtd::DescriptorType::iotlb;
  const bool fits = job.address_mask <= iommu_.abilities().max_address_mask;
  const By whole = job.first_level ? By::pasid : By::domain;
  vtd::Descriptor descriptor = descriptor_of(kind, fits ? By::page : whole, job.domain);
  if (job.first_level) descriptor.pasid = job.pasid;
  if (!fits) return descriptor;
  descriptor.address = job.address;
  descriptor.address_mask = job.address_mask;
  descriptor.leaf_only = job.leaf_only;
  return descriptor;
}

vtd::Descriptor IommuDriver::device_tlb_of(const Member& of, bool everything,
                                           const Job& job) const {
  const IommuFunction& function = functions_.at(of.source).is;
  const bool by_pasid = of.pasid != function.rid_pasid;
  vtd::Descriptor descriptor;
  descriptor.type =
      by_pasid ? vtd::DescriptorType::pasid_device_tlb : vtd::DescriptorType::device_tlb;
  descriptor.source = of.source;
  descriptor.physical_function = function.physical_function;
  descriptor.queue_depth = function.queue_depth;
  if (by_pasid) descriptor.pasid = of.pasid;
  descriptor.address = everything ? Iova() : job.address;
  descriptor.address_mask = everything ? vtd::Descriptor::every_address : job.address_mask;
  return descriptor;
}

// A range of a second level concerns all that have the domain; nested, of everything: a device
// knows guest addresses, not what lies between.
void IommuDriver::flush_device_tlbs(Job& job, bool pages) {
  if (!pages || job.first_level) {
    const Member one{job.source, job.pasid, Type::first_level};
    if (reachable(one.source)) submit_one(job, device_tlb_of(one, !pages, job));
    return;
  }
  const auto members = members_.find(job.domain);
  if (members == members_.end()) return;
  const std::vector<Member> all = members->second;
  for (const Member& one : all) {
    if (reachable(one.source)) submit_one(job, device_tlb_of(one, one.type == Type::nested, job));
  }
}

void IommuDriver::submit_one(Job& job, const vtd::Descriptor& descriptor) {
  job.failed(submit(job.thread, {descriptor}));
}

Errno IommuDriver::submit(Thread& thread, std::vector<vtd::Descriptor> descriptors, bool drain) {
  for (std::uint32_t tries = 0;; ++tries) {
    std::erase_if(descriptors, [this](const vtd::Descriptor& descriptor) {
      return descriptor.of_device_tlb() && !reachable(descriptor.source);
    });
    if (descriptors.empty() && !drain) return Errno::ok;
    const Errno error = drain ? iommu_.submit_and_drain_page_requests(thread, descriptors)
                              : iommu_.submit(thread, descriptors);
    if (error == Errno::ok) return error;
    if (error != Errno::eagain || tries == params_.retries) {
      ++stats.given_up;
      return error == Errno::eagain ? Errno::etimedout : error;
    }
    ++stats.resubmitted;
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

void IommuDriver::join(const Job& job) {
  if (job.domain == first_level_domain) return;
  members_[job.domain].push_back({job.source, job.pasid, job.entry.type});
  stale_domains_.insert(job.domain);
}

void IommuDriver::leave(const Job& job) {
  const auto members = members_.find(job.domain);
  if (members == members_.end()) return;
  std::erase(members->second, Member{job.source, job.pasid, job.entry.type});
  if (members->second.empty()) members_.erase(members);
}

// The last one has left: its number may be used again only when no translation has it.
void IommuDriver::release_domain(Job& job) {
  if (members_.contains(job.domain) || stale_domains_.erase(job.domain) == 0) return;
  submit_one(job, descriptor_of(vtd::DescriptorType::iotlb, vtd::Granularity::domain, job.domain));
}

// Page requests.

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
    all.push_back(device_tlb_of({job.source, job.pasid, Type::first_level}, true, job));
  for (;;) {
    job.failed(submit(job.thread, all, true));
    if (!page_requests_->overflowed()) return;
    page_requests_->wait_for_pass(job.thread);
  }
}

}  // namespace viosim
