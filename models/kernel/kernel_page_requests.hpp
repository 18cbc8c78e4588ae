// A page request queue as its kernel meets it: hardware's, or one that a hypervisor fills.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/base/fields.hpp"
#include "models/cpu/thread.hpp"
#include "models/iommu/vtd/page_request_queue.hpp"

#include <cstdint>
#include <optional>

namespace viosim {

class KernelPageRequests {
 public:
  virtual std::uint32_t entries() const = 0;
  virtual PageRequest entry(std::uint32_t at) const = 0;  // in memory
  // Registers, whose access takes time. Nothing: the IOMMU is not there any more.
  virtual std::optional<std::uint32_t> head(Thread& thread) = 0;
  virtual std::optional<std::uint32_t> tail(Thread& thread) = 0;
  virtual void write_head(Thread& thread, std::uint32_t head) = 0;
  virtual void clear_pending(Thread& thread) = 0;  // PPR
  virtual bool overflow(Thread& thread) = 0;       // PRO
  virtual void clear_overflow(Thread& thread) = 0;

  virtual void listen(vtd::PageRequestListener& listener) = 0;

 protected:
  ~KernelPageRequests() = default;
};

struct HostPageRequestsParams {
  Ps register_read = 100ns;
  Ps register_write = 20ns;

  static constexpr auto fields() {
    using P = HostPageRequestsParams;
    return Fields{
        field("register_read", &P::register_read, "Reading a register of the IOMMU.", "assumed"),
        field("register_write", &P::register_write,
              "Writing one, for the processor: it does not wait for its arrival.", "assumed")};
  }
  bool operator==(const HostPageRequestsParams&) const = default;
};

// Hardware's. Gives it its ring.
class HostPageRequests final : public KernelPageRequests {
 public:
  explicit HostPageRequests(vtd::PageRequestQueue& queue, const HostPageRequestsParams& params = {})
      : queue_(queue), params_(params) {
    queue.give_ring();
  }

  std::uint32_t entries() const override { return queue_.entries(); }
  PageRequest entry(std::uint32_t at) const override { return queue_.entry(at); }
  std::optional<std::uint32_t> head(Thread& thread) override {
    thread.run(params_.register_read);
    return queue_.head();
  }
  std::optional<std::uint32_t> tail(Thread& thread) override {
    thread.run(params_.register_read);
    return queue_.tail();
  }
  void write_head(Thread& thread, std::uint32_t head) override {
    thread.run(params_.register_write);
    queue_.write_head(head);
  }
  void clear_pending(Thread& thread) override {
    thread.run(params_.register_write);
    queue_.clear_pending();
  }
  bool overflow(Thread& thread) override {
    thread.run(params_.register_read);
    return queue_.overflow();
  }
  void clear_overflow(Thread& thread) override {
    thread.run(params_.register_write);
    queue_.clear_overflow();
  }
  void listen(vtd::PageRequestListener& listener) override { queue_.listen(listener); }

 private:
  vtd::PageRequestQueue& queue_;
  HostPageRequestsParams params_;
};

}  // namespace viosim
