// The reference's invalidation queue: fetches in batches, executes in order.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "tests/support/reference/walks.hpp"

#include <array>
#include <vector>

namespace viosim::test::reference {

class Queue {
 public:
  Queue(World& world, Caches& caches, Walks& walks)
      : world_(world), caches_(caches), walks_(walks) {}

  void spawn() {
    world_.turns.spawn("invalidation queue", true, [this](Self& self) { serve_queue(self); });
  }
  std::uint32_t head() const { return head_; }

  // After an error software goes on like this.
  void restart() {
    queue_stopped_ = false;
    start_queue();
  }

  void write_tail(std::uint32_t tail) {
    const std::uint64_t ticket = ++world_.sequence;
    const Instant at = world_.now() + world_.params().invalidation.doorbell;
    world_.turns.spawn("doorbell", false, [this, tail, ticket, at](Self& self) {
      world_.turns.sleep_until(at);
      world_.turn(self, EventClass::invalidation, 0, ticket);
      tail_ = tail;
      if (!queue_busy_ && !queue_stopped_ && head_ != tail_) start_queue();
    });
  }

 private:
  void start_queue() {
    queue_busy_ = true;
    queue_ticket_ = ++world_.sequence;
    world_.turns.wake(*queue_);
  }

  void serve_queue(Self& self) {
    const vtd::InvalidationQueueParams& queue = world_.params().invalidation;
    queue_ = &self;
    for (;;) {
      if (queue_stopped_ || head_ == tail_) {
        queue_busy_ = false;
        world_.turns.wait(self);
      } else {
        queue_ticket_ = ++world_.sequence;
      }
      const Instant start = world_.now();
      const std::uint32_t until = tail_;
      ++world_.run.queue.batches;
      const std::uint32_t count = (until + queue.entries - head_) % queue.entries;
      world_.turns.sleep_until(start + queue.fetch + queue.fetch_each * count);
      world_.turn(self, EventClass::invalidation, 0, queue_ticket_);
      execute_all(fetch(count), self);
      if (!queue_stopped_) world_.run.batch_latency.record(world_.now() - start);
    }
  }

  // Up to the first one that does not decode.
  void execute_all(const std::vector<std::array<std::uint64_t, 2>>& batch, Self& self) {
    for (const auto& words : batch) {
      if (!vtd::Descriptor::decodable(words[0])) {
        ++world_.run.queue.errors;
        queue_stopped_ = true;
        return world_.raise(world_.stopped);
      }
      execute(words, self);
    }
  }

  std::vector<std::array<std::uint64_t, 2>> fetch(std::uint32_t count) const {
    const std::uint64_t size = world_.scalable() ? 32 : 16;
    std::vector<std::array<std::uint64_t, 2>> batch;
    for (std::uint32_t i = 0; i < count; ++i) {
      const Hpa at = world_.ring + Bytes((head_ + i) % world_.params().invalidation.entries * size);
      batch.push_back({world_.memory.read(at), world_.memory.read(at + Bytes(8))});
    }
    return batch;
  }

  void execute(const std::array<std::uint64_t, 2>& words, Self& self) {
    const auto descriptor = vtd::Descriptor::decode(words[0], words[1]);
    const std::uint64_t ticket = ++world_.sequence;
    world_.turns.sleep_until(world_.now() + cost_of(descriptor));
    world_.turn(self, EventClass::invalidation, 0, ticket);
    head_ = (head_ + 1) % world_.params().invalidation.entries;
    ++world_.run.queue.descriptors;
    if (descriptor.type != vtd::DescriptorType::wait) return invalidate(descriptor);
    ++world_.run.queue.waits;
    if (!descriptor.status_write) return;
    world_.memory.write_half(descriptor.status_address, descriptor.status_data);
    for (std::size_t number = 0; number < world_.executed.size(); ++number) {
      if (world_.small.status_of(number) == descriptor.status_address)
        world_.raise(world_.executed[number]);
    }
  }

