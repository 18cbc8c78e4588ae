// Machines that die in the middle of everything, and guests that do everything at random: at the end
// the host has nothing of them.
// SPDX-License-Identifier: Apache-2.0
#include "core/base/rng.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/vm_rig.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <string>
#include <vector>

using namespace viosim;
using namespace viosim::test;

namespace {

constexpr Bdf device{1, 0, 0};
constexpr Bdf other_device{2, 0, 0};

// Nothing of this host's devices is in its tables but what they had at the beginning.
bool no_entries(const HostRig& host) {
  for (std::uint32_t pasid = 1; pasid < 600; ++pasid)
    for (const Bdf function : {device, other_device})
      if (host.entry(function, Pasid(pasid))) return false;
  return true;
}

// A guest's life: allocates, binds, unmaps, faults, unbinds, frees. Killed at an instant.
void die_at(Ps when, const VmOptions& options) {
  HostRig host;
  VmRig vm(host, "vm0", options);
  ViommuRig& v = vm.add_viommu();
  vm.add_device(v, device);
  vm.add_device(v, other_device);
  if (vm.hypervisor.host().gives_pasids())
    REQUIRE(vm.space.register_allocator(v.ops) == ioasid::Error::ok);
  vm.job(0ns, [&](Thread& thread) {
    const ioasid::Ioasid id = vm.alloc();
    vm.bind(thread, v, device, id);
    vm.bind(thread, v, other_device, id);
    vm.unmap(thread, v, device, id);
    host.workers.post([&, id](Thread&) {
      for (const std::size_t number : {0U, 1U}) {
        const auto host_id = vm.hypervisor.host_of(number, Pasid(id));
        if (!host_id) continue;
        const Bdf function = number == 0 ? device : other_device;
        vm.fault(number, page_request(function, host_id->value(), 1, false));
        vm.fault(number, page_request(function, host_id->value(), 1));
      }
    });
    thread.sleep(60us);
    vm.unbind(thread, v, device, id);
    vm.unbind(thread, v, other_device, id);
    vm.space.free(id);
  });
  vm.job(3us, [&](Thread& thread) {
    const ioasid::Ioasid id = vm.alloc();
    vm.bind(thread, v, other_device, id);
    vm.unmap(thread, v, other_device, id);
  });
  host.job(at(VmRig::booted + when), [&](Thread&) { vm.machine.kill(); });
  host.engine.run();
  INFO("killed at " << when.count() << " ps");
  CHECK(vm.machine.closed());
  CHECK(vm.nothing_left());
  CHECK(host.pasids.space().size() == 0);
  CHECK(host.ids.sets.capacity_left() == 1U << 20U);
  CHECK(no_entries(host));
  CHECK(!host.ids.lock.held());
  CHECK(!vm.container.mutex().held());
  CHECK(!v.channel.lock().held());
  CHECK(!v.iommu.queue_lock().held());
  CHECK(!vm.machine.emulation().held());
  CHECK(vm.cpus.free() == 4);
  const auto& faults = vm.container.fault_stats();
  CHECK(faults.forwarded == 2 * (faults.answered + faults.answered_for_guest));
  if (!vm.file) return;
  const auto& groups = vm.file->fault_stats;
  CHECK(groups.delivered == groups.answered + groups.answered_for_user);
  CHECK(host.iommufd.owners.empty());
  CHECK(host.global.size() == 0);
}

class Storm {
 public:
  explicit Storm(std::uint64_t seed) : rng_(seed, "storm") {
    for (std::uint32_t i = 0; i < 3; ++i) add_machine(i);
  }

  // All machines are killed at the end, some before. What was told to the host's IOMMU, and counted.
  std::string run() {
    for (auto& vm : machines_) {
      for (int i = 0; i < 6; ++i) start_process(*vm);
      const Ps end = rng_.below(3) == 0 ? random(2ms) : 5ms;
      host_.job(at(VmRig::booted + end), [&machine = vm->machine](Thread&) { machine.kill(); });
    }
    eject_one();
    host_.iommu.before = [this](const std::string& line) {
      if (line.starts_with("response")) ++responses_;
    };
    host_.engine.run();
    check();
    return result();
  }

