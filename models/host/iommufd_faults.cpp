// Page requests on their way to user space, and the answers.
// SPDX-License-Identifier: Apache-2.0
#include "models/host/iommufd.hpp"

#include <algorithm>
#include <utility>

namespace viosim {

using namespace iommufd;

Bdf Iommufd::function_of(std::size_t number) const {
  const Device* const device = objects_.find<Device>(ObjectId(static_cast<std::uint32_t>(number)));
  return device == nullptr ? Bdf{} : device->is.function;
}

// Groups are delivered whole.
bool Iommufd::forward_fault(std::size_t number, const PageRequest& request) {
  const ObjectId id(static_cast<std::uint32_t>(number));
  Device* const device = objects_.find<Device>(id);
  if (device == nullptr) return false;
  const auto attached = std::find_if(
      device->attachments.begin(), device->attachments.end(),
      [&](const auto& one) { return one.second.host == request.pasid && !one.second.leaving; });
  if (attached == device->attachments.end()) return false;
  const ObjectId hwpt = attached->second.hwpt;
  const ObjectId fault = objects_.hwpt(hwpt)->fault;
  if (fault == no_object) return false;
  if (!request.last) {
    device->incomplete.push_back(request);
    return true;
  }
  FaultGroup group;
  group.device = id.value();
  group.pasid = attached->first;
  group.from = device->is;
  std::erase_if(device->incomplete, [&](const PageRequest& one) {
    const bool of_group = one.group == request.group && one.pasid == request.pasid;
    if (of_group) group.requests.push_back(one);
    return of_group;
  });
  group.requests.push_back(request);
  objects_.find<Fault>(fault)->queue->deliver(std::move(group));
  return true;
}

void Iommufd::discard_incomplete() {
  for (const ObjectId id : objects_.all<Device>()) objects_.find<Device>(id)->incomplete.clear();
}

void Iommufd::discard_group(std::size_t number, const PageRequest& last) {
  Device* const device = objects_.find<Device>(ObjectId(static_cast<std::uint32_t>(number)));
  if (device == nullptr) return;
  std::erase_if(device->incomplete,
                [&](const PageRequest& one) { return one.group == last.group; });
}

void Iommufd::listen(ObjectId fault, GuestFaultListener& listener) {
  Fault* const of = objects_.find<Fault>(fault);
  ensure(of != nullptr, "nobody can listen to a FAULT that there is not");
  of->queue->listen(listener);
}

FaultQueue::Groups Iommufd::read_faults(Thread& thread, ObjectId fault) {
  Fault* const of = objects_.find<Fault>(fault);
  if (of == nullptr) return {};
  thread.run(params_.read_faults);
  return of->queue->read();
}

Errno Iommufd::write_responses(Thread& thread, ObjectId fault,
                               std::span<const FaultResponse> responses) {
  Fault* const of = objects_.find<Fault>(fault);
  if (of == nullptr) return Errno::enoent;
  FaultQueue& queue = *of->queue;
  for (const FaultResponse& response : responses) {
    thread.run(params_.respond);
    if (response.code > 1) return Errno::einval;
    const auto group = queue.match(response.cookie);
    if (!group) return Errno::einval;
    const PageRequest& last = group->requests.back();
    const auto code = response.code == 0 ? PageResponseCode::success : PageResponseCode::invalid;
    group->from.respond(thread, PageResponse::to(last, code));
  }
  return Errno::ok;
}

void Iommufd::answer(Thread& thread, const FaultQueue::Groups& groups) {
  for (const FaultGroup& group : groups) {
    const PageRequest& last = group.requests.back();
    group.from.respond(thread, PageResponse::to(last, PageResponseCode::invalid));
  }
}

void Iommufd::answer_for_user(Thread& thread, ObjectId hwpt, const Place& place) {
  const ObjectId fault = objects_.hwpt(hwpt)->fault;
  if (fault == no_object) return;
  answer(thread, objects_.find<Fault>(fault)->queue->take_of(place.device.value(), place.pasid));
}

void Iommufd::answer_for_user(Thread& thread, ObjectId id) {
  if (Fault* const fault = objects_.find<Fault>(id)) answer(thread, fault->queue->take_all());
}

std::size_t Iommufd::pending_faults() const {
  std::size_t waiting = 0;
  for (const auto& queue : queues_) waiting += queue->waiting();
  return waiting;
}

}  // namespace viosim
