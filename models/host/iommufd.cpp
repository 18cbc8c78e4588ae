// Objects: how they come, and how they go.
// SPDX-License-Identifier: Apache-2.0
#include "models/host/iommufd.hpp"

#include <algorithm>
#include <iterator>
#include <utility>

namespace viosim {

using namespace iommufd;

namespace {

constexpr std::uint64_t page = page_4k.count();
constexpr unsigned levels = 4;
constexpr std::uint8_t four_levels = 2;  // AW

// By the largest leaves that address, frames and size allow, as Linux does.
unsigned leaf_of(Iova address, Hpa frames, Bytes size) {
  unsigned level = levels - 1;
  while ((address.value() | frames.value() | size.count()) % leaf_size(level).count() != 0) --level;
  return level;
}

// How many entries that takes.
std::int64_t leaves_of(Iova address, Hpa frames, Bytes size) {
  const Bytes leaf = leaf_size(leaf_of(address, frames, size));
  return static_cast<std::int64_t>(size.count() / leaf.count());
}

void map_area(PageTable& table, Iova address, const Ioas::Area& area) {
  table.map(address, area.frames, area.size.count() / page, area.allowed,
            leaf_of(address, area.frames, area.size));
}

// The first area that ends behind the address.
auto area_at(Ioas& ioas, Iova address) {
  const auto next = ioas.areas.upper_bound(address);
  if (next == ioas.areas.begin()) return next;
  const auto before = std::prev(next);
  return before->first + before->second.size > address ? before : next;
}

}  // namespace

Iommufd::Iommufd(Engine& engine, std::string path, const IommufdParams& params, IommufdHost& shared,
                 Workers& host, std::uint32_t number)
    : engine_(engine),
      path_(std::move(path)),
      params_(params),
      shared_(shared),
      host_(host),
      number_(number) {}

ObjectId Iommufd::add(Object::Body body, std::vector<ObjectId> holds) {
  ensure(!closed_, "an object is made in an iommufd file that is closed");
  ++stats.objects;
  return objects_.add(std::move(body), std::move(holds));
}

Result<ObjectId> Iommufd::ioas_alloc(Thread& thread) {
  thread.run(params_.object);
  return add(Ioas(std::make_unique<Mutex>(engine_, path_ + ".ioas", params_.mutex_wake)));
}

Errno Iommufd::ioas_map(Thread& thread, ObjectId id, const Mapping& mapping) {
  Ioas* const ioas = objects_.find<Ioas>(id);
  if (ioas == nullptr) return Errno::enoent;
  const std::uint64_t size = mapping.size.count();
  if (size == 0 || (size | mapping.address.value() | mapping.frames.value()) % page != 0)
    return Errno::einval;
  const Pin pin(objects_, id);
  const Guard guard(*ioas->mutex, thread);
  const auto next = area_at(*ioas, mapping.address);
  if (next != ioas->areas.end() && next->first < mapping.address + mapping.size)
    return Errno::eexist;
  const std::int64_t leaves = leaves_of(mapping.address, mapping.frames, mapping.size);
  thread.run(params_.map + params_.map_page * leaves);
  const Ioas::Area area{mapping.size, mapping.frames, mapping.allowed};
  ioas->areas[mapping.address] = area;
  for (const ObjectId table : objects_.all<HwptPaging>()) {
    const HwptPaging& paging = *objects_.find<HwptPaging>(table);
    if (paging.ioas == id) map_area(*paging.table, mapping.address, area);
  }
  return Errno::ok;
}

Result<Bytes> Iommufd::ioas_unmap(Thread& thread, ObjectId id, Iova address, Bytes size) {
  Ioas* const ioas = objects_.find<Ioas>(id);
  if (ioas == nullptr) return Errno::enoent;
  if (size.count() == 0) return Errno::einval;
  const Pin pin(objects_, id);
  const Guard guard(*ioas->mutex, thread);
  const Iova end = address + size;
  const auto first = area_at(*ioas, address);
  auto last = first;
  std::uint64_t bytes = 0;
  std::int64_t leaves = 0;
  for (; last != ioas->areas.end() && last->first < end; ++last) {
    const Ioas::Area& area = last->second;
    if (last->first < address || last->first + area.size > end) return Errno::enoent;
    bytes += area.size.count();
    leaves += leaves_of(last->first, area.frames, area.size);
  }
  if (bytes == 0) return Errno::enoent;
  thread.run(params_.map + params_.map_page * leaves);
  std::vector<PageRange> gone;
  for (auto area = first; area != last; ++area)
    gone.push_back({area->first, area->second.size.count() / page});
  ioas->areas.erase(first, last);
  for (const PageRange& range : gone) flush_second_level(thread, id, range);
  return Bytes(bytes);
}

// Nested ones have domains of their own, under which what they translated through this is cached.
void Iommufd::flush_second_level(Thread& thread, ObjectId ioas, PageRange range) {
  std::vector<std::pair<IommuDriver*, DomainId>> domains;
  for (const ObjectId id : objects_.all<HwptPaging>()) {
    const HwptPaging& paging = *objects_.find<HwptPaging>(id);
    if (paging.ioas != ioas) continue;
    paging.table->unmap(range.address, range.pages);
    domains.emplace_back(paging.driver, paging.entry.domain);
    for (const ObjectId over : objects_.all<HwptNested>()) {
      const HwptNested& nested = *objects_.find<HwptNested>(over);
      if (nested.parent == id) domains.emplace_back(nested.driver, nested.entry.domain);
    }
  }
  for (const auto& [driver, domain] : domains) driver->flush_second_level(thread, domain, range);
}

Result<ObjectId> Iommufd::hwpt_alloc(Thread& thread, const HwptAlloc& request) {
  if ((request.flags & ~(nest_parent | fault_id_valid)) != 0) return Errno::eopnotsupp;
  if (objects_.find<Device>(request.device) == nullptr) return Errno::enoent;
  const bool faults = (request.flags & fault_id_valid) != 0;
  if (faults && objects_.find<Fault>(request.fault) == nullptr) return Errno::enoent;
  const Pin device(objects_, request.device);
  if (objects_.find<Ioas>(request.parent) != nullptr) return paging_alloc(thread, request);
  return nested_alloc(thread, request);
}

Result<ObjectId> Iommufd::paging_alloc(Thread& thread, const HwptAlloc& request) {
  if (request.stage1) return Errno::eopnotsupp;
  Ioas& ioas = *objects_.find<Ioas>(request.parent);
  IommuDriver& driver = *objects_.find<Device>(request.device)->is.driver;
  const Pin pin(objects_, request.parent);
  const Guard guard(*ioas.mutex, thread);
  std::int64_t leaves = 0;
  for (const auto& [at, area] : ioas.areas) leaves += leaves_of(at, area.frames, area.size);
  thread.run(params_.allocate_table + params_.map_page * leaves);
  const Result<DomainId> domain = driver.take_domain();
  if (!domain.ok()) return domain.error();
  HwptPaging paging;
  paging.driver = &driver;
  paging.ioas = request.parent;
  paging.table =
      std::make_unique<PageTable>(driver.iommu().memory(), TableFormat::second_level, levels);
  for (const auto& [at, area] : ioas.areas) map_area(*paging.table, at, area);
  paging.nest_parent = (request.flags & nest_parent) != 0;
  paging.entry.type = vtd::PasidEntry::Type::second_level;
  paging.entry.address_width = four_levels;
  paging.entry.second_level = paging.table->root();
  paging.entry.domain = domain.value();
  if (trace.on()) {
    trace.emit({.kind = EventKind::second_stage,
                .time = engine_.now(),
                .address = paging.table->root().value()});
  }
  std::vector<ObjectId> holds{request.parent};
  if ((request.flags & fault_id_valid) != 0) holds.push_back(paging.fault = request.fault);
  return add(std::move(paging), std::move(holds));
}

Result<ObjectId> Iommufd::nested_alloc(Thread& thread, const HwptAlloc& request) {
  const iommufd::Viommu* const viommu = objects_.find<iommufd::Viommu>(request.parent);
  const ObjectId parent = viommu != nullptr ? viommu->parent : request.parent;
  const HwptPaging* const paging = objects_.find<HwptPaging>(parent);
  IommuDriver& driver = *objects_.find<Device>(request.device)->is.driver;
  if (paging == nullptr) return Errno::einval;
  constexpr std::uint64_t known =
      VtdStage1::supervisor | VtdStage1::extended_accessed | VtdStage1::write_protect;
  if ((request.flags & nest_parent) != 0 || !request.stage1 ||
      (request.stage1->flags & ~known) != 0 || !driver.iommu().abilities().nesting) {
    return Errno::eopnotsupp;
  }
  if (!paging->nest_parent || paging->driver != &driver) return Errno::einval;
  const Pin pin(objects_, request.parent);
  thread.run(params_.allocate_table);
  const Result<DomainId> domain = driver.take_domain();
  if (!domain.ok()) return domain.error();
  const VtdStage1& stage1 = *request.stage1;
  HwptNested nested;
  nested.driver = &driver;
  nested.parent = parent;
  nested.width_known = stage1.address_width == 48 || stage1.address_width == 57;
  nested.entry = paging->entry;
  nested.entry.type = vtd::PasidEntry::Type::nested;
  nested.entry.domain = domain.value();
  nested.entry.first_level = Hpa(stage1.root.value());
  nested.entry.first_level_mode = stage1.address_width == 57 ? 1 : 0;
  nested.entry.supervisor_requests = (stage1.flags & VtdStage1::supervisor) != 0;
  nested.entry.extended_accessed = (stage1.flags & VtdStage1::extended_accessed) != 0;
  nested.entry.write_protect = (stage1.flags & VtdStage1::write_protect) != 0;
  std::vector<ObjectId> holds{request.parent};
  if ((request.flags & fault_id_valid) != 0) holds.push_back(nested.fault = request.fault);
  return add(std::move(nested), std::move(holds));
}

Result<ObjectId> Iommufd::fault_alloc(Thread& thread) {
  thread.run(params_.object);
  auto& queue = queues_.emplace_back(std::make_unique<FaultQueue>(
      engine_, params_.fault_limit, number_, fault_stats, [this](FaultQueue& late) {
        host_.post([this, &late](Thread& worker) {
          late.answer_expired(
              [this, &worker](const FaultGroup& group) { answer(worker, {group}); });
        });
      }));
  const ObjectId id = add(Fault{queue.get()});
  objects_.use(id);  // its file
  return id;
}

void Iommufd::fault_close(Thread& thread, ObjectId id) {
  Fault* const fault = objects_.find<Fault>(id);
  if (fault == nullptr || !std::exchange(fault->open, false)) return;
  thread.run(params_.destroy);
  objects_.unuse(id);
}

Result<ObjectId> Iommufd::viommu_alloc(Thread& thread, ObjectId device, ObjectId hwpt) {
  const Device* const of = objects_.find<Device>(device);
  const HwptPaging* const paging = objects_.find<HwptPaging>(hwpt);
  if (of == nullptr || paging == nullptr) return Errno::enoent;
  IommuDriver* const driver = of->is.driver;
  if (!paging->nest_parent || paging->driver != driver) return Errno::einval;
  const Pin pin(objects_, hwpt);
  thread.run(params_.object);
  return add(iommufd::Viommu{driver, hwpt, {}}, {hwpt});
}

Result<ObjectId> Iommufd::vdevice_alloc(Thread& thread, ObjectId viommu, ObjectId device,
                                        std::uint64_t virt_id) {
  iommufd::Viommu* const of = objects_.find<iommufd::Viommu>(viommu);
  Device* const is = objects_.find<Device>(device);
  if (of == nullptr || is == nullptr) return Errno::enoent;
  if (of->driver != is->is.driver) return Errno::einval;
  const Pin one(objects_, viommu);
  const Pin other(objects_, device);
  const Guard guard(*is->mutex, thread);
  thread.run(params_.object);
  if (is->vdevice != no_object || of->devices.contains(virt_id)) return Errno::eexist;
  const ObjectId id = add(Vdevice{viommu, device, virt_id}, {viommu});
  of->devices[virt_id] = device;
  is->vdevice = id;
  return id;
}

// It is gone for everybody at once; what it was made of is given back then.
Errno Iommufd::destroy(Thread& thread, ObjectId id) {
  thread.run(params_.destroy);
  if (!objects_.contains(id)) return Errno::enoent;
  if (objects_.users(id) > 0) {
    ++stats.refused;
    return Errno::ebusy;
  }
  ++stats.destroyed;
  const std::unique_ptr<Object> object = objects_.remove(id);
  release(thread, *object);
  return Errno::ok;
}

void Iommufd::release(Thread& thread, Object& object) {
  if (const auto* vdevice = std::get_if<Vdevice>(&object.body)) {
    objects_.find<iommufd::Viommu>(vdevice->viommu)->devices.erase(vdevice->virt_id);
    objects_.find<Device>(vdevice->device)->vdevice = no_object;
  }
  const Hwpt* hwpt = std::get_if<HwptPaging>(&object.body);
  if (hwpt == nullptr) hwpt = std::get_if<HwptNested>(&object.body);
  if (hwpt == nullptr) return;
  ensure(hwpt->attached.empty(), "a page table is destroyed while it is attached");
  hwpt->driver->give_back_domain(thread, hwpt->entry.domain);
}

// Devices first, which use what else there is; then whatever nobody uses any more.
void Iommufd::close(Thread& thread) {
  if (closed_) return;
  stats.reclaimed = objects_.size();
  for (const ObjectId device : objects_.all<Device>()) unbind(thread, device);
  closed_ = true;
  for (const ObjectId fault : objects_.all<Fault>()) fault_close(thread, fault);
  while (objects_.size() > 0) {
    const std::vector<ObjectId> unused = objects_.unused();
    ensure(!unused.empty(), "the objects of a closed iommufd file use each other");
    for (const ObjectId id : unused) {
      const std::unique_ptr<Object> object = objects_.remove(id);
      thread.run(params_.destroy);
      release(thread, *object);
    }
  }
}

}  // namespace viosim
