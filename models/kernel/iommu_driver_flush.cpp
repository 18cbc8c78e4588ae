// Steps that flush caches. Each descriptor is a submission of its own, as in Linux.
// SPDX-License-Identifier: Apache-2.0
#include "models/iommu/vtd/descriptor_trace.hpp"
#include "models/kernel/iommu_job.hpp"

namespace viosim {
namespace {

using Type = vtd::PasidEntry::Type;

bool uses_second_level(Type type) { return type == Type::second_level || type == Type::nested; }

}  // namespace

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

void IommuDriver::tell_given_up(const Thread& thread,
                                const std::vector<vtd::Descriptor>& descriptors) const {
  if (!trace.on()) return;
  for (const vtd::Descriptor& descriptor : descriptors)
    trace.emit(vtd::told(EventKind::given_up, descriptor, thread.now()));
}

void IommuDriver::submit_one(Job& job, const vtd::Descriptor& descriptor) {
  job.failed(submit(job.thread, {descriptor}));
}

// What is aborted is the wait: a response ahead of it has been sent, and a group gets one. After a time-out
// functions are asked whether they are there at all (later kernels than 6.1 ask before they send): of one
// that has vanished nobody may have been told yet.
Errno IommuDriver::submit(Thread& thread, std::vector<vtd::Descriptor> descriptors, bool drain) {
  for (std::uint32_t tries = 0;; ++tries) {
    std::erase_if(descriptors, [this, tries](const vtd::Descriptor& descriptor) {
      const bool again = tries > 0;
      const bool sent = again && descriptor.type == vtd::DescriptorType::page_response;
      if (sent || !descriptor.of_device_tlb()) return sent;
      return !reachable(descriptor.source) || (again && !answers(descriptor.source));
    });
    if (descriptors.empty() && !drain) return Errno::ok;
    const Errno error = drain ? iommu_.submit_and_drain_page_requests(thread, descriptors)
                              : iommu_.submit(thread, descriptors);
    if (error == Errno::ok) return error;
    if (error != Errno::eagain || tries == params_.retries) {
      ++stats.given_up;
      tell_given_up(thread, descriptors);
      return error == Errno::eagain ? Errno::etimedout : error;
    }
    if (injection.skips(FlowStep::submit_again)) return Errno::ok;
    ++stats.resubmitted;
  }
}

}  // namespace viosim
