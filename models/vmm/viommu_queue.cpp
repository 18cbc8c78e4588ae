// The guest's invalidation queue: what its descriptors make the hypervisor do in the host.
// SPDX-License-Identifier: Apache-2.0
#include "models/iommu/vtd/descriptor_trace.hpp"
#include "models/vmm/viommu.hpp"

#include <algorithm>
#include <set>
#include <utility>
#include <vector>

namespace viosim {
namespace {

constexpr Bytes descriptor_size{32};

// Memory is of words of 8 bytes, a status of 4.
void write_half(TableMemory& memory, Hpa at, std::uint32_t half) {
  const unsigned shift = (at.value() & 4U) != 0 ? 32 : 0;
  const Hpa word(at.value() & ~std::uint64_t{7});
  const std::uint64_t other = memory.read(word) & ~(std::uint64_t{0xffffffff} << shift);
  memory.write(word, other | std::uint64_t{half} << shift);
}

// Translations, here or in a function.
bool flushes(const vtd::Descriptor& order) {
  return order.type == vtd::DescriptorType::iotlb ||
         order.type == vtd::DescriptorType::pasid_iotlb || order.of_device_tlb();
}

bool whole_pasid(const vtd::Descriptor& order) {
  return order.granularity == vtd::Granularity::pasid;
}

}  // namespace

vtd::DescriptorBits Viommu::descriptor_at(std::uint32_t entry) const {
  vtd::DescriptorBits bits{};
  for (std::size_t word = 0; word < bits.size(); ++word)
    bits[word] = memory_.read(ring_ + Bytes(entry * descriptor_size.count() + word * 8));
  return bits;
}

void Viommu::tell(EventKind kind, const vtd::DescriptorBits& bits, Instant since) const {
  if (!queue_trace.on() || !vtd::Descriptor::decodable(bits[0])) return;
  TracePoint::What what = vtd::told(kind, vtd::Descriptor::decode(bits), machine_.engine().now());
  what.address = bits[1];
  what.value = bits[0];
  what.duration = what.time - since;
  queue_trace.emit(what);
}

void Viommu::tell_submitted(std::uint32_t tail) const {
  if (!queue_trace.on()) return;
  for (std::uint32_t at = tail_; at != tail; at = (at + 1) & (entries_ - 1))
    tell(EventKind::submit, descriptor_at(at), machine_.engine().now());
}

void Viommu::tell_flushed() {
  for (const Begun& one : std::exchange(flushing_, {}))
    tell(EventKind::invalidate, one.bits, one.since);
}

void Viommu::take_descriptors(Thread& thread) {
  carry_out_all(thread);
  send_flushes(thread);
}

// One that is not understood stops the queue, with head at it, until the guest clears the error.
void Viommu::carry_out_all(Thread& thread) {
  while (head_ != tail_ && !queue_error_) {
    const vtd::DescriptorBits bits = descriptor_at(head_);
    if (vtd::Descriptor::error(bits, abilities_.max_address_mask) != vtd::QueueError::none) {
      queue_error_ = true;
      ++stats.queue_errors;
      return;
    }
    const vtd::Descriptor descriptor = vtd::Descriptor::decode(bits);
    injection.on() ? carry_out_disturbed(thread, descriptor) : carry_out(thread, descriptor);
    ++stats.descriptors;
    head_ = (head_ + 1) & (entries_ - 1);
  }
}

// Done, and told when it is: flushes when they have been sent, early waits before.
void Viommu::carry_out(Thread& thread, const vtd::Descriptor& descriptor) {
  if (!queue_trace.on()) return perform(thread, descriptor);
  const vtd::DescriptorBits bits = descriptor.encode();
  const Instant since = machine_.engine().now();
  if (flushes(descriptor)) flushing_.push_back({bits, since});
  perform(thread, descriptor);
  const bool told = descriptor.type == vtd::DescriptorType::wait && params_.early_waits;
  if (!flushes(descriptor) && !told) tell(EventKind::invalidate, bits, since);
}

// Whatever writes or reads the guest's entries needs the hypervisor.
bool Viommu::takes_directly(std::span<const vtd::Descriptor> descriptors) const {
  return params_.direct_invalidation && !ejected_ && !descriptors.empty() &&
         std::all_of(descriptors.begin(), descriptors.end(), flushes);
}

// Which entries of the host the guest's numbers stand for is what hardware has been told; it is looked
// up in no time, so that nobody's collected flushes are in the way. The vIOMMU's own queue, in whose
// order waits are told, has not got them: only what has been done is told.
Errno Viommu::invalidate_directly(Thread& thread, std::span<const vtd::Descriptor> descriptors) {
  if (ejected_) return Errno::enodev;
  const Instant since = machine_.engine().now();
  std::vector<GuestFlush> others = std::exchange(flushes_, {});
  for (const vtd::Descriptor& descriptor : descriptors) {
    descriptor.of_device_tlb() ? flush_device_tlb(descriptor) : invalidate_translations(descriptor);
  }
  const std::vector<GuestFlush> mine = std::exchange(flushes_, std::move(others));
  stats.descriptors += descriptors.size();
  stats.flushes += mine.size();
  hypervisor_.host().invalidate_directly(thread, mine);
  for (const vtd::Descriptor& descriptor : descriptors)
    tell(EventKind::invalidate, descriptor.encode(), since);
  return Errno::ok;
}

// Flushes are collected; whatever else there is to do finds them done.
void Viommu::perform(Thread& thread, const vtd::Descriptor& descriptor) {
  using Type = vtd::DescriptorType;
  switch (descriptor.type) {
    case Type::iotlb:
    case Type::pasid_iotlb:
      return invalidate_translations(descriptor);
    case Type::device_tlb:
    case Type::pasid_device_tlb:
      return flush_device_tlb(descriptor);
    default:
      break;
  }
  send_flushes(thread);
  switch (descriptor.type) {
    case Type::context_cache:
      return invalidate_contexts(thread, descriptor);
    case Type::pasid_cache:
      return invalidate_pasids(thread, descriptor);
    case Type::page_response:
      return answer_page_request(thread, descriptor);
    case Type::wait:
      return complete_wait(thread, descriptor);
    default:
      return;
  }
}

// All that was ahead of it has been done: the queue is carried out in order. Page requests that the
// host has forwarded belong to what is drained.
void Viommu::complete_wait(Thread& thread, const vtd::Descriptor& wait) {
  if (wait.page_drain) hypervisor_.deliver_faults(thread);
  if (!params_.early_waits) write_status(wait);
}

void Viommu::write_status(const vtd::Descriptor& wait) {
  if (wait.status_write) write_half(memory_, wait.status_address, wait.status_data);
}

// The error: the guest sees that it is done, and the host has not begun.
void Viommu::announce_early() {
  for (std::uint32_t at = head_; at != tail_; at = (at + 1) & (entries_ - 1)) {
    const vtd::DescriptorBits bits = descriptor_at(at);
    if (vtd::Descriptor::error(bits, abilities_.max_address_mask) != vtd::QueueError::none) return;
    const vtd::Descriptor descriptor = vtd::Descriptor::decode(bits);
    if (descriptor.type != vtd::DescriptorType::wait) continue;
    write_status(descriptor);
    tell(EventKind::invalidate, bits, machine_.engine().now());
  }
  machine_.post_to_hypervisor([this](Thread& worker) {
    const Guard guard(machine_.emulation(), worker);
    take_descriptors(worker);
  });
}

// A function that has no context entry any more has no PASIDs. Where it has one, flushes of PASIDs
// follow, since the one cache does not stand for the other.
void Viommu::invalidate_contexts(Thread& thread, const vtd::Descriptor& order) {
  for (const Device& device : devices_) {
    const bool reached =
        order.granularity != vtd::Granularity::device || order.reaches(device.source);
    if (!reached || tables_.context(root_, device.source)) continue;
    std::vector<Pasid> bound;
    for (const auto& [key, shadow] : shadows_)
      if (key.source == device.source) bound.push_back(key.pasid);
    for (const Pasid pasid : bound) unbind(thread, device, pasid);
  }
}

void Viommu::invalidate_pasids(Thread& thread, const vtd::Descriptor& order) {
  for (const Device& device : devices_) {
    if (whole_pasid(order)) {
      look_again(thread, device, order.pasid, order);
      continue;
    }
    const std::vector<Pasid> present = tables_.present(root_, device.source);
    std::set<Pasid> pasids(present.begin(), present.end());
    for (const auto& [key, shadow] : shadows_)
      if (key.source == device.source) pasids.insert(key.pasid);
    for (const Pasid pasid : pasids) look_again(thread, device, pasid, order);
  }
}

void Viommu::look_again(Thread& thread, const Device& device, Pasid pasid,
                        const vtd::Descriptor& order) {
  const vtd::PasidEntry now = tables_.entry(root_, device.source, pasid);
  const Shadow* const before = shadow(device.source, pasid);
  if (order.granularity != vtd::Granularity::global) {
    const bool was_of = before != nullptr && before->guest.domain == order.domain;
    const bool is_of = now.present && now.domain == order.domain;
    if (!was_of && !is_of) return;
  }
  const ShadowAction decided = decide(before, now, pasid, rid_pasid(device));
  switch (decided) {
    case ShadowAction::nothing:
      return;
    case ShadowAction::bind:
      send_flushes(thread);
      return bind(thread, device, pasid, now);
    case ShadowAction::attach_second_stage:
    case ShadowAction::unsupported:
      return begin_without_bind(decided);
    case ShadowAction::unbind:
      send_flushes(thread);
      return unbind(thread, device, pasid);
    case ShadowAction::flush: {
      vtd::Descriptor whole;
      whole.type = vtd::DescriptorType::pasid_iotlb;
      whole.granularity = vtd::Granularity::pasid;
      return flush(device, pasid, whole);
    }
    case ShadowAction::rebind:
      send_flushes(thread);
      return rebind(thread, device, pasid, now);
  }
}

void Viommu::invalidate_translations(const vtd::Descriptor& order) {
  if (order.type == vtd::DescriptorType::pasid_iotlb) return flush_matching(order);
  // By domain: first-level entries of the domain lose everything, whatever the range.
  vtd::Descriptor whole = order;
  whole.type = vtd::DescriptorType::iotlb;
  flush_matching(whole);
}

void Viommu::flush_matching(const vtd::Descriptor& order) {
  const bool by_pasid = order.type == vtd::DescriptorType::pasid_iotlb;
  std::vector<ShadowKey> matching;
  for (const auto& [key, shadow] : shadows_) {
    const bool all = !by_pasid && order.granularity == vtd::Granularity::global;
    const bool domain = all || shadow.guest.domain == order.domain;
    if (domain && (!by_pasid || key.pasid == order.pasid)) matching.push_back(key);
  }
  for (const ShadowKey& key : matching) {
    const auto found = shadows_.find(key);
    if (found == shadows_.end()) continue;
    Shadow& shadow = found->second;
    if (by_pasid && whole_pasid(order) && shadow.fresh && params_.skip_flush_of_bind) {
      shadow.fresh = false;
      ++stats.flushes_skipped;
      continue;
    }
    flush(*device_at(key.source), key.pasid, order);
  }
}

void Viommu::flush(const Device& device, Pasid pasid, const vtd::Descriptor& order) {
  GuestFlush flush{device.number, pasid};
  if (order.type == vtd::DescriptorType::pasid_iotlb && !whole_pasid(order)) {
    flush.what = GuestFlush::What::pages;
    flush.address = order.address;
    flush.address_mask = order.address_mask;
    flush.leaf_only = order.leaf_only;
  }
  flushes_.push_back(flush);
}

// A size that covers more than a PASID's addresses is its whole: that goes as a flush of the PASID.
void Viommu::flush_device_tlb(const vtd::Descriptor& order) {
  const Device* const device = device_at(order.source);
  if (!params_.forward_device_tlb || device == nullptr ||
      order.type != vtd::DescriptorType::pasid_device_tlb ||
      shadow(order.source, order.pasid) == nullptr) {
    return;
  }
  GuestFlush flush{device->number, order.pasid};
  if (order.address_mask < vtd::Descriptor::every_address) {
    flush.what = GuestFlush::What::pages_of_device_tlb;
    flush.address = order.address;
    flush.address_mask = order.address_mask;
  }
  flushes_.push_back(flush);
}

void Viommu::send_flushes(Thread& thread) {
  if (flushes_.empty()) return tell_flushed();
  const std::vector<GuestFlush> flushes = std::exchange(flushes_, {});
  stats.flushes += flushes.size();
  hypervisor_.host().invalidate(thread, flushes);
  tell_flushed();
}

}  // namespace viosim
