// Registers and commands.
// SPDX-License-Identifier: Apache-2.0
#include "models/vmm/viommu.hpp"

#include "models/iommu/vtd/registers.hpp"

#include <algorithm>
#include <bit>

namespace viosim {
namespace {

constexpr std::uint64_t descriptor_shift = 5;  // entries of 32 bytes
constexpr std::uint64_t entry_shift = 5;       // of the page request queue

bool commands_offered(const ViommuParams& params, const Hypervisor& hypervisor) {
  return params.offer_pasids && hypervisor.host().gives_pasids();
}

}  // namespace

Viommu::Viommu(std::string path, const ViommuParams& params, Hypervisor& hypervisor,
               TableMemory& memory)
    : path_(std::move(path)),
      params_(params),
      hypervisor_(hypervisor),
      machine_(hypervisor.machine()),
      memory_(memory),
      tables_(memory),
      abilities_(viommu_abilities(params, commands_offered(params, hypervisor))),
      command_(machine_.engine(), params.layout, commands_offered(params, hypervisor)),
      command_over_(machine_.engine(), path_ + ": the virtual command is complete") {
  machine_.on_stop([this] { guest_stopped(); });
}

void Viommu::add_device(Bdf source, std::size_t device) {
  devices_.push_back({source, device});
  hypervisor_.put_behind(device, *this);
}

void Viommu::set_up(Hpa ring, std::uint32_t entries, Hpa page_requests, Hpa root) {
  ring_ = ring;
  entries_ = entries;
  page_ring_ = page_requests;
  root_ = root;
}

Ps Viommu::read_time() const { return machine_.params().vm_exit + machine_.params().user_exit; }

std::uint64_t Viommu::read(Thread& thread, std::uint32_t offset) {
  return machine_.exit_to_user(thread, [&] {
    const Guard guard(machine_.emulation(), thread);
    return answers(offset) ? read_register(offset) : viommu_reg::absent;
  });
}

void Viommu::write(Thread& thread, std::uint32_t offset, std::uint64_t value) {
  if (offset == vtd::reg::iqt) ++machine_.paths.kicks;
  machine_.exit_to_user(thread, [&] {
    const Guard guard(machine_.emulation(), thread);
    if (answers(offset)) return write_register(thread, offset, value);
    if (offset == command_.format().command_at()) tell(EventKind::command_lost);
  });
}

void Viommu::tell(EventKind kind, std::uint16_t code) const {
  const TracePoint& trace = command_trace();
  if (trace.on()) trace.emit({.kind = kind, .time = machine_.engine().now(), .code = code});
}

// The command register reads as zero: what was written is not kept.
std::uint64_t Viommu::read_register(std::uint32_t offset) const {
  const VcmdFormat& format = command_.format();
  if (offset == format.capability_at()) return command_.capability();
  if (offset == format.response_at()) return command_.response();
  switch (offset) {
    case vtd::reg::fsts:
      return queue_error_ ? vtd::fault_status::queue_error : 0;
    case vtd::reg::iqh:
      return std::uint64_t{head_} << descriptor_shift;
    case vtd::reg::iqt:
      return std::uint64_t{tail_} << descriptor_shift;
    case vtd::reg::iqa:
      return ring_.value() | 1U << 11U;
    case vtd::reg::rtaddr:
      return root_.value() | 1U << 10U;
    case viommu_reg::pqh:
      return std::uint64_t{page_head_} << entry_shift;
    case viommu_reg::pqt:
      return std::uint64_t{page_tail_} << entry_shift;
    case viommu_reg::pqa:
      return page_ring_.value();
    case viommu_reg::prs:
      return page_status_;
    default:
      return 0;
  }
}

void Viommu::write_register(Thread& thread, std::uint32_t offset, std::uint64_t value) {
  if (offset == command_.format().command_at()) return write_command(thread, value);
  switch (offset) {
    case vtd::reg::fsts:
      if ((value & vtd::fault_status::queue_error) == 0) return;
      queue_error_ = false;
      return take_descriptors(thread);
    case vtd::reg::iqt:
      tell_submitted(static_cast<std::uint32_t>(value >> descriptor_shift) & (entries_ - 1));
      tail_ = static_cast<std::uint32_t>(value >> descriptor_shift) & (entries_ - 1);
      return params_.early_waits ? announce_early() : take_descriptors(thread);
    case viommu_reg::pqh:
      page_head_ =
          static_cast<std::uint32_t>(value >> entry_shift) & (params_.page_request_entries - 1);
      return;
    case viommu_reg::prs:
      page_status_ &= ~static_cast<std::uint32_t>(value);
      return;
    default:
      return;
  }
}

void Viommu::write_command(Thread& thread, std::uint64_t value) {
  const Ruling ruling = injection.ask(Message::command);
  if (ruling.fate == Fate::drop) return;
  if (ruling.fate == Fate::delay) thread.sleep(ruling.by);
  take_command(thread, value);
  if (ruling.fate == Fate::duplicate) take_command(thread, value);
}

void Viommu::take_command(Thread& thread, std::uint64_t value) {
  const bool overwrites = command_.busy() && injection.skips(FlowStep::command_check_in_progress);
  const auto order = command_.write(value, overwrites);
  if (!order || params_.commands_hang) return;
  if (!params_.asynchronous_commands) return execute(thread, *order);
  machine_.wake_hypervisor(params_.command_wake_up,
                           [this, order](Thread& worker) { execute(worker, *order); });
}

void Viommu::execute(Thread& thread, const VirtualCommand::Order& order) {
  if (order.command.opcode == static_cast<std::uint8_t>(VcmdOpcode::allocate)) {
    allocate(thread, order.number);
  } else {
    free(thread, order);
  }
  tell_waiting();
}

// The host's range is the hypervisor's choice: the command has none. A PASID for a command that was
// reset meanwhile goes back.
void Viommu::allocate(Thread& thread, std::uint64_t order) {
  HostFlow& host = hypervisor_.host();
  const Result<Pasid> pasid = host.alloc_pasid(thread);
  if (!pasid.ok()) {
    complete(thread, order, command_.format().no_pasid());
    return;
  }
  if (!complete(thread, order, VcmdFormat::success, pasid.value()))
    host.free_pasid(thread, pasid.value());
}

void Viommu::free(Thread& thread, const VirtualCommand::Order& order) {
  const Errno error = hypervisor_.host().free_pasid(thread, order.command.pasid);
  complete(thread, order.number,
           error == Errno::ok ? VcmdFormat::success : command_.format().bad_pasid());
}

bool Viommu::complete(Thread& thread, std::uint64_t order, std::uint8_t status, Pasid result) {
  const Ruling ruling = injection.ask(Message::command_completion, result);
  if (ruling.fate == Fate::drop) return true;
  if (ruling.fate == Fate::delay) thread.sleep(ruling.by);
  const bool taken = complete_once(order, status, result);
  if (ruling.fate == Fate::duplicate) complete_once(order, status, result);
  return taken;
}

bool Viommu::complete_once(std::uint64_t order, std::uint8_t status, Pasid result) {
  const bool unasked =
      !command_.outstanding(order) && injection.skips(FlowStep::command_check_outstanding);
  return command_.complete(order, status, result, unasked);
}

const Viommu::Device* Viommu::device_at(Bdf source) const {
  const auto found = std::find_if(devices_.begin(), devices_.end(),
                                  [source](const Device& one) { return one.source == source; });
  return found == devices_.end() ? nullptr : &*found;
}

Pasid Viommu::rid_pasid(const Device& device) const {
  const auto context = tables_.context(root_, device.source);
  return context ? context->rid_pasid : Pasid(0);
}

const Shadow* Viommu::shadow(Bdf source, Pasid pasid) const {
  const auto found = shadows_.find({source, pasid});
  return found == shadows_.end() ? nullptr : &found->second;
}

// The entry goes to memory before the tail that tells of it.
void Viommu::push_page_request(Thread& thread, const ForwardedFault& fault) {
  const auto device = std::find_if(devices_.begin(), devices_.end(),
                                   [&](const Device& one) { return one.number == fault.device; });
  ensure(device != devices_.end(), "a page request reached a vIOMMU that its device is not behind");
  const std::uint32_t next = (page_tail_ + 1) & (params_.page_request_entries - 1);
  if ((page_status_ & viommu_reg::overflow) != 0 || next == page_head_) {
    if ((page_status_ & viommu_reg::overflow) == 0) ++stats.page_overflows;
    page_status_ |= viommu_reg::overflow;
    page_interrupt_due_ = true;
    ++stats.pages_dropped;
    // As hardware does: the device asks again.
    return hypervisor_.answer(thread, fault, PageResponseCode::success);
  }
  PageRequest request = fault.request;
  request.source = device->source;
  request.pasid = fault.guest_pasid;
  const auto words = vtd::PageRequestEntry::encode(request);
  const Hpa at = page_ring_ + Bytes(std::uint64_t{page_tail_} << entry_shift);
  for (std::size_t word = 0; word < words.size(); ++word)
    memory_.write(at + Bytes(word * 8), words[word]);
  page_tail_ = next;
  page_interrupt_due_ = true;
  ++stats.page_requests;
}

void Viommu::page_request_interrupt(Thread& thread) {
  const bool told = (page_status_ & viommu_reg::pending) != 0;
  if (!page_interrupt_due_ || told) return;
  page_interrupt_due_ = false;
  page_status_ |= viommu_reg::pending;
  machine_.inject(thread);
  if (listener_ != nullptr && machine_.guest_runs()) listener_->page_requests_pending();
}

}  // namespace viosim
