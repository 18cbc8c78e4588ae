// What processes do in a storm, and who watches.
// SPDX-License-Identifier: Apache-2.0
#include "tests/models/sva_storm.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace viosim::test {
namespace {

constexpr Iova base{0x10'0000};
constexpr unsigned processes_at_a_time = 4;
constexpr unsigned lives = 3;
constexpr unsigned acts = 30;

KernelRigParams params_of(Rng& rng) {
  KernelRigParams params;
  params.cpus = static_cast<std::uint32_t>(2 + rng.below(5));
  params.hardware.iommu.iotlb.entries = rng.below(2) == 0 ? 16 : 64;
  params.hardware.iommu.page_requests.entries = 128;
  params.frames = 400;
  return params;
}

Bdf source_of(unsigned device) { return Bdf(1 + device, 0, 0); }

}  // namespace

SvaStorm::SvaStorm(std::uint64_t seed)
    : rng_(seed, "storm"), rig_(params_of(rng_)), life_over_(rig_.rig.engine, "a process' end") {}

void SvaStorm::note(const std::string& who, const std::string& what) {
  log_ += fmt::format("{} {}: {}\n", rig_.rig.engine.now().ps(), who, what);
}

Iova SvaStorm::random_page(Rng& rng) { return base + Bytes(rng.below(slots * slot_pages) << 12U); }

void SvaStorm::run(const std::function<void(KernelRig&)>& disturb) {
  if (disturb) disturb(rig_);
  rig_.run([this](Thread& thread) {
    for (unsigned device = 0; device < device_count; ++device) {
      ScriptedDevice& added = rig_.add_device(thread, source_of(device));
      added.on_use = [this](Pasid pasid, Iova page, Hpa frame, Instant since) {
        on_use(pasid, page, frame, since);
      };
      ensure(rig_.sva.device_init(thread, source_of(device), {}) == Errno::ok, "a device failed");
    }
    for (unsigned i = 0; i < processes_at_a_time; ++i) {
      rig_.workers.post([this, i](Thread& worker) {
        for (unsigned life = 0; life < lives; ++life) live(worker, fmt::format("p{}.{}", i, life));
        life_over_.raise();
      });
    }
    for (unsigned i = 0; i < processes_at_a_time; ++i) thread.wait(life_over_);
    thread.sleep(1ms);  // until devices that were not stopped have their answers
    probe(thread);
  });
}

void SvaStorm::live(Thread& thread, const std::string& name) {
  Process& process = processes_.emplace_back(rig_.rig.engine, name);
  process.rng = Rng(rng_.below(~std::uint64_t{0}), name);
  process.mm = &rig_.add_mm();
  const Rng helper(process.rng.below(~std::uint64_t{0}), name);
  rig_.workers.post([this, &process, helper](Thread& other) {
    help(other, process, helper);
    process.helper_done.raise();
  });
  for (unsigned i = 0; i < acts; ++i) {
    act(thread, process);
    thread.sleep(Ps(static_cast<std::int64_t>(process.rng.below(20'000)) * 1000));
  }
  thread.wait(process.helper_done);
  end(thread, process);
}

// A second thread of the same process.
void SvaStorm::help(Thread& thread, Process& process, Rng rng) {
  for (unsigned i = 0; i < acts; ++i) {
    switch (rng.below(3)) {
      case 0:
        map(thread, process, rng);
        break;
      case 1:
        unmap(thread, process, rng);
        break;
      default:
        touch(thread, process, rng);
    }
    thread.sleep(Ps(static_cast<std::int64_t>(rng.below(20'000)) * 1000));
  }
}

void SvaStorm::act(Thread& thread, Process& process) {
  Rng& rng = process.rng;
  const auto device = static_cast<unsigned>(rng.below(device_count));
  switch (rng.below(8)) {
    case 0:
      return map(thread, process, rng);
    case 1:
      return unmap(thread, process, rng);
    case 2:
      return touch(thread, process, rng);
    case 3:
    case 4:
      return bind(thread, process, device);
    case 5:
      if (process.bound.contains(device)) unbind(thread, process, device, rng.below(8) != 0);
      return;
    default:
      return use(process);
  }
}

void SvaStorm::map(Thread& thread, Process& process, Rng& rng) {
  Region region;
  region.base = base + Bytes((rng.below(slots) * slot_pages) << 12U);
  region.pages = 1 + rng.below(slot_pages);
  region.permissions.write = rng.below(4) != 0;
  region.backing = rng.below(8) == 0 ? Backing::swap : Backing::memory;
  const Errno error = process.mm->map(thread, region);
  note(process.mm->name(), fmt::format("map {:#x} {}", region.base.value(), name_of(error)));
}

void SvaStorm::unmap(Thread& thread, Process& process, Rng& rng) {
  const Iova from = random_page(rng);
  const std::uint64_t pages = 1 + rng.below(2 * slot_pages);
  Unmapping& unmapping =
      process.unmappings.emplace_back(Unmapping{from, from + Bytes(pages << 12U)});
  const Errno error = process.mm->unmap(thread, from, pages);
  unmapping.over = thread.now();
  note(process.mm->name(), fmt::format("unmap {:#x} {}", from.value(), name_of(error)));
}

void SvaStorm::touch(Thread& thread, Process& process, Rng& rng) {
  const Iova page = random_page(rng);
  const Errno error = process.mm->fault(thread, page, {true, rng.below(2) == 0});
  note(process.mm->name(), fmt::format("touch {:#x} {}", page.value(), name_of(error)));
}

void SvaStorm::bind(Thread& thread, Process& process, unsigned device) {
  const Result<Pasid> result =
      rig_.sva.bind(thread, source_of(device), *process.mm, {.client = this});
  note(process.mm->name(), fmt::format("bind {} {}", device, name_of(result.error())));
  if (!result.ok()) return;
  process.pasid = result.value();
  most_pasid_ = std::max(most_pasid_, process.pasid.value());
  if (++process.bound[device] == 1) rig_.devices[device].start(process.pasid);
}

// Impolite: the device goes on using the PASID, and meets what it meets.
void SvaStorm::unbind(Thread& thread, Process& process, unsigned device, bool polite) {
  const bool last = --process.bound[device] == 0;
  if (last) process.bound.erase(device);
  if (last && polite) mm_exit(thread, source_of(device), process.pasid);
  const Errno error = rig_.sva.unbind(thread, source_of(device), process.pasid);
  note(process.mm->name(), fmt::format("unbind {} {}", device, name_of(error)));
}

void SvaStorm::mm_exit(Thread& thread, Bdf source, Pasid pasid) {
  Signal idle(rig_.rig.engine, "a device that is being stopped");
  rig_.devices[source.bus() - 1].stop(pasid, idle);
  thread.wait(idle);
}

void SvaStorm::use(Process& process) {
  for (const auto& [device, users] : process.bound) {
    const std::uint64_t number = 1 + process.rng.below(10);
    for (std::uint64_t i = 0; i < number; ++i) {
      const Iova page = random_page(process.rng);
      rig_.devices[device].access(process.pasid, page, process.rng.below(3) == 0);
    }
  }
}

// The process ends first, or its drivers unbind first.
void SvaStorm::end(Thread& thread, Process& process) {
  const bool exits_first = process.rng.below(2) == 0;
  const auto exit = [&] {
    Unmapping& all = process.unmappings.emplace_back(Unmapping{Iova(), Iova(~std::uint64_t{0})});
    process.mm->exit(thread);
    all.over = thread.now();
    note(process.mm->name(), "exit");
  };
  if (exits_first) exit();
  while (!process.bound.empty())
    unbind(thread, process, process.bound.begin()->first, process.rng.below(8) != 0);
  if (!exits_first) exit();
}

// New processes get the numbers of old ones; nothing of those may be found under them.
void SvaStorm::probe(Thread& thread) {
  std::vector<Mm*> fresh;
  for (std::uint32_t i = 0; i < most_pasid_; ++i) fresh.push_back(&rig_.add_mm());
  for (unsigned number = 0; number < device_count; ++number) {
    ScriptedDevice& device = rig_.devices[number];
    const std::uint64_t before = device.used;
    for (Mm* mm : fresh) {
      const Result<Pasid> bound = rig_.sva.bind(thread, source_of(number), *mm);
      if (!bound.ok()) {
        ++stale_;  // an old entry is in its place
        continue;
      }
      const Pasid pasid = bound.value();
      device.start(pasid);
      for (std::uint64_t page = 0; page < slots * slot_pages; ++page)
        device.access(pasid, base + Bytes(page << 12U), false, false);
    }
    thread.sleep(1ms);
    stale_ += device.used - before;
    for (Mm* mm : fresh) {
      if (mm->pasid) rig_.sva.unbind(thread, source_of(number), *mm->pasid);
    }
  }
  for (Mm* mm : fresh) mm->exit(thread);
}

// What a page's frame was at some time since the device asked is right, too.
void SvaStorm::on_use(Pasid pasid, Iova page, Hpa frame, Instant since) {
  const bool right = std::any_of(processes_.begin(), processes_.end(), [&](const Process& process) {
    if (process.pasid != pasid) return false;
    if (process.mm->table().find(page) == frame) return true;
    return std::any_of(
        process.unmappings.begin(), process.unmappings.end(), [&](const Unmapping& unmapping) {
          return unmapping.base <= page && page < unmapping.end && unmapping.over >= since;
        });
  });
  stale_ += right ? 0U : 1U;
}

std::uint64_t SvaStorm::sum(std::uint64_t ScriptedDevice::*of) const {
  std::uint64_t all = 0;
  for (const ScriptedDevice& device : rig_.devices) all += device.*of;
  return all;
}

std::string SvaStorm::leftovers() {
  std::string found;
  const auto look = [&](const char* what, std::uint64_t number) {
    if (number != 0) found += fmt::format("{}: {}\n", what, number);
  };
  look("PASIDs", rig_.pasids.space().size());
  look("bonds", rig_.sva.bonds());
  look("frames", rig_.frames.taken());
  look("groups without an answer", rig_.requests.pending());
  look("faults being handled", rig_.faults.at_work());
  look("incomplete groups", rig_.faults.incomplete());
  const vtd::PageRequestQueue& queue = rig_.rig.unit().page_requests();
  look("page requests in the queue", queue.head() ^ queue.tail());
  look("an overflow", queue.overflow() ? 1 : 0);
  look("locks", (rig_.sva.lock().held() ? 1U : 0U) + (rig_.pasid_mutex.held() ? 1U : 0U));
  for (unsigned device = 0; device < device_count; ++device) {
    for (std::uint32_t pasid = 0; pasid <= most_pasid_; ++pasid) {
      const auto at = rig_.driver.tables().entry(source_of(device), Pasid(pasid));
      for (std::uint64_t word = 0; at && word < 8; ++word)
        look("a PASID entry", rig_.rig.memory.read(*at + Bytes(word * 8)));
      look("translations in devices", rig_.devices[device].cached(Pasid(pasid)));
    }
  }
  for (const Mm& mm : rig_.mms) look("references to a process", mm.references());
  return found;
}

}  // namespace viosim::test
