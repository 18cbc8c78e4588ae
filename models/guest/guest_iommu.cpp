// Descriptors into the guest's ring, the doorbell, and the page request queue.
// SPDX-License-Identifier: Apache-2.0
#include "models/guest/guest_iommu.hpp"

#include "models/iommu/vtd/page_request_queue.hpp"
#include "models/iommu/vtd/registers.hpp"

#include <bit>

namespace viosim {
namespace {

constexpr unsigned entry_shift = 5;  // both rings have entries of 32 bytes
constexpr std::uint32_t status_done = 2;
constexpr std::uint32_t kept_free = 2;

std::uint64_t frames(std::uint64_t bytes) {
  return (bytes + page_4k.count() - 1) / page_4k.count();
}

}  // namespace

GuestIommu::GuestIommu(Viommu& viommu, Hpa root, const GuestIommuParams& params)
    : viommu_(viommu),
      params_(params),
      lock_(viommu.machine().engine(), viommu.path() + ".queue", params.lock),
      ring_(viommu.memory().allocate_frames(frames(std::uint64_t{params.entries} << entry_shift))),
      status_(viommu.memory().allocate_frames(frames(std::uint64_t{params.entries} * 8))) {
  ensure(std::has_single_bit(params.entries), "a ring's size is no power of two");
  const Hpa page_requests = viommu.memory().allocate_frames(
      frames(std::uint64_t{viommu.params().page_request_entries} << entry_shift));
  viommu.set_up(ring_, params.entries, page_requests, root);
}

void GuestIommu::write_at(std::uint32_t entry, const vtd::Descriptor& descriptor) {
  const vtd::DescriptorBits bits = descriptor.encode();
  const Hpa at = ring_ + Bytes(std::uint64_t{entry} << entry_shift);
  for (std::size_t word = 0; word < bits.size(); ++word)
    memory().write(at + Bytes(word * 8), bits[word]);
}

void GuestIommu::write(const vtd::Descriptor& descriptor) {
  write_at(tail_, descriptor);
  tail_ = (tail_ + 1) & (params_.entries - 1);
}

Errno GuestIommu::submit(Thread& thread, std::span<const vtd::Descriptor> descriptors, bool drain) {
  ensure(descriptors.size() + 1 + kept_free < params_.entries,
         "a submission is larger than the invalidation queue");
  if (!drain && viommu_.takes_directly(descriptors) && submit_directly(thread, descriptors))
    return Errno::ok;
  const Instant since = thread.now();
  const Guard guard(lock_, thread);
  ++stats.submissions;
  stats.descriptors += descriptors.size();
  for (const vtd::Descriptor& descriptor : descriptors) write(descriptor);
  vtd::Descriptor wait;
  wait.status_write = true;
  wait.status_data = status_done;
  wait.status_address = status_ + Bytes(std::uint64_t{tail_} * 8);
  wait.page_drain = drain;
  memory().write(wait.status_address, 0);
  write(wait);
  thread.run(params_.descriptor_write * static_cast<std::int64_t>(descriptors.size() + 1));
  viommu_.write(thread, vtd::reg::iqt, std::uint64_t{tail_} << entry_shift);
  const Errno error = wait_for(thread, wait.status_address);
  latency.record(thread.now() - since);
  return error;
}

// As on hardware: the lock is not held while the status is polled. What is written to the ring is not
// read by anybody here; it takes its time. False: the queue is gone, and its doorbell leaves the guest.
bool GuestIommu::submit_directly(Thread& thread, std::span<const vtd::Descriptor> descriptors) {
  const Instant since = thread.now();
  {
    const Guard guard(lock_, thread);
    thread.run(params_.descriptor_write * static_cast<std::int64_t>(descriptors.size() + 1));
  }
  if (viommu_.invalidate_directly(thread, descriptors) != Errno::ok) return false;
  ++stats.submissions;
  stats.descriptors += descriptors.size();
  latency.record(thread.now() - since);
  return true;
}

// Each look at a status that has not come yet is one at the fault status, too.
Errno GuestIommu::wait_for(Thread& thread, Hpa status) {
  constexpr Ps longest = 10s;  // Linux polls for ever; nothing that goes right takes so long
  const Instant since = thread.now();
  Errno error = Errno::ok;
  while (static_cast<std::uint32_t>(memory().read(status)) != status_done) {
    const std::uint64_t faults = viommu_.read(thread, vtd::reg::fsts);
    if (faults == viommu_reg::absent) {
      ++stats.lost;
      return Errno::enodev;
    }
    if ((faults & vtd::fault_status::queue_error) != 0) {
      if (error == Errno::ok) ++stats.refused;
      error = Errno::einval;
      replace_refused(thread);
    } else {
      thread.run(params_.poll);
    }
    if (thread.now() - since > longest) {
      throw LivelockError(viommu_.path() + " did not write a wait descriptor's status, which its " +
                          "guest has polled for 10 s");
    }
  }
  return error;
}

// Linux' qi_check_fault: a wait descriptor takes the place of the one that was not taken. This one
// tells nobody.
void GuestIommu::replace_refused(Thread& thread) {
  const std::uint64_t head = viommu_.read(thread, vtd::reg::iqh);
  if (head == viommu_reg::absent) return;
  write_at(static_cast<std::uint32_t>(head >> entry_shift) & (params_.entries - 1), {});
  viommu_.write(thread, vtd::reg::fsts, vtd::fault_status::queue_error);
}

PageRequest GuestPageRequests::entry(std::uint32_t at) const {
  const TableMemory& memory = viommu_.memory();
  const Hpa place = viommu_.page_requests() + Bytes(std::uint64_t{at} << entry_shift);
  return vtd::PageRequestEntry::decode({memory.read(place), memory.read(place + Bytes(8)), 0, 0});
}

std::optional<std::uint32_t> GuestPageRequests::place(Thread& thread, std::uint32_t offset) {
  const std::uint64_t read = viommu_.read(thread, offset);
  if (read == viommu_reg::absent) return std::nullopt;
  return static_cast<std::uint32_t>(read >> entry_shift) & (entries() - 1);
}

void GuestPageRequests::write_head(Thread& thread, std::uint32_t head) {
  viommu_.write(thread, viommu_reg::pqh, std::uint64_t{head} << entry_shift);
}

void GuestPageRequests::clear_pending(Thread& thread) {
  viommu_.write(thread, viommu_reg::prs, viommu_reg::pending);
}

bool GuestPageRequests::overflow(Thread& thread) {
  const std::uint64_t status = viommu_.read(thread, viommu_reg::prs);
  return status != viommu_reg::absent && (status & viommu_reg::overflow) != 0;
}

void GuestPageRequests::clear_overflow(Thread& thread) {
  viommu_.write(thread, viommu_reg::prs, viommu_reg::overflow);
}

}  // namespace viosim