  Ps cost_of(const vtd::Descriptor& descriptor) const {
    const vtd::InvalidationQueueParams& queue = world_.params().invalidation;
    const std::array costs{
        Ps(0),      queue.context_cache, queue.iotlb,      queue.device_tlb, queue.interrupt_cache,
        queue.wait, queue.iotlb,         queue.pasid_cache};
    const bool searches = descriptor.type == vtd::DescriptorType::iotlb &&
                          descriptor.granularity == vtd::Granularity::domain;
    const auto entries = static_cast<std::int64_t>(searches ? caches_.iotlb.size() : 0);
    return costs[static_cast<std::size_t>(descriptor.type)] + queue.iotlb_domain_each * entries;
  }

  void invalidate(const vtd::Descriptor& descriptor) {
    using vtd::DescriptorType;
    switch (descriptor.type) {
      case DescriptorType::context_cache:
        return invalidate_contexts(descriptor);
      case DescriptorType::pasid_cache:
        return invalidate_pasids(descriptor);
      case DescriptorType::iotlb:
      case DescriptorType::pasid_iotlb:
        return invalidate_pages(descriptor);
      default:
        return;
    }
  }

  void invalidate_contexts(const vtd::Descriptor& descriptor) {
    using vtd::Granularity;
    caches_.contexts.invalidate_if([&](const auto& key, const CachedContext& context) {
      if (descriptor.granularity == Granularity::device) {
        constexpr std::array<std::uint64_t, 4> compared = {0xffff, 0xfffb, 0xfff9, 0xfff8};
        const std::uint64_t bits = compared[descriptor.function_mask];
        return (key.place & bits) == (descriptor.source.value() & bits);
      }
      return descriptor.granularity == Granularity::global || world_.scalable() ||
             context.legacy.domain == descriptor.domain;
    });
    for (Walk* walk : walks_.in_flight()) walk->overtaken = true;
  }

  void invalidate_pasids(const vtd::Descriptor& descriptor) {
    using vtd::Granularity;
    caches_.pasids.invalidate_if([&](const auto& key, const vtd::PasidEntry& entry) {
      if (descriptor.granularity == Granularity::global) return true;
      return entry.domain == descriptor.domain &&
             (descriptor.granularity == Granularity::domain || key.who == descriptor.pasid.value());
    });
    for (Walk* walk : walks_.in_flight()) walk->overtaken = true;
  }

  void invalidate_pages(const vtd::Descriptor& descriptor) {
    const auto dies = [&](const CachedPage& page) { return covers(descriptor, page); };
    caches_.iotlb.invalidate_if([&](const auto&, const CachedPage& page) { return dies(page); });
    for (Walk* walk : walks_.in_flight()) {
      if (!walk->root) {
        walk->overtaken = true;
        continue;
      }
      // How large a page it is going to find is not known yet.
      for (unsigned level = 1; level <= 3; ++level) {
        if (dies(Walks::page_found(*walk, {vtd::FaultReason::none, {}, {}, level})))
          walk->stale[level] = true;
      }
    }
  }

  bool covers(const vtd::Descriptor& descriptor, const CachedPage& page) const {
    using vtd::Granularity;
    if (descriptor.granularity == Granularity::global) return true;
    if (page.domain != descriptor.domain) return false;
    if (descriptor.type == vtd::DescriptorType::pasid_iotlb && page.pasid != descriptor.pasid)
      return false;
    if (descriptor.granularity != Granularity::page) return true;
    if (descriptor.type == vtd::DescriptorType::iotlb && page.first_level) return true;
    if (descriptor.type == vtd::DescriptorType::pasid_iotlb && !page.first_level) return false;
    const std::uint64_t wanted = descriptor.address.value() >> 12U;
    const std::uint64_t size = leaf_size(page.level).count() >> 12U;
    if (wanted >= page.page && wanted < page.page + size) return true;
    const std::uint64_t compared = (std::uint64_t{1} << world_.params().page_match_bits) - 1;
    return ((page.page & compared) >> descriptor.address_mask) ==
           ((wanted & compared) >> descriptor.address_mask);
  }

  World& world_;
  Caches& caches_;
  Walks& walks_;
  Self* queue_ = nullptr;
  std::uint32_t head_ = 0;
  std::uint32_t tail_ = 0;
  bool queue_busy_ = false;
  bool queue_stopped_ = false;
  std::uint64_t queue_ticket_ = 0;
};

}  // namespace viosim::test::reference
