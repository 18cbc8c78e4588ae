// A device of the host that a virtual machine uses, and who is told of its page requests.
// SPDX-License-Identifier: Apache-2.0
//
// The same for both ways in which a host's kernel has given devices to machines: vfio_container.hpp
// and iommufd.hpp.
#pragma once

#include "models/kernel/iommu_driver.hpp"
#include "models/kernel/page_request_thread.hpp"
#include "models/pcie/ats.hpp"

#include <cstddef>
#include <cstdint>

namespace viosim {

class FunctionDriver;

// A function, or a slice of one that is told apart by its PASIDs only.
struct AssignedDevice {
  Bdf function{};
  IommuDriver* driver = nullptr;  // of its IOMMU; knows the function
  // Who took its page requests, and sends answers; null: they go to the IOMMU at once.
  PageRequestThread* requests = nullptr;
  bool pci = true;
  std::uint8_t pasid_width = 20;
  bool mediated = false;  // a slice: gets a default PASID
  // Of a slice: the host's driver of its function; null: none, and nothing to be stopped.
  FunctionDriver* parent = nullptr;
  // Its machine's guest knows that it asks for pages. Otherwise nobody would answer there, or wait for
  // answers before a PASID is given back: the host refuses them.
  bool forwards_page_requests = true;

  // Answers a group of its page requests.
  void respond(Thread& thread, const PageResponse& response) const;
  // By a slice's shared queue.
  bool takes_enqcmd() const;
  // Of a slice nothing sends with this PASID any more when it returns. Of a whole function its guest sees
  // to that, or the reset.
  void stop(Thread& thread, Pasid pasid) const;
};

// The hypervisor, to the kernel.
class GuestFaultListener {
 public:
  virtual void faults_forwarded() = 0;  // an event; taken as read when the faults are read

 protected:
  ~GuestFaultListener() = default;
};

// What a machine has of its host, to the host's page request thread.
class GuestFaultTaker {
 public:
  virtual Bdf function_of(std::size_t device) const = 0;
  // False: this PASID of the device is not the machine's, and nobody will answer but the caller.
  virtual bool forward_fault(std::size_t device, const PageRequest& request) = 0;
  // Requests were lost: groups that are not complete by now never will be.
  virtual void discard_incomplete() = 0;
  // The last request of this one's group is refused: what was forwarded of the group is over.
  virtual void discard_group(std::size_t device, const PageRequest& last) = 0;

 protected:
  ~GuestFaultTaker() = default;
};

}  // namespace viosim
