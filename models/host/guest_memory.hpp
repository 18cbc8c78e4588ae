// The memory of a guest: guest physical addresses, backed by frames of the host through a
// second-stage table.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/base/error.hpp"
#include "models/host/physical_memory.hpp"
#include "models/iommu/page_table.hpp"

#include <cstdint>
#include <unordered_set>

namespace viosim {

// A guest's tables are written here; hardware reads them through the same second stage.
class GuestMemory final : public TableMemory {
 public:
  // All of [base, base + size) is backed by frames of `host` and mapped in `second_stage` by leaves
  // of this level, whose size divides both; host and table outlive this.
  GuestMemory(PhysicalMemory& host, PageTable& second_stage, Hpa base, Bytes size, unsigned leaf)
      : host_(&host),
        second_stage_(&second_stage),
        base_(base),
        next_(base),
        end_(base + size),
        leaf_(leaf),
        frames_(back(host, second_stage)),
        changes_(second_stage.changes()) {}

  std::uint64_t read(Hpa at) const override { return host_->read(in_host(at)); }
  void write(Hpa at, std::uint64_t word) override {
    host_->write(in_host(at), word);
    if (notes_writes_) written_.insert(at.value() >> 12U);
  }
  // ConfigError: there are not as many left. None comes back: what ended keeps its tables.
  Hpa allocate_frames(std::uint64_t count = 1) override {
    if (count > (end_ - next_).count() >> 12U) [[unlikely]]
      run_out();
    const Hpa frames = next_;
    next_ = next_ + Bytes(count << 12U);
    return frames;
  }
  Bytes size() const { return end_ - base_; }
  // Where its first address lies; the others follow.
  Hpa begin_in_host() const { return in_host(base_); }

  // Consecutive frames of a host behind all of it, the same or another one. Returns the first.
  Hpa back(PhysicalMemory& host, PageTable& second_stage) const {
    const std::uint64_t per_leaf = leaf_size(leaf_).count() >> 12U;
    const Hpa frames = host.allocate_ram(pages(), per_leaf);
    second_stage.map(Iova(base_.value()), frames, pages(), {true, true, true}, leaf_);
    return frames;
  }
  // With all that it holds, to frames that have been put behind it by back().
  void move_to(PhysicalMemory& host, const PageTable& second_stage) {
    const auto there = second_stage.find(Iova(base_.value()));
    ensure(there.has_value(), "a guest's memory moves where none is");
    host_->copy_ram(in_host(base_), pages(), host, *there);
    host_ = &host;
    second_stage_ = &second_stage;
    frames_ = *there;
    changes_ = second_stage.changes();
  }

  // Pages written from now on are noted, until told otherwise.
  void note_writes(bool on) {
    notes_writes_ = on;
    written_.clear();
  }
  Bytes written() const { return Bytes(written_.size() << 12U); }

 private:
  std::uint64_t pages() const { return size().count() >> 12U; }
  [[noreturn]] void run_out() const;
  // Its frames are consecutive as long as nobody has changed the second stage.
  Hpa in_host(Hpa at) const {
    if (second_stage_->changes() == changes_ && base_ <= at && at < end_)
      return frames_ + (at - base_);
    const auto found = second_stage_->find(Iova(at.value()));
    ensure(found.has_value(), "a guest's table lies where the guest has no memory");
    return *found;
  }

  PhysicalMemory* host_;
  const PageTable* second_stage_;
  Hpa base_;
  Hpa next_;
  Hpa end_;
  unsigned leaf_;
  Hpa frames_;
  std::uint64_t changes_;  // of the second stage, when they were put there
  bool notes_writes_ = false;
  std::unordered_set<std::uint64_t> written_;  // pages; counted, never gone through
};

}  // namespace viosim
