// An iommufd file of the host's kernel: how a hypervisor gets devices, address spaces and page faults
// since Linux 6.2, PASIDs included since 6.15.
// SPDX-License-Identifier: Apache-2.0
//
// Objects (iommufd_objects.hpp) are made, attached and destroyed one by one; what is in use is not
// destroyed. A guest's PASIDs are its own: each whole function has a PASID table that no other
// machine sees, so the guest's number is the host's, and nobody allocates it. Slices of a function
// share its table: theirs are numbers of the host's global allocator.
//
// Calls are for threads in the host's kernel; what it costs to get there is paid by the caller. Each
// is named in Linux beside it.
#pragma once

#include "core/des/engine.hpp"
#include "models/cpu/locks.hpp"
#include "models/cpu/workers.hpp"
#include "models/host/assigned_device.hpp"
#include "models/host/iommufd_objects.hpp"
#include "models/host/iommufd_params.hpp"
#include "models/injection.hpp"
#include "models/kernel/errno.hpp"
#include "models/kernel/global_pasids.hpp"
#include "models/trace_point.hpp"

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace viosim {

// Whoever turns a guest's PASIDs into the host's for ENQCMD of its vCPUs: told by slices, of one
// number of the host's behind each of the guest's at a time.
class PasidListener {
 public:
  virtual void pasid_attached(Pasid guest, Pasid host) = 0;
  virtual void pasid_detached(Pasid guest) = 0;

 protected:
  ~PasidListener() = default;
};

// What all files of a host share.
struct IommufdHost {
  GlobalPasids& pasids;
  std::map<Bdf, const void*> owners;  // of whole functions: the file whose DMA they do
};

namespace iommufd {

struct Mapping {
  Iova address{};
  Bytes size{};
  Hpa frames{};
  Permissions allowed{true, true, true};
};

// Flags of HWPT_ALLOC.
inline constexpr std::uint32_t nest_parent = 1U << 0U;
inline constexpr std::uint32_t fault_id_valid = 1U << 2U;

// A guest's first level, for VT-d (struct iommu_hwpt_vtd_s1).
struct VtdStage1 {
  static constexpr std::uint64_t supervisor = 1U << 0U;         // SRE
  static constexpr std::uint64_t extended_accessed = 1U << 1U;  // EAFE
  static constexpr std::uint64_t write_protect = 1U << 2U;      // WPE
  std::uint64_t flags = 0;
  Gpa root;
  std::uint32_t address_width = 48;
};

struct HwptAlloc {
  ObjectId device;
  ObjectId parent;  // an IOAS; for a nested one a nest parent, or a VIOMMU
  std::uint32_t flags = 0;
  ObjectId fault{};
  std::optional<VtdStage1> stage1{};
};

// An entry of HWPT_INVALIDATE (struct iommu_hwpt_vtd_s1_invalidate).
struct VtdInvalidation {
  static constexpr std::uint64_t every_page = ~std::uint64_t{0};
  static constexpr std::uint32_t leaf = 1;
  Iova address;
  std::uint64_t pages = every_page;
  std::uint32_t flags = 0;
};

// What the caches of one place are to forget.
struct Flush {
  ObjectId device;
  Pasid pasid;  // the host's
  bool with_pasid = true;
  DomainId domain;
  bool iotlb = true;  // and the device's; otherwise that one only
  Iova address;
  std::uint64_t pages = VtdInvalidation::every_page;
  bool leaf_only = false;
};

// How far an array was taken.
struct Invalidated {
  Errno error = Errno::ok;
  std::uint32_t entries = 0;
};

struct FaultResponse {
  std::uint32_t cookie = 0;
  std::uint32_t code = 0;  // 0 success, 1 invalid
};

}  // namespace iommufd

class Iommufd final : public GuestFaultTaker {
 public:
  using ObjectId = iommufd::ObjectId;

  // `host`: the host's kernel. `number`: its place in the order of events.
  Iommufd(Engine& engine, std::string path, const IommufdParams& params, IommufdHost& shared,
          Workers& host, std::uint32_t number);
  Iommufd(const Iommufd&) = delete;
  Iommufd& operator=(const Iommufd&) = delete;

  // IOMMU_IOAS_ALLOC, _MAP (-EEXIST: overlaps; -EINVAL: no whole pages), _UNMAP of whole areas
  // (-ENOENT: there is none, or a part of one only); the bytes that were unmapped.
  Result<ObjectId> ioas_alloc(Thread& thread);
  Errno ioas_map(Thread& thread, ObjectId ioas, const iommufd::Mapping& mapping);
  Result<Bytes> ioas_unmap(Thread& thread, ObjectId ioas, Iova address, Bytes size);

  // VFIO_DEVICE_BIND_IOMMUFD. -EBUSY: the function is somebody's. -ENODEV: its IOMMU does not know it.
  Result<ObjectId> bind(Thread& thread, const AssignedDevice& device);
  // The device's file is closed: all of it is detached.
  void unbind(Thread& thread, ObjectId device);

  // IOMMU_HWPT_ALLOC. -ENOENT: no such device or fault. -EINVAL: nothing to be its parent, or of
  // another IOMMU. -EOPNOTSUPP: flags, or an IOMMU that does not nest. -ENOSPC: no domain is left.
  Result<ObjectId> hwpt_alloc(Thread& thread, const iommufd::HwptAlloc& request);
  // IOMMU_FAULT_QUEUE_ALLOC; its file is to be closed before it can be destroyed.
  Result<ObjectId> fault_alloc(Thread& thread);
  void fault_close(Thread& thread, ObjectId fault);
  // IOMMU_VIOMMU_ALLOC. -ENOENT; -EINVAL: no nest parent, or not of the device's IOMMU.
  Result<ObjectId> viommu_alloc(Thread& thread, ObjectId device, ObjectId hwpt);
  // IOMMU_VDEVICE_ALLOC. -ENOENT; -EINVAL: behind another IOMMU; -EEXIST: the device has one, or the
  // id is another's.
  Result<ObjectId> vdevice_alloc(Thread& thread, ObjectId viommu, ObjectId device,
                                 std::uint64_t virt_id);
  // IOMMU_DESTROY. -ENOENT; -EBUSY: in use.
  Errno destroy(Thread& thread, ObjectId id);

  // VFIO_DEVICE_ATTACH_IOMMUFD_PT: requests without a PASID. One that is attached is replaced.
  Errno attach(Thread& thread, ObjectId device, ObjectId hwpt);
  Errno detach(Thread& thread, ObjectId device);
  // With VFIO_DEVICE_ATTACH_PASID. -ENOENT: no such object. -EINVAL: the PASID is reserved or beyond
  // the function's, no page table, of another IOMMU, or a table that the IOMMU cannot walk. -EBUSY:
  // taken. -ENOSPC: no global number for a slice.
  Errno pasid_attach(Thread& thread, ObjectId device, Pasid pasid, ObjectId hwpt);
  // The same call on an attached one: no request finds neither. -EINVAL: not attached.
  Errno pasid_replace(Thread& thread, ObjectId device, Pasid pasid, ObjectId hwpt);
  // VFIO_DEVICE_DETACH_IOMMUFD_PT; of a slice its requests are stopped first. One that is not attached is
  // no error.
  Errno pasid_detach(Thread& thread, ObjectId device, Pasid pasid);

  // IOMMU_HWPT_INVALIDATE of a nested page table: wherever it is attached. -ENOENT, -EINVAL: another
  // object, or a malformed entry; -EOPNOTSUPP: unknown flags.
  iommufd::Invalidated hwpt_invalidate(Thread& thread, ObjectId hwpt,
                                       std::span<const iommufd::VtdInvalidation> entries);
  // The same of a VIOMMU, by the guest's own descriptors: of PASID IOTLBs, and of device TLBs by the
  // guest's ids of devices. -EIO: another descriptor, or an unknown device.
  iommufd::Invalidated viommu_invalidate(Thread& thread, ObjectId viommu,
                                         std::span<const vtd::DescriptorBits> commands);
  // The same without a call: by a queue of hardware's that the guest has.
  iommufd::Invalidated hardware_invalidate(Thread& thread, ObjectId viommu,
                                           std::span<const vtd::DescriptorBits> commands);

  // A FAULT's file: poll, read, write. -EINVAL: a code or a cookie that is none; those before it are
  // answered.
  void listen(ObjectId fault, GuestFaultListener& listener);
  iommufd::FaultQueue::Groups read_faults(Thread& thread, ObjectId fault);
  Errno write_responses(Thread& thread, ObjectId fault,
                        std::span<const iommufd::FaultResponse> responses);

  // The file is closed, with those of its devices and faults. Takes back all that there is.
  void close(Thread& thread);

  // The kernel's part of the hypervisor. Before the run.
  void listen_to_pasids(PasidListener& listener) { pasid_listener_ = &listener; }

  // For the host's page request thread; devices by their objects' ids.
  Bdf function_of(std::size_t device) const override;
  bool forward_fault(std::size_t device, const PageRequest& request) override;
  void discard_incomplete() override;
  void discard_group(std::size_t device, const PageRequest& last) override;

  std::optional<Pasid> host_pasid(ObjectId device, Pasid pasid) const;
  bool attached(ObjectId device, Pasid pasid) const;  // and not about to be detached
  const iommufd::Objects& objects() const { return objects_; }
  std::size_t attachments() const;
  std::size_t pending_faults() const;
  // All that wait in this FAULT are answered by the host.
  void answer_for_user(Thread& thread, ObjectId fault);
  bool closed() const { return closed_; }

  IommufdStats stats;
  TracePoint trace;
  InjectionPort injection;  // of detaching
  iommufd::FaultStats fault_stats;

 private:
  using Device = iommufd::Device;
  using Attachment = iommufd::Device::Attachment;
  using Flush = iommufd::Flush;

  ObjectId add(iommufd::Object::Body body, std::vector<ObjectId> holds = {});
  Result<ObjectId> paging_alloc(Thread& thread, const iommufd::HwptAlloc& request);
  Result<ObjectId> nested_alloc(Thread& thread, const iommufd::HwptAlloc& request);
  void release(Thread& thread, iommufd::Object& object);
  void flush_second_level(Thread& thread, ObjectId ioas, PageRange range);

  // Attachments; the device's mutex is held.
  Errno may_attach(const Device& device, Pasid pasid, ObjectId hwpt);
  bool takes_whole_function(const Device& device, Pasid pasid) const;
  // `since`: when what is told of began.
  Errno attach_to(Thread& thread, ObjectId id, Pasid pasid, ObjectId hwpt, Instant since);
  Result<Pasid> number_for(const Device& device, Pasid pasid);
  const Device* slice_with(Pasid pasid, const Device& but) const;
  void stop_where_enqcmd_leads(Thread& thread, const Device& but, Pasid host);
  void give_back_number(Pasid pasid, Pasid host);
  Errno set_entry(Thread& thread, const Device& device, Pasid pasid, Pasid host,
                  const vtd::PasidEntry& entry);
  Errno replace_with(Thread& thread, ObjectId id, Pasid pasid, ObjectId hwpt);
  void detach_from(Thread& thread, ObjectId id, Pasid pasid, Instant since);
  bool only_slice_with(Pasid pasid, const Device& device) const;
  void tell_attached(const Device& device, Pasid pasid, Pasid host);
  void tell_detached(const Device& device, Pasid pasid);
  void tell_bound(EventKind kind, const Device& device, Pasid pasid, Pasid host,
                  Instant since) const;
  void move(const iommufd::Place& place, ObjectId from, ObjectId to);

  void answer(Thread& thread, const iommufd::FaultQueue::Groups& groups);
  void answer_for_user(Thread& thread, ObjectId hwpt, const iommufd::Place& place);

  void add_flushes(const iommufd::Hwpt& hwpt, const iommufd::VtdInvalidation& entry,
                   std::vector<Flush>& flushes) const;
  Errno add_command(const iommufd::Viommu& viommu, const vtd::DescriptorBits& bits,
                    std::vector<Flush>& flushes) const;
  void add_place(ObjectId device, Pasid pasid, Flush flush, std::vector<Flush>& flushes) const;
  // Each takes the processor for `each`.
  iommufd::Invalidated take_commands(Thread& thread, ObjectId viommu,
                                     std::span<const vtd::DescriptorBits> commands, Ps each);
  Errno submit(Thread& thread, IommuDriver& driver, const std::vector<Flush>& flushes);

  Engine& engine_;
  std::string path_;
  IommufdParams params_;
  IommufdHost& shared_;
  Workers& host_;
  std::uint32_t number_;
  bool closed_ = false;
  iommufd::Objects objects_;
  std::vector<std::unique_ptr<iommufd::FaultQueue>> queues_;  // those of destroyed ones, too
  PasidListener* pasid_listener_ = nullptr;
};

}  // namespace viosim
