// An emulated VT-d: registers of a vIOMMU, its invalidation queue and page request queue in the guest's
// memory, its virtual commands, and what of the guest's PASID tables is shadowed in the host.
// SPDX-License-Identifier: Apache-2.0
//
// Caching mode is on: the guest announces every change of a PASID entry, also from not present. A
// write to the queue's tail leaves the guest; the hypervisor's code goes on in the same thread, reads
// the descriptors and does in the host what they ask for. A wait descriptor's status is written when
// all that was ahead of it has been done.
#pragma once

#include "models/injection.hpp"
#include "models/iommu/vtd/descriptor.hpp"
#include "models/iommu/vtd/page_request_queue.hpp"
#include "models/vmm/guest_tables.hpp"
#include "models/vmm/hypervisor.hpp"
#include "models/vmm/shadow.hpp"
#include "models/vmm/viommu_params.hpp"
#include "models/vmm/virtual_command.hpp"

#include <cstdint>
#include <functional>
#include <map>
#include <span>
#include <string>
#include <vector>

namespace viosim {

namespace viommu_reg {
inline constexpr std::uint32_t pqh = 0xc0;
inline constexpr std::uint32_t pqt = 0xc8;
inline constexpr std::uint32_t pqa = 0xd0;
inline constexpr std::uint32_t prs = 0xdc;
inline constexpr std::uint32_t pending = 1;                 // PRS.PPR
inline constexpr std::uint32_t overflow = 2;                // PRS.PRO
inline constexpr std::uint64_t absent = ~std::uint64_t{0};  // what is read where no device is
}  // namespace viommu_reg

class Viommu {
 public:
  // `memory`: the guest's.
  Viommu(std::string path, const ViommuParams& params, Hypervisor& hypervisor, TableMemory& memory);
  Viommu(const Viommu&) = delete;
  Viommu& operator=(const Viommu&) = delete;

  const std::string& path() const { return path_; }
  const ViommuParams& params() const { return params_; }
  VirtualMachine& machine() { return machine_; }
  Hypervisor& hypervisor() { return hypervisor_; }
  TableMemory& memory() { return memory_; }
  const IommuAbilities& abilities() const { return abilities_; }
  const VirtualCommand& virtual_command() const { return command_; }
  TracePoint& command_trace() { return command_.trace; }
  const TracePoint& command_trace() const { return command_.trace; }
  TracePoint queue_trace;      // of the guest's descriptors: submitted, and carried out
  void tell_presence() const;  // to the trace

  // The guest sees this device of the container at this address behind this vIOMMU.
  void add_device(Bdf source, std::size_t device);
  // As firmware and boot code leave it: ring, page request queue and root of tables. Takes no time.
  void set_up(Hpa ring, std::uint32_t entries, Hpa page_requests, Hpa root);
  // The guest's handler of the page request interrupt.
  void listen(vtd::PageRequestListener& listener) { listener_ = &listener; }

  Hpa page_requests() const { return page_ring_; }

  // For threads of the guest. Where the vIOMMU has been ejected reads are all ones, and writes are lost.
  std::uint64_t read(Thread& thread, std::uint32_t offset);
  void write(Thread& thread, std::uint32_t offset, std::uint64_t value);
  // Whether a queue of hardware's that is mapped into the guest takes these descriptors, and what comes
  // of them there: no exit, no lock of the hypervisor's. Where the vIOMMU has been ejected that queue's
  // registers leave the guest, as all others do: it takes nothing, or answers -ENODEV.
  bool takes_directly(std::span<const vtd::Descriptor> descriptors) const;
  Errno invalidate_directly(Thread& thread, std::span<const vtd::Descriptor> descriptors);
  // How long a read takes, and when within it the register is read.
  Ps read_time() const;
  // The virtual command's response may change later than now; to be asked by who polls it. At most
  // one thread does.
  Signal& response_changes() { return command_.changed(); }
  void expect_response(bool on) { command_.expect_change(on); }
  void wake_poller() { command_.tell_change(); }

  // The machine's operator takes it away. For threads of the hypervisor's process. Its guest's PASIDs
  // stay allocated in the host.
  // Its guest has let go of it; what is still bound behind it is unbound.
  void eject(Thread& thread);
  // Its guest has not: it is not there any more from one instant to the next. But where its commands
  // are completed (`complete_before_eject`) their registers stay, and what is written to them is
  // carried out, until end_commands(). The guest is told before what was bound is unbound, which takes
  // long; none of its threads finds out earlier that this is not there.
  void vanish(Thread& thread, const std::function<void()>& tell_guest);
  // Its guest's kernel will write no command any more.
  void end_commands(Thread& thread);
  bool present() const { return !ejected_; }
  // Whether a command that is outstanding will be answered.
  bool answers_commands() const { return !ejected_ || commands_stay_; }

  // For the hypervisor, which holds the emulation lock.
  void push_page_request(Thread& thread, const ForwardedFault& fault);
  void page_request_interrupt(Thread& thread);

