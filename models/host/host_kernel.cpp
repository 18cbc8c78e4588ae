// What the kernel does at a page fault, and while it moves a page.
// SPDX-License-Identifier: Apache-2.0
#include "models/host/host_kernel.hpp"

#include "models/trace_events.hpp"

#include <fmt/format.h>

#include <utility>

namespace viosim {

HostKernel::HostKernel(std::string path, const HostKernelParams& params, Engine& engine,
                       DmaFabric& fabric, Tracer& tracer, std::uint32_t component,
                       std::uint64_t seed)
    : path_(std::move(path)),
      params_(params),
      engine_(engine),
      fabric_(fabric),
      tracer_(tracer),
      component_(component),
      rng_(seed, path_),
      fault_(engine, path_ + ": a fault to handle") {}

std::size_t HostKernel::add_space(const HostSpace& space) {
  spaces_.push_back(space);
  return spaces_.size() - 1;
}

void HostKernel::give(std::uint32_t device, std::size_t space) {
  if (space_of_.empty()) first_device_ = device;
  const std::uint32_t place = device - first_device_;
  if (space_of_.size() <= place) space_of_.resize(place + 1);
  space_of_[place] = space;
}

void HostKernel::start(Instant until) {
  engine_.spawn(path_ + ".fault_handler", Lifetime::serves, [this] { handle_faults(); });
  until_ = until;
  start_migration();
}

void HostKernel::migrate_every(Ps time) {
  params_.migrate_every = time;
  ++migration_order_;
  start_migration();
}

void HostKernel::start_migration() {
  if (params_.migrate_every == Ps(0) || spaces_.empty()) return;
  engine_.spawn(path_ + ".migration", Lifetime::finishes,
                [this, order = migration_order_] { migrate_pages(order); });
}

void HostKernel::request_faulted(const FaultedRequest& request) {
  faults_.push_back({request, engine_.now()});
  fault_.raise();
}

void HostKernel::handle_faults() {
  for (;;) {
    fault_.wait();
    const Queued fault = faults_.front();
    faults_.pop_front();
    // One interrupt serves the faults that came while the last was handled.
    const Instant awake = fault.at + params_.fault_interrupt;
    if (awake > engine_.now()) engine_.sleep_until(awake);
    handle(fault);
  }
}

void HostKernel::handle(const Queued& fault) {
  const FaultedRequest& request = fault.request;
  engine_.sleep_for(params_.fault_handling);
  const bool allowed = request.in_pages && map_on_demand(space_of_[request.device - first_device_],
                                                         request.iova, request.cookie);
  engine_.sleep_for(params_.fault_response);
  fault_latency.record(engine_.now() - fault.at);
  if (allowed) {
    ++stats.faults_handled;
    fabric_.retry(request.cookie);
  } else {
    ++stats.faults_refused;
    fabric_.abandon(request.cookie);
  }
}

bool HostKernel::map_on_demand(std::size_t number, Iova iova, std::uint64_t requester) {
  const HostSpace& space = spaces_[number];
  const Iova page = iova.page_base(page_4k);
  if (page < space.base || (page - space.base) >= space.size) return false;
  if (space.table == nullptr) return false;  // there is nothing to map it in
  if (space.table->mapped(page)) {
    asked_again(page, requester);
  } else {
    in_vain_.erase({requester, page});
  }
  const Hpa frame = space.frames + (page - space.base);
  space.table->map(page, frame, 1, {true, true});
  emit_map(page, frame, space.pasid);
  // No device TLB keeps what is absent.
  if (space.absent_cached) invalidate(space, page, {});
  return true;
}

// Some requests miss a page that has come meanwhile; few, and not for long.
void HostKernel::asked_again(Iova page, std::uint64_t requester) {
  if (++in_vain_[{requester, page}] < params_.tries) return;
  throw LivelockError(
      fmt::format("{}: a device asked {} times for the page at {:#x} after it was mapped, and its "
                  "requests still fault; an IOMMU that caches absent pages has to be told of new "
                  "ones, and a page "
                  "request queue has to hold a group",
                  path_, params_.tries, page.value()));
}

void HostKernel::migrate_pages(std::uint32_t order) {
  while (order == migration_order_ && engine_.now() + params_.migrate_every < until_) {
    engine_.sleep_for(params_.migrate_every);
    if (order != migration_order_) return;
    HostSpace& space = spaces_[rng_.below(spaces_.size())];
    if (!movable(space)) continue;
    const std::uint64_t pages = space.size.count() / page_4k.count();
    const Iova page = space.base + Bytes(rng_.below(pages) * page_4k.count());
    if (space.table->mapped(page)) migrate(space, page, Hpa(next_frame_++ << 12U));
  }
}

// The order of VT-d 3.x, 6.5: first the table, then the invalidation and its wait; only then may
// the old frame be used again.
void HostKernel::migrate(HostSpace& space, Iova page, Hpa frame) {
  engine_.sleep_for(params_.page_update);
  const Instant begin = engine_.now();
  space.table->map(page, frame, 1, {true, true});
  emit_map(page, frame, space.pasid);
  invalidate(space, page, space.device_tlbs);
  ++stats.pages_migrated;
  migration_latency.record(engine_.now() - begin);
}

void HostKernel::invalidate(const HostSpace& space, Iova page, std::span<const Bdf> device_tlbs) {
  Invalidation order;
  order.what = Invalidation::What::translations;
  order.scope =
      space.first_level ? Invalidation::Scope::space_range : Invalidation::Scope::domain_range;
  order.domain = space.domain;
  order.pasid = space.tag;
  order.address = page;
  order.leaf_only = true;
  space.driver->invalidate_and_wait(order, {device_tlbs, space.pasid});
}

void HostKernel::emit_map(Iova page, Hpa frame, Pasid pasid) {
  if (!tracer_.on()) return;
  TraceEvent event;
  event.time = engine_.now().ps();
  event.address = page.value();
  event.value = frame.value();
  event.component = component_;
  event.pasid = pasid == no_pasid ? 0 : pasid.value();
  event.kind = static_cast<std::uint16_t>(EventKind::map);
  event.code = 1;
  tracer_.emit(event);
}

}  // namespace viosim
