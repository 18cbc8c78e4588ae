// Costs and limits of an iommufd file, and what it counts.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/base/fields.hpp"
#include "core/base/stats.hpp"
#include "core/base/time.hpp"

#include <cstdint>

namespace viosim {

struct IommufdParams {
  Ps object = 500ns;
  Ps destroy = 500ns;
  Ps bind_device = 5us;
  Ps map = 1us;
  Ps map_page = 20ns;
  Ps allocate_table = 1200ns;
  Ps attach = 3500ns;
  Ps detach = 3500ns;
  Ps invalidate = 700ns;
  Ps invalidate_entry = 50ns;
  std::uint32_t batch = 16;
  Ps read_faults = 300ns;
  Ps respond = 500ns;
  Ps fault_limit = 1s;
  Ps mutex_wake = 3us;

  static constexpr auto fields() {
    using P = IommufdParams;
    return Fields{
        field("object", &P::object,
              "Work of the host's kernel to make an object that is no page table.", "assumed"),
        field("destroy", &P::destroy, "The same, to destroy one.", "assumed"),
        field("bind_device", &P::bind_device, "The same, to bind a device to the file.",
              "assumed: claims its group"),
        field("map", &P::map, "The same, to map or unmap a range, without its pages.", "assumed"),
        field("map_page", &P::map_page,
              "For each page of such a range, of the largest size that it allows: pinned, and an "
              "entry.",
              "assumed"),
        field("allocate_table", &P::allocate_table, "The same, to make a page table object.",
              "assumed: with attach, a bind of the interface of 2019-21"),
        field("attach", &P::attach,
              "The same, to attach a page table to a device or PASID, or to put one in another's "
              "place; without writing the entry.",
              "assumed: with allocate_table, a bind of the interface of 2019-21"),
        field("detach", &P::detach, "The same, to detach it.", "assumed: as attach"),
        field("invalidate", &P::invalidate, "The same, to take an array of invalidations.",
              "assumed: as the interface of 2019-21 takes one"),
        field("invalidate_entry", &P::invalidate_entry, "For each of them: copied and decoded.",
              "assumed"),
        field("batch", &P::batch,
              "Descriptors that the IOMMU's driver submits at once, with one wait.",
              "Linux 6.12: 16"),
        field("read_faults", &P::read_faults, "The same, to read what a FAULT has.", "assumed"),
        field("respond", &P::respond, "The same, to answer a group of page requests.", "assumed"),
        field("fault_limit", &P::fault_limit,
              "How long user space may take to answer a group before the host does; \"0 ps\": for "
              "ever, as in Linux.",
              "assumed: as in the interface of 2019-21"),
        field("mutex_wake", &P::mutex_wake, "Waking who waited for a mutex of the file.",
              "assumed: waking a thread")};
  }
  bool operator==(const IommufdParams&) const = default;
};

struct IommufdStats {
  std::uint64_t objects = 0;
  std::uint64_t destroyed = 0;
  std::uint64_t refused = 0;
  std::uint64_t attached = 0;
  std::uint64_t replaced = 0;
  std::uint64_t detached = 0;
  std::uint64_t invalidations = 0;
  std::uint64_t entries = 0;
  std::uint64_t reclaimed = 0;
  static constexpr auto fields() {
    using S = IommufdStats;
    return Fields{
        metric("objects", &S::objects, Unit::count, "Objects made."),
        metric("destroyed", &S::destroyed, Unit::count, "Objects destroyed by user space."),
        metric("refused", &S::refused, Unit::count, "Destructions refused: it was in use."),
        metric("attached", &S::attached, Unit::count,
               "Page tables attached to a device or a PASID of one."),
        metric("replaced", &S::replaced, Unit::count, "Of attached ones, put in another's place."),
        metric("detached", &S::detached, Unit::count, "Page tables detached."),
        metric("invalidations", &S::invalidations, Unit::count, "Arrays of invalidations taken."),
        metric("entries", &S::entries, Unit::count, "Invalidations in them."),
        metric("reclaimed", &S::reclaimed, Unit::count,
               "Objects that were still there when the file was closed.")};
  }
};

}  // namespace viosim
