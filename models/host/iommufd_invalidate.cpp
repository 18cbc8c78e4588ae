// Arrays of invalidations: what the guest's tables or commands ask for, wherever they are attached.
// SPDX-License-Identifier: Apache-2.0
#include "models/host/iommufd.hpp"

#include <algorithm>
#include <bit>
#include <utility>

namespace viosim {

using namespace iommufd;

namespace {

// One aligned block of a power of two of pages that the range lies in, or all of them.
struct Block {
  Iova address;
  std::uint8_t mask = vtd::Descriptor::every_address;
};

Block block_of(Iova address, std::uint64_t pages) {
  constexpr std::uint64_t all = std::uint64_t{1} << vtd::Descriptor::every_address;
  if (pages >= all) return {};
  const std::uint64_t first = address.value() >> 12U;
  const std::uint64_t last = first + pages - 1;
  if (last >= all) return {};
  const auto mask = static_cast<unsigned>(std::bit_width(first ^ last));
  return {Iova(first >> mask << mask << 12U), static_cast<std::uint8_t>(mask)};
}

// Of more pages than a descriptor can name (MAMV), the whole PASID.
vtd::Descriptor iotlb_flush(const Flush& flush, std::uint8_t max_mask) {
  const Block block = block_of(flush.address, flush.pages);
  vtd::Descriptor descriptor;
  descriptor.type = vtd::DescriptorType::pasid_iotlb;
  descriptor.granularity = vtd::Granularity::pasid;
  descriptor.domain = flush.domain;
  descriptor.pasid = flush.pasid;
  if (block.mask > max_mask) return descriptor;
  descriptor.granularity = vtd::Granularity::page;
  descriptor.address = block.address;
  descriptor.address_mask = block.mask;
  descriptor.leaf_only = flush.leaf_only;
  return descriptor;
}

vtd::Descriptor device_flush(const Flush& flush, Bdf function) {
  const Block block = block_of(flush.address, flush.pages);
  vtd::Descriptor descriptor;
  descriptor.type =
      flush.with_pasid ? vtd::DescriptorType::pasid_device_tlb : vtd::DescriptorType::device_tlb;
  descriptor.source = function;
  if (flush.with_pasid) descriptor.pasid = flush.pasid;
  descriptor.address = block.address;
  descriptor.address_mask = block.mask;
  return descriptor;
}

}  // namespace

void Iommufd::add_place(ObjectId id, Pasid pasid, Flush flush, std::vector<Flush>& flushes) const {
  const Device& device = *objects_.find<Device>(id);
  const Attachment& attachment = device.attachments.at(pasid);
  const HwptNested* const nested = objects_.find<HwptNested>(attachment.hwpt);
  if (nested == nullptr) return;
  flush.device = id;
  flush.pasid = attachment.host;
  flush.with_pasid = !takes_whole_function(device, pasid);
  flush.domain = nested->entry.domain;
  flushes.push_back(flush);
}

void Iommufd::add_flushes(const Hwpt& hwpt, const VtdInvalidation& entry,
                          std::vector<Flush>& flushes) const {
  Flush flush;
  flush.address = entry.address;
  flush.pages = entry.pages;
  flush.leaf_only = (entry.flags & VtdInvalidation::leaf) != 0;
  for (const Place& place : hwpt.attached) add_place(place.device, place.pasid, flush, flushes);
}

Invalidated Iommufd::hwpt_invalidate(Thread& thread, ObjectId id,
                                     std::span<const VtdInvalidation> entries) {
  thread.run(params_.invalidate);
  const HwptNested* const nested = objects_.find<HwptNested>(id);
  if (nested == nullptr) return {objects_.contains(id) ? Errno::einval : Errno::enoent};
  const Pin pin(objects_, id);
  ++stats.invalidations;
  std::vector<Flush> flushes;
  Invalidated taken;
  for (const VtdInvalidation& entry : entries) {
    thread.run(params_.invalidate_entry);
    const bool whole = entry.pages == VtdInvalidation::every_page;
    const bool sound = entry.address.value() % page_4k.count() == 0 && entry.pages != 0 &&
                       (!whole || entry.address == Iova(0));
    if ((entry.flags & ~VtdInvalidation::leaf) != 0) taken.error = Errno::eopnotsupp;
    if (taken.error == Errno::ok && !sound) taken.error = Errno::einval;
    if (taken.error != Errno::ok) break;
    add_flushes(*nested, entry, flushes);
    ++taken.entries;
  }
  stats.entries += taken.entries;
  const Errno error = submit(thread, *nested->driver, flushes);
  if (taken.error == Errno::ok) taken.error = error;
  return taken;
}

// How many pages a command may name is between the guest and its vIOMMU: what is more than the host's
// IOMMU can be told at once becomes the whole PASID.
Errno Iommufd::add_command(const iommufd::Viommu& viommu, const vtd::DescriptorBits& bits,
                           std::vector<Flush>& flushes) const {
  using Type = vtd::DescriptorType;
  constexpr std::uint8_t any_mask = vtd::Descriptor::every_address;
  if (vtd::Descriptor::error(bits, any_mask) != vtd::QueueError::none) return Errno::eio;
  const vtd::Descriptor order = vtd::Descriptor::decode(bits);
  const bool device_tlb = order.type == Type::pasid_device_tlb;
  if (order.type != Type::pasid_iotlb && !device_tlb) return Errno::eio;
  Flush flush;
  flush.iotlb = !device_tlb;
  const bool whole = device_tlb ? order.address_mask >= vtd::Descriptor::every_address
                                : order.granularity == vtd::Granularity::pasid;
  if (!whole) {
    flush.address = order.address;
    flush.pages = std::uint64_t{1} << order.address_mask;
    flush.leaf_only = order.leaf_only;
  }
  if (device_tlb && !viommu.devices.contains(order.source.value())) return Errno::eio;
  for (const auto& [virt_id, device] : viommu.devices) {
    if (device_tlb && virt_id != order.source.value()) continue;
    if (host_pasid(device, order.pasid)) add_place(device, order.pasid, flush, flushes);
  }
  return Errno::ok;
}

Invalidated Iommufd::viommu_invalidate(Thread& thread, ObjectId id,
                                       std::span<const vtd::DescriptorBits> commands) {
  thread.run(params_.invalidate);
  if (objects_.find<iommufd::Viommu>(id) != nullptr) ++stats.invalidations;
  return take_commands(thread, id, commands, params_.invalidate_entry);
}

Invalidated Iommufd::hardware_invalidate(Thread& thread, ObjectId id,
                                         std::span<const vtd::DescriptorBits> commands) {
  return take_commands(thread, id, commands, Ps(0));
}

Invalidated Iommufd::take_commands(Thread& thread, ObjectId id,
                                   std::span<const vtd::DescriptorBits> commands, Ps each) {
  const iommufd::Viommu* const viommu = objects_.find<iommufd::Viommu>(id);
  if (viommu == nullptr) return {objects_.contains(id) ? Errno::einval : Errno::enoent};
  const Pin pin(objects_, id);
  std::vector<Flush> flushes;
  Invalidated taken;
  for (const vtd::DescriptorBits& bits : commands) {
    thread.run(each);
    taken.error = add_command(*viommu, bits, flushes);
    if (taken.error != Errno::ok) break;
    ++taken.entries;
  }
  stats.entries += taken.entries;
  const Errno error = submit(thread, *viommu->driver, flushes);
  if (taken.error == Errno::ok) taken.error = error;
  return taken;
}

// A flush of the IOTLB implies one of the device's. Places that share a domain and number share
// what the IOTLB has; its devices do not. Within a batch IOTLBs come first.
Errno Iommufd::submit(Thread& thread, IommuDriver& driver, const std::vector<Flush>& flushes) {
  std::vector<vtd::Descriptor> batch;
  Errno first = Errno::ok;
  const auto send = [&] {
    if (batch.empty()) return;
    const Errno error = driver.submit(thread, std::exchange(batch, {}));
    if (first == Errno::ok) first = error;
  };
  const auto append = [&](const vtd::Descriptor& descriptor) {
    if (std::find(batch.begin(), batch.end(), descriptor) != batch.end()) return;
    batch.push_back(descriptor);
    if (batch.size() == params_.batch) send();
  };
  for (const Flush& flush : flushes) {
    const Device* const device = objects_.find<Device>(flush.device);
    if (device == nullptr) continue;
    const Bdf function = device->is.function;
    if (flush.iotlb) append(iotlb_flush(flush, driver.iommu().abilities().max_address_mask));
    if (driver.ats_enabled(function)) append(device_flush(flush, function));
  }
  send();
  return first;
}

}  // namespace viosim