 private:
  void add_machine(std::uint32_t number) {
    VmOptions options;
    options.viommu.asynchronous_commands = rng_.below(2) == 0;
    options.viommu.page_request_entries = 128;
    options.vfio.free_while_bound =
        rng_.below(2) == 0 ? FreeWhileBound::refuse : FreeWhileBound::pend;
    options.vfio.quota = 8;
    options.vfio.fault_limit = 200us;
    options.scope = rng_.below(3) == 0 ? PasidScope::guest_wide : PasidScope::system_wide;
    options.commands.poll_limit = 1ms;
    options.flow = rng_.below(2) == 0 ? Flow::vfio : Flow::iommufd;
    options.iommufd.fault_limit = options.vfio.fault_limit;
    const bool sliced = options.flow == Flow::iommufd && rng_.below(2) == 0;
    auto& vm = *machines_.emplace_back(
        std::make_unique<VmRig>(host_, fmt::format("vm{}", number), options, number + 1));
    for (unsigned v = 0; v < 2; ++v) {
      ViommuRig& behind = vm.add_viommu();
      const Bdf function(number + 1, v, 0);
      functions_.push_back(function);
      vm.add_device(behind, function, sliced);
      behind.handler.code = static_cast<PageResponseCode>(rng_.below(2));
      if (vm.hypervisor.host().gives_pasids()) vm.space.register_allocator(behind.ops);
    }
  }
  Bdf function_of(const VmRig& vm, std::size_t v) const {
    return {static_cast<unsigned>(number_of(vm)) + 1, static_cast<unsigned>(v), 0};
  }
  std::size_t number_of(const VmRig& vm) const {
    const auto found = std::find_if(machines_.begin(), machines_.end(),
                                    [&](const auto& one) { return one.get() == &vm; });
    return static_cast<std::size_t>(found - machines_.begin());
  }
  Ps random(Ps below) {
    return Ps(static_cast<std::int64_t>(rng_.below(static_cast<std::uint64_t>(below.count()))));
  }

  void start_process(VmRig& vm) {
    vm.job(random(500us), [this, &vm](Thread& thread) {
      for (int round = 0; round < 12; ++round) {
        const ioasid::Ioasid id = vm.alloc();
        if (id == ioasid::invalid_ioasid) {
          thread.sleep(random(100us) + Ps(1));
          continue;
        }
        live_in(vm, thread, id);
        if (vm.space.find(nullptr, id)) vm.space.free(id);
      }
    });
  }
  void live_in(VmRig& vm, Thread& thread, ioasid::Ioasid id) {
    const std::uint64_t which = 1 + rng_.below(3);
    const bool forgets = rng_.below(10) == 0;
    for (std::size_t v = 0; v < 2; ++v)
      if ((which >> v & 1U) != 0) vm.bind(thread, *vm.viommus[v], function_of(vm, v), id);
    for (std::uint64_t i = rng_.below(6); i > 0; --i) {
      const std::size_t v = rng_.below(2);
      const std::uint64_t what = rng_.below(5);
      if (what == 0 && (which >> v & 1U) != 0) {
        change(vm, v, thread, id);
      } else if (what < 3) {
        vm.unmap(thread, *vm.viommus[v], function_of(vm, v), id);
      } else {
        fault(vm, v, id);
      }
      thread.sleep(random(30us) + Ps(1));
    }
    for (std::size_t v = 0; v < 2; ++v)
      if (!forgets && (which >> v & 1U) != 0)
        vm.unbind(thread, *vm.viommus[v], function_of(vm, v), id);
  }
  // Another page table behind the number, in place of the one that is bound.
  void change(VmRig& vm, std::size_t v, Thread& thread, ioasid::Ioasid id) {
    ViommuRig& behind = *vm.viommus[v];
    vtd::PasidEntry moved = VmRig::first_level(0x10000 + (rng_.below(16) << 12U));
    moved.present = true;
    behind.tables.set_entry(function_of(vm, v), Pasid(id), moved);
    vtd::Descriptor announce;
    announce.type = vtd::DescriptorType::pasid_cache;
    announce.granularity = vtd::Granularity::pasid;
    announce.domain = IommuDriver::first_level_domain;
    announce.pasid = Pasid(id);
    behind.iommu.submit(thread, {&announce, 1});
  }
  void fault(VmRig& vm, std::size_t v, ioasid::Ioasid id) {
    const auto group = static_cast<std::uint16_t>(next_group_++ % 512);
    host_.workers.post([this, &vm, v, id, group](Thread&) {
      const auto pasid = vm.hypervisor.host_of(v, Pasid(id));
      if (!pasid) return;
      const PageRequest request = page_request(function_of(vm, v), pasid->value(), group);
      if (vm.fault(v, request)) ++asked_;
    });
  }
  void eject_one() {
    VmRig& vm = *machines_[rng_.below(machines_.size())];
    const std::size_t v = rng_.below(2);
    host_.job(at(VmRig::booted + random(1ms)), [&vm, v](Thread& thread) {
      if (!vm.machine.alive()) return;
      try {
        vm.viommus[v]->viommu.eject(thread);
      } catch (const ThreadGone&) {
      }
    });
  }

