// Binding, unbinding, and what a process does meanwhile.
// SPDX-License-Identifier: Apache-2.0
#include "models/kernel/sva.hpp"

#include <algorithm>
#include <utility>

namespace viosim {

Sva::Sva(Engine& engine, const std::string& path, const SvaParams& params, PasidSpace& pasids,
         Mutex& pasid_mutex)
    : engine_(engine),
      params_(params),
      pasids_(pasids),
      lock_(engine, path + ".sva_lock", params.mutex_wake),
      pasid_mutex_(pasid_mutex) {}

void Sva::add_iommu(IommuDriver& driver, PageRequestThread* requests, IoPageFaults* faults) {
  iommus_.push_back({&driver, requests, faults});
}

const Sva::Iommu* Sva::iommu_of(Bdf source) const {
  for (const Iommu& iommu : iommus_) {
    if (iommu.driver->function(source) != nullptr) return &iommu;
  }
  return nullptr;
}

Errno Sva::check(const Iommu& iommu, Bdf source, const DeviceOptions& options) const {
  if (iommu.driver->pasid_limit(source) == 0) return Errno::enodev;
  if ((options.features & io_page_faults) == 0) return Errno::ok;
  if (!iommu.driver->ats_enabled(source) || !iommu.driver->page_requests_enabled(source))
    return Errno::einval;
  return iommu.faults == nullptr ? Errno::enodev : Errno::ok;
}

Errno Sva::device_init(Thread& thread, Bdf source, const DeviceOptions& options) {
  const Guard guard(lock_, thread);
  const Iommu* const iommu = iommu_of(source);
  if (iommu == nullptr) return Errno::enodev;
  if ((options.features & ~io_page_faults) != 0) return Errno::einval;
  if (devices_.contains(source)) return Errno::eexist;
  if (const Errno error = check(*iommu, source, options); error != Errno::ok) return error;
  Device device{*iommu, {}, options.reserved, (options.features & io_page_faults) != 0};
  device.range.min = std::max(params_.min_pasid, options.min_pasid);
  device.range.max = iommu->driver->pasid_limit(source) - 1;
  if (options.max_pasid != 0) device.range.max = std::min(device.range.max, options.max_pasid);
  if (device.range.max < device.range.min) return Errno::einval;
  if (const Errno error = claim(options.reserved); error != Errno::ok) return error;
  PageFaultHandler* const faults = options.faults != nullptr ? options.faults : iommu->faults;
  const Errno error =
      device.faults ? iommu->requests->register_handler(source, *faults) : Errno::ok;
  if (error != Errno::ok) {
    give_back(options.reserved);
    return error;
  }
  devices_.emplace(source, device);
  return Errno::ok;
}

// Reserved numbers are taken from the allocator, once for all devices that have them; 0 never is
// given to a process.
Errno Sva::claim(const std::vector<Pasid>& numbers) {
  for (std::size_t i = 0; i < numbers.size(); ++i) {
    const Pasid number = numbers[i];
    if (number.value() < params_.min_pasid || ++claimed_[number].devices > 1) continue;
    const Result<bool> held = take_reserved(number);
    if (held.ok()) {
      claimed_[number].held = held.value();
      continue;
    }
    claimed_.erase(number);
    give_back({numbers.begin(), numbers.begin() + static_cast<std::ptrdiff_t>(i)});
    return held.error();
  }
  return Errno::ok;
}

// Whether it is the kernel's already.
Result<bool> Sva::take_reserved(Pasid number) {
  const ioasid::Ioasid wanted = number.value();
  if (!pasids_.knows_ranges()) {
    if (pasids_.space().find(nullptr, wanted)) return Errno::ebusy;
    return false;
  }
  const ioasid::Ioasid got = pasids_.alloc(&claimed_, {wanted, wanted}, nullptr);
  if (got == wanted) return true;
  if (got != ioasid::invalid_ioasid) pasids_.free(got);
  return Errno::ebusy;
}

void Sva::give_back(const std::vector<Pasid>& numbers) {
  for (const Pasid number : numbers) {
    const auto claimed = claimed_.find(number);
    if (claimed == claimed_.end() || --claimed->second.devices > 0) continue;
    const bool held = claimed->second.held;
    claimed_.erase(claimed);
    if (held) pasids_.free(number.value());
  }
}

void Sva::lay_reserved_down(Thread& thread) {
  const Guard guard(lock_, thread);
  for (auto& [number, claimed] : claimed_)
    if (std::exchange(claimed.held, false)) pasids_.free(number.value());
}

void Sva::take_reserved_again(Thread& thread) {
  const Guard guard(lock_, thread);
  for (auto& [number, claimed] : claimed_) {
    if (claimed.held) continue;
    const Result<bool> held = take_reserved(number);
    claimed.held = held.ok() && held.value();
  }
}

std::size_t Sva::reserved_held() const {
  return static_cast<std::size_t>(std::count_if(claimed_.begin(), claimed_.end(),
                                                [](const auto& each) { return each.second.held; }));
}

Errno Sva::device_shutdown(Thread& thread, Bdf source) {
  const Guard guard(lock_, thread);
  const auto found = devices_.find(source);
  if (found == devices_.end()) return Errno::enodev;
  const Guard inner(pasid_mutex_, thread);
  for (;;) {
    const auto bond = bonds_.lower_bound({source, Pasid(0)});
    if (bond == bonds_.end() || bond->first.first != source) break;
    end(thread, bond, engine_.now());
  }
  if (found->second.faults) {
    const Errno error = found->second.iommu.requests->unregister_handler(source);
    if (error != Errno::ok) return error;
  }
  give_back(found->second.reserved);
  devices_.erase(found);
  return Errno::ok;
}

std::vector<Sva::Bond> Sva::bonds_of(const Mm& mm) const {
  std::vector<Bond> found;
  const auto look = [&](Bdf source, Pasid pasid) {
    const auto bond = bonds_.find({source, pasid});
    if (bond != bonds_.end() && bond->second.mm == &mm) found.push_back(bond->second);
  };
  for (const auto& [source, device] : devices_) {
    const IommuFunction* const function = device.iommu.driver->function(source);
    if (function != nullptr) look(source, function->rid_pasid);
    if (mm.pasid) look(source, *mm.pasid);
  }
  return found;
}

Result<Pasid> Sva::bind(Thread& thread, Bdf source, Mm& mm, const BindOptions& options) {
  const Instant since = engine_.now();
  const bool reversed = injection.skips(FlowStep::bind_lock_order);
  const Guard guard(reversed ? pasid_mutex_ : lock_, thread);
  const Guard inner(reversed ? lock_ : pasid_mutex_, thread);
  const std::uint64_t before = stats.bound;
  const Result<Pasid> result = bind_locked(thread, source, mm, options, since);
  ++(result.ok() ? stats.binds : stats.refused);
  if (stats.bound != before) bind_latency.record(engine_.now() - since);
  return result;
}

Result<Pasid> Sva::bind_locked(Thread& thread, Bdf source, Mm& mm, const BindOptions& options,
                               Instant since) {
  const auto found = devices_.find(source);
  if (found == devices_.end() || disabled_) return Errno::enodev;
  if (options.supervisor) return Errno::eopnotsupp;
  if (mm.dying()) return Errno::einval;
  const Device& device = found->second;
  Bond bond{source, &mm, {}, IommuDriver::first_level_domain, options.client};
  if (options.without_pasid) {
    bond.pasid = device.iommu.driver->function(source)->rid_pasid;
  } else {
    if (const Errno error = give_pasid(device, mm); error != Errno::ok) return error;
    bond.pasid = *mm.pasid;
  }
  const auto known = bonds_.find({source, bond.pasid});
  if (known != bonds_.end()) {
    if (known->second.mm != &mm) return Errno::ebusy;
    ++known->second.users;
    return bond.pasid;
  }
  if (options.without_pasid) {
    if (const Errno error = take_requests(device, mm, bond); error != Errno::ok) return error;
  }
  const Errno error = make(thread, device, bond, options.without_pasid || !device.faults);
  if (error != Errno::ok) return error;
  ++stats.bound;
  if (trace.on()) tell(EventKind::bind, bond, since);
  return bond.pasid;
}

// Linux' iommu_sva_alloc_pasid. The number stays with the process also when the bind fails later.
Errno Sva::give_pasid(const Device& device, Mm& mm) {
  if (mm.pasid) {
    const ioasid::Ioasid number = mm.pasid->value();
    const bool beyond = params_.max_exclusive && number == device.range.max;
    return beyond || !device.range.contains(number) ? Errno::eoverflow : Errno::ok;
  }
  const ioasid::Ioasid number = allocate(device, mm);
  if (number == ioasid::invalid_ioasid) return Errno::enomem;
  mm.take_pasid(Pasid(number));
  mm.add_notifier(*this);
  ++stats.pasids;
  return Errno::ok;
}

// Of a backend that knows no range what is reserved comes sooner or later, and stays the kernel's. What is too
// low for the device is kept aside until something higher has come: given back at once it would come again.
ioasid::Ioasid Sva::allocate(const Device& device, Mm& mm) {
  const bool chooses = pasids_.enforces_range() && !pasids_.knows_ranges();
  const ioasid::Range range{chooses ? 1 : device.range.min, device.range.max};
  std::vector<ioasid::Ioasid> aside;
  ioasid::Ioasid number = ioasid::invalid_ioasid;
  for (;;) {
    number = pasids_.alloc(this, range, &mm);
    if (number == ioasid::invalid_ioasid) break;
    if (const auto claimed = claimed_.find(Pasid(number)); claimed != claimed_.end()) {
      pasids_.space().set_data(number, nullptr);
      claimed->second.held = true;
    } else if (chooses && number < device.range.min) {
      aside.push_back(number);
    } else {
      break;
    }
  }
  for (const ioasid::Ioasid low : aside) pasids_.free(low);
  return number;
}

// All processes' entries of requests without a PASID have the same one: their domains tell them
// apart.
Errno Sva::take_requests(const Device& device, Mm& mm, Bond& bond) {
  for (const Region& window : windows) {
    if (const Errno error = mm.reserve(window.base, window.pages); error != Errno::ok) return error;
  }
  const Result<DomainId> domain = device.iommu.driver->take_domain();
  if (!domain.ok()) return domain.error();
  bond.domain = domain.value();
  return Errno::ok;
}

// The bond is known before its entry is present: pages that go meanwhile are flushed for it, too.
Errno Sva::make(Thread& thread, const Device& device, const Bond& bond, bool pin) {
  Mm& mm = *bond.mm;
  mm.get();
  mm.add_notifier(*this);
  const auto at = bonds_.emplace(Key{bond.source, bond.pasid}, bond).first;
  Errno error = pin ? mm.populate(thread) : Errno::ok;
  if (error == Errno::ok) {
    vtd::PasidEntry entry;
    entry.type = vtd::PasidEntry::Type::first_level;
    entry.domain = bond.domain;
    entry.first_level = mm.table().root();
    entry.first_level_mode = static_cast<std::uint8_t>(mm.table().levels() - 4);
    error = device.iommu.driver->set_up(thread, bond.source, bond.pasid, entry);
  }
  if (error != Errno::ok) forget(thread, at);
  return error;
}

void Sva::tell(EventKind kind, const Bond& bond, Instant since) const {
  trace.emit({.kind = kind,
              .time = engine_.now(),
              .pasid = bond.pasid,
              .address = bond.pasid.value(),
              .value = bond.source.value(),
              .code = bond.domain == IommuDriver::first_level_domain ? trace_code::of_process
                                                                     : trace_code::without_pasid,
              .duration = engine_.now() - since});
}

void Sva::forget(Thread& thread, Bonds::iterator bond) {
  const Bond old = bond->second;
  bonds_.erase(bond);
  if (old.domain != IommuDriver::first_level_domain)
    devices_.at(old.source).iommu.driver->give_back_domain(thread, old.domain);
  old.mm->put(thread);
}

// Linux takes the pair off its list first; here pages that go are flushed until the entry is gone.
void Sva::end(Thread& thread, Bonds::iterator bond, Instant since) {
  const Bond old = bond->second;
  IommuDriver& driver = *devices_.at(old.source).iommu.driver;
  const bool shared_domain = old.domain == IommuDriver::first_level_domain;
  if (!shared_domain || !injection.skips(FlowStep::unbind_tear_down, old.pasid))
    driver.tear_down(thread, old.source, old.pasid);
  if (devices_.at(old.source).faults && !injection.skips(FlowStep::unbind_drain, old.pasid))
    driver.drain_page_requests(thread, old.source, old.pasid, old.domain);
  if (trace.on()) tell(EventKind::unbind, old, since);
  forget(thread, bonds_.find({old.source, old.pasid}));
}

Errno Sva::unbind(Thread& thread, Bdf source, Pasid pasid) {
  const Instant since = engine_.now();
  const Guard guard(lock_, thread);
  const Guard inner(pasid_mutex_, thread);
  if (!devices_.contains(source)) return Errno::enodev;
  const auto bond = bonds_.find({source, pasid});
  if (bond == bonds_.end()) return Errno::einval;
  ++stats.unbinds;
  if (--bond->second.users > 0) return Errno::ok;
  end(thread, bond, since);
  unbind_latency.record(engine_.now() - since);
  return Errno::ok;
}

// Whoever gives notice waits until it has been heeded.
bool Sva::lost(Thread& thread, Message notice, const Mm& mm) const {
  const Ruling ruling = injection.ask(notice, mm.pasid.value_or(no_pasid));
  if (ruling.fate == Fate::delay) thread.sleep(ruling.by);
  return ruling.fate == Fate::drop;
}

// Each device by itself, though they may share what an IOTLB holds of it: as Linux does.
void Sva::invalidate_range(Thread& thread, Mm& mm, PageRange range) {
  const Instant since = engine_.now();
  range.leaf_only = params_.flush_leaf_only;
  const std::vector<Bond> bonds = bonds_of(mm);
  if (!bonds.empty() && injection.on() && lost(thread, Message::unmap_notice, mm)) return;
  for (const Bond& bond : bonds) {
    const auto device = devices_.find(bond.source);
    if (device == devices_.end()) continue;
    device->second.iommu.driver->flush_first_level(thread, bond.source, bond.pasid, bond.domain,
                                                   range);
  }
  if (!bonds.empty()) flush_latency.record(engine_.now() - since);
}

// Drivers stop their devices first; what does not obey is blocked, and its faults are not reported.
void Sva::release(Thread& thread, Mm& mm) {
  if (injection.on() && !bonds_of(mm).empty() && lost(thread, Message::exit_notice, mm)) return;
  for (const Bond& bond : bonds_of(mm)) {
    if (bond.client != nullptr) bond.client->mm_exit(thread, bond.source, bond.pasid);
  }
  const Guard guard(pasid_mutex_, thread);
  for (const Bond& bond : bonds_of(mm)) {
    const auto device = devices_.find(bond.source);
    if (device == devices_.end() || !bonds_.contains({bond.source, bond.pasid})) continue;
    if (injection.skips(FlowStep::exit_tear_down, bond.pasid)) continue;
    device->second.iommu.driver->tear_down(thread, bond.source, bond.pasid, true);
    ++stats.released;
  }
}

void Sva::dropped(Thread& /*thread*/, Mm& mm) {
  if (mm.pasid) pasids_.free(mm.pasid->value());
  mm.pasid.reset();
}

Mm* Sva::owner(Pasid pasid) {
  const ioasid::Found found = pasids_.space().find(this, pasid.value());
  Mm* const mm = found ? static_cast<Mm*>(found.data) : nullptr;
  return mm == nullptr || mm->dying() ? nullptr : mm;
}

}  // namespace viosim
