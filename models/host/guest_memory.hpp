// The memory of a guest: guest physical addresses, backed by frames of the host through a
// second-stage table.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/base/error.hpp"
#include "models/host/physical_memory.hpp"
#include "models/iommu/page_table.hpp"

#include <cstdint>

namespace viosim {

// A guest's tables are written here; hardware reads them through the same second stage.
class GuestMemory final : public TableMemory {
 public:
  // All of [base, base + size) is backed by frames of `host` and mapped in `second_stage` by leaves
  // of this level, whose size divides both; host and table outlive this.
  GuestMemory(PhysicalMemory& host, PageTable& second_stage, Hpa base, Bytes size, unsigned leaf)
      : host_(host), second_stage_(second_stage), next_(base), end_(base + size) {
    const std::uint64_t pages = size.count() >> 12U;
    const std::uint64_t per_leaf = leaf_size(leaf).count() >> 12U;
    second_stage.map(Iova(base.value()), host.allocate_ram(pages, per_leaf), pages,
                     {true, true, true}, leaf);
  }

  std::uint64_t read(Hpa at) const override { return host_.read(in_host(at)); }
  void write(Hpa at, std::uint64_t word) override { host_.write(in_host(at), word); }
  Hpa allocate_frames(std::uint64_t count = 1) override {
    const Hpa frames = next_;
    next_ = next_ + Bytes(count << 12U);
    ensure(next_ <= end_, "a guest's tables need more memory than it has");
    return frames;
  }

 private:
  Hpa in_host(Hpa at) const {
    const auto found = second_stage_.find(Iova(at.value()));
    ensure(found.has_value(), "a guest's table lies where the guest has no memory");
    return *found;
  }

  PhysicalMemory& host_;
  PageTable& second_stage_;
  Hpa next_;
  Hpa end_;
};

}  // namespace viosim
