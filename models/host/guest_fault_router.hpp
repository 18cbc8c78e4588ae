// Page requests of functions that machines use, all of them or slices: to the machine that has the PASID,
// or to the host's own handler.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "models/host/assigned_device.hpp"
#include "models/kernel/page_request_thread.hpp"

#include <cstddef>
#include <cstdint>
#include <map>
#include <vector>

namespace viosim {

// Handler of the functions behind one IOMMU. Groups that a guest leaves without an answer when its
// PASID is unbound are answered by its machine's side of the host, before anybody drains.
class GuestFaultRouter final : public PageFaultHandler {
 public:
  // `own`: of the host's processes; null: there are none.
  explicit GuestFaultRouter(PageFaultHandler* own = nullptr) : own_(own) {}

  // `device`: the machine's, whose function stays the same until it is removed here.
  void add(GuestFaultTaker& machine, std::size_t device) {
    routes_[machine.function_of(device).value()].push_back({&machine, device});
  }
  void remove(const GuestFaultTaker& machine, std::size_t device) {
    const auto of = routes_.find(machine.function_of(device).value());
    if (of == routes_.end()) return;
    std::erase_if(of->second, [&](const Route& one) {
      return one.machine == &machine && one.device == device;
    });
    if (of->second.empty()) routes_.erase(of);
  }

  bool report(Thread& thread, const PageRequest& request) override {
    const auto of = routes_.find(request.source.value());
    if (of != routes_.end()) {
      for (const Route& route : of->second) {
        if (route.machine->forward_fault(route.device, request)) return true;
      }
    }
    return own_ != nullptr && own_->report(thread, request);
  }
  void discard_incomplete() override {
    for (const auto& [source, routes] : routes_) {
      for (const Route& route : routes) route.machine->discard_incomplete();
    }
    if (own_ != nullptr) own_->discard_incomplete();
  }
  void discard_group(const PageRequest& last) override {
    if (const auto of = routes_.find(last.source.value()); of != routes_.end()) {
      for (const Route& route : of->second) route.machine->discard_group(route.device, last);
    }
    if (own_ != nullptr) own_->discard_group(last);
  }
  void forget(Bdf source) override {
    if (own_ != nullptr) own_->forget(source);
  }
  void flush(Thread& thread, Bdf source, Pasid pasid) override {
    if (own_ != nullptr) own_->flush(thread, source, pasid);
  }

 private:
  struct Route {
    GuestFaultTaker* machine;
    std::size_t device;
  };
  PageFaultHandler* own_;
  std::map<std::uint16_t, std::vector<Route>> routes_;  // by the function: its slices' machines
};

}  // namespace viosim