  std::size_t shadows() const { return shadows_.size(); }
  // What is bound, as the host would be asked for it.
  std::vector<GuestSpace> bound() const;
  // The host has nothing of this device any more.
  void forget(std::size_t device);
  const Shadow* shadow(Bdf source, Pasid pasid) const;
  // Why the host refused binds, and how often.
  const std::map<Errno, std::uint64_t>& bind_errors() const { return bind_errors_; }

  ViommuStats stats;
  InjectionPort injection;

 private:
  struct Device {
    Bdf source;
    std::size_t number;  // in the container
  };

  void tell(EventKind kind, std::uint16_t code = 0) const;
  std::uint64_t read_register(std::uint32_t offset) const;
  void write_register(Thread& thread, std::uint32_t offset, std::uint64_t value);

  void take_descriptors(Thread& thread);
  vtd::DescriptorBits descriptor_at(std::uint32_t entry) const;
  void carry_out_all(Thread& thread);
  void carry_out(Thread& thread, const vtd::Descriptor& descriptor);
  void perform(Thread& thread, const vtd::Descriptor& descriptor);
  void carry_out_disturbed(Thread& thread, const vtd::Descriptor& descriptor);
  void carry_out_later(const vtd::Descriptor& descriptor, Ps by);
  void complete_wait(Thread& thread, const vtd::Descriptor& wait);
  void write_status(const vtd::Descriptor& wait);
  // A descriptor that is being carried out, and since when.
  struct Begun {
    vtd::DescriptorBits bits;
    Instant since;
  };
  void tell(EventKind kind, const vtd::DescriptorBits& bits, Instant since) const;
  void tell_submitted(std::uint32_t tail) const;
  void tell_flushed();
  void announce_early();

  void invalidate_contexts(Thread& thread, const vtd::Descriptor& order);
  void invalidate_pasids(Thread& thread, const vtd::Descriptor& order);
  void look_again(Thread& thread, const Device& device, Pasid pasid, const vtd::Descriptor& order);
  void bind(Thread& thread, const Device& device, Pasid pasid, const vtd::PasidEntry& entry);
  void rebind(Thread& thread, const Device& device, Pasid pasid, const vtd::PasidEntry& entry);
  void begin_without_bind(ShadowAction begin);
  void bind_refused(Errno error);
  void unbind(Thread& thread, const Device& device, Pasid pasid);
  bool answers(std::uint32_t offset) const;
  bool completes_commands();
  void wait_for_command(Thread& thread);
  void tell_waiting();
  void leave();
  void end_commands();
  void guest_stopped();
  void unbind_all(Thread& thread);

  void invalidate_translations(const vtd::Descriptor& order);
  void flush_matching(const vtd::Descriptor& order);
  void flush(const Device& device, Pasid pasid, const vtd::Descriptor& order);
  void flush_device_tlb(const vtd::Descriptor& order);
  void send_flushes(Thread& thread);
  void answer_page_request(Thread& thread, const vtd::Descriptor& response);

  void write_command(Thread& thread, std::uint64_t value);
  void execute(Thread& thread, const VirtualCommand::Order& order);
  void allocate(Thread& thread, std::uint64_t order);
  void free(Thread& thread, const VirtualCommand::Order& order);
  void take_command(Thread& thread, std::uint64_t value);
  // Whether somebody still waited for it.
  bool complete(Thread& thread, std::uint64_t order, std::uint8_t status, Pasid result = Pasid(0));
  bool complete_once(std::uint64_t order, std::uint8_t status, Pasid result);

  const Device* device_at(Bdf source) const;
  Pasid rid_pasid(const Device& device) const;

  std::string path_;
  ViommuParams params_;
  Hypervisor& hypervisor_;
  VirtualMachine& machine_;
  TableMemory& memory_;
  GuestTables tables_;
  IommuAbilities abilities_;
  VirtualCommand command_;
  Signal command_over_;
  std::uint32_t command_waits_ = 0;  // threads that wait for its command to end
  bool ejected_ = false;
  bool commands_stay_ = false;  // though it was taken away
  vtd::PageRequestListener* listener_ = nullptr;

  Hpa root_;
  Hpa ring_;
  std::uint32_t entries_ = 0;
  std::uint32_t head_ = 0;
  std::uint32_t tail_ = 0;
  bool queue_error_ = false;
  Hpa page_ring_;
  std::uint32_t page_head_ = 0;
  std::uint32_t page_tail_ = 0;
  std::uint32_t page_status_ = 0;
  bool page_interrupt_due_ = false;

  std::vector<Device> devices_;
  std::map<ShadowKey, Shadow> shadows_;
  std::vector<vtd::Descriptor> held_back_;  // by injections, until the next one is carried out
  std::vector<GuestFlush> flushes_;         // collected, to be asked of the host together
  std::vector<Begun> flushing_;             // the descriptors that they are of
  std::map<Errno, std::uint64_t> bind_errors_;
};

}  // namespace viosim
