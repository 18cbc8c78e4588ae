// A guest, a host that it may move to, and the functions that it gets there.
// SPDX-License-Identifier: Apache-2.0
#include "sim/actions/targets.hpp"
#include "sim/run/components.hpp"
#include "sim/run/system.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <set>

namespace viosim {
namespace {

// What a guest would notice.
bool same_kind(const AcceleratorDevice& a, const AcceleratorDevice& b) {
  return a.function == b.function && a.shared_queue == b.shared_queue &&
         a.page_requests == b.page_requests && a.pasid_width == b.pasid_width;
}

class Mover {
 public:
  Mover(System& system, const ComponentIndex& components, const MoveOrder& order,
        const Where& where)
      : system_(system), components_(components), order_(order), where_(where) {}

  std::optional<Act> run() {
    HostSoftware::GuestSystem* const guest = find_guest();
    const System::HostSystem* const host = find_host();
    if (guest == nullptr || host == nullptr) return std::nullopt;
    if (!link_leads_to(*host)) return std::nullopt;
    Migration::Target target;
    target.host = &host->software->host();
    target.name = host->path;
    if (!find_functions(*guest, *host, target)) return std::nullopt;
    return Act{guest->component, [&system = system_, guest, target]() mutable -> NotDone {
                 const auto [there, back] = system.lanes(guest->guest->host(), *target.host);
                 target.there = there;
                 target.back = back;
                 return guest->guest->migrate(target);
               }};
  }

 private:
  std::optional<std::uint32_t> find_one(const PathPattern& pattern, const Where& at,
                                        std::string_view what) const {
    const std::vector<std::uint32_t> all = components_.resolve(pattern, at);
    if (all.size() == 1) return all.front();
    if (!all.empty())
      at.reject(fmt::format("read {}, which are {} components; expected the path of one {}",
                            quote_short(pattern.text()), all.size(), what));
    return std::nullopt;
  }

  HostSoftware::GuestSystem* find_guest() const {
    const Where at = where_ / "migrate";
    const auto component = find_one(order_.guest, at, "guest");
    if (!component) return nullptr;
    for (const System::HostSystem& host : system_.hosts()) {
      if (!host.software) continue;
      for (HostSoftware::GuestSystem& guest : host.software->guests())
        if (guest.component == *component) return &guest;
    }
    at.reject(fmt::format("read {}, which is not a guest; expected the path of a guest",
                          quote_short(components_.path(*component))));
    return nullptr;
  }

  const System::HostSystem* find_host() const {
    const Where at = where_ / "to";
    const auto component = find_one(order_.to, at, "host");
    if (!component) return nullptr;
    for (const System::HostSystem& host : system_.hosts()) {
      if (host.component != *component) continue;
      if (host.software) return &host;
      at.reject(
          fmt::format("read {}, which has neither accelerators nor processes nor guests; "
                      "expected a host with software",
                      quote_short(host.path)));
      return nullptr;
    }
    at.reject(fmt::format("read {}, which is not a host; expected the path of a host",
                          quote_short(components_.path(*component))));
    return nullptr;
  }

  // From where is known when the guest moves: it may have moved before.
  bool link_leads_to(const System::HostSystem& host) const {
    const Host* const end = &host.software->host();
    const auto& links = system_.links();
    if (std::any_of(links.begin(), links.end(),
                    [&](const auto& link) { return link.first == end || link.second == end; }))
      return true;
    (where_ / "to")
        .reject(fmt::format("read {}, which no link of \"links\" leads to; expected one",
                            quote_short(host.path)));
    return false;
  }

  bool find_functions(const HostSoftware::GuestSystem& guest, const System::HostSystem& host,
                      Migration::Target& target) const {
    if (std::find(guest.slices.begin(), guest.slices.end(), true) != guest.slices.end()) {
      (where_ / "migrate")
          .reject(fmt::format(
              "read {}, which has slices of accelerators; expected a guest to which all "
              "of each is assigned: slices stay where their accelerator is",
              quote_short(guest.guest->machine.path())));
      return false;
    }
    HostSoftware& software = *host.software;
    const std::string whose = fmt::format("host \"{}\"", host.path);
    const Where at = where_ / "assign";
    std::set<DeviceNumber> seen;
    for (std::size_t i = 0; i < order_.assign.size(); ++i) {
      const std::vector<DeviceNumber> named =
          find_devices(order_.assign[i], software.groups(), at / i, whose);
      if (named.empty()) return false;
      for (const DeviceNumber number : named) {
        if (!check_function(guest, target.functions.size(), software, number,
                            seen.insert(number).second, at / i))
          return false;
        target.functions.push_back(software.function_of(number));
      }
    }
    if (target.functions.size() == guest.kinds.size()) return true;
    at.reject(fmt::format("read {} accelerators; expected {}, as many as {} has",
                          target.functions.size(), guest.kinds.size(),
                          guest.guest->machine.path()));
    return false;
  }

  static bool check_function(const HostSoftware::GuestSystem& guest, std::size_t place,
                             HostSoftware& software, DeviceNumber number, bool is_new,
                             const Where& at) {
    const HostSoftware::Accelerator& accelerator = software.accelerator(number);
    const std::string name = name_of(software.groups()[number.group], number.index);
    if (!is_new) {
      at.reject(fmt::format("read \"{}\" again; expected each accelerator once", name));
      return false;
    }
    if (accelerator.driver) {
      at.reject(fmt::format("read \"{}\", which the host itself uses; expected another one", name));
      return false;
    }
    if (place < guest.kinds.size() && !same_kind(*guest.kinds[place], *accelerator.config)) {
      at.reject(fmt::format(
          "read \"{}\"; expected one with the queues, the shared queue, the page requests and the "
          "PASID width of \"{}\", whose place it takes",
          name, guest.guest->driver(place).function().path));
      return false;
    }
    return true;
  }

  System& system_;
  const ComponentIndex& components_;
  const MoveOrder& order_;
  const Where& where_;
};

}  // namespace

std::optional<Act> Targets::move(const MoveOrder& order, const Where& where) const {
  return Mover(system_, components_, order, where).run();
}

}  // namespace viosim