  void check() const {
    CHECK(host_.pasids.space().size() == 0);
    CHECK(host_.ids.sets.capacity_left() == 1U << 20U);
    CHECK(host_.global.size() == 0);
    CHECK(host_.iommufd.owners.empty());
    CHECK(asked_ == responses_);
    for (const auto& vm : machines_) {
      CHECK(vm->machine.closed());
      CHECK(vm->nothing_left());
    }
    for (const Bdf function : functions_)
      for (std::uint32_t pasid = 1; pasid < 64; ++pasid)
        CHECK(!host_.entry(function, Pasid(pasid)));
  }
  std::string result() const {
    std::string text;
    for (const std::string& line : host_.iommu.log) text += line + "\n";
    for (const auto& vm : machines_) {
      text += fmt::format("{} {} {} {} {}\n", vm->machine.path(), vm->machine.paths.user_exits,
                          vm->machine.paths.ioctls,
                          vm->container.stats.allocated + (vm->file ? vm->file->stats.objects : 0),
                          vm->machine.panicked() ? vm->machine.panicked()->reason : "");
    }
    return text + fmt::format("{}", host_.engine.now().ps());
  }

  Rng rng_;
  HostRig host_;
  std::vector<std::unique_ptr<VmRig>> machines_;
  std::vector<Bdf> functions_;
  std::uint64_t next_group_ = 0;
  std::uint64_t asked_ = 0;
  std::uint64_t responses_ = 0;
};

}  // namespace

TEST_CASE("a machine may die at any instant of any operation, the host keeps nothing", "[vmm]") {
  VmOptions options;
  options.viommu.asynchronous_commands = GENERATE(false, true);
  options.flow = GENERATE(Flow::vfio, Flow::iommufd);
  options.scope = GENERATE(PasidScope::system_wide, PasidScope::guest_wide);
  if (options.flow == Flow::iommufd && options.scope == PasidScope::guest_wide) return;
  for (std::int64_t step = 0; step < 90; ++step) die_at(2300ns * step, options);
}

TEST_CASE("storms of guests end with an empty host, and are the same when repeated", "[vmm]") {
  const auto seed = GENERATE(range(1, 13));
  INFO("seed " << seed);
  const std::string once = Storm(static_cast<std::uint64_t>(seed)).run();
  const std::string again = Storm(static_cast<std::uint64_t>(seed)).run();
  CHECK(once.size() > 1000);
  CHECK(once == again);
}
