// Writing a command, polling for its response, and what the guest makes of it.
// SPDX-License-Identifier: Apache-2.0
#include "models/guest/virtual_command_driver.hpp"

#include "models/event_order.hpp"

#include <algorithm>

namespace viosim {
namespace {

constexpr std::uint64_t in_progress = 1;  // in both layouts

std::uint8_t number_of(VcmdOpcode opcode) { return static_cast<std::uint8_t>(opcode); }

}  // namespace

VirtualCommandChannel::VirtualCommandChannel(Viommu& viommu,
                                             const VirtualCommandDriverParams& params,
                                             std::uint32_t number)
    : viommu_(viommu),
      params_(params),
      format_(params.layout),
      number_(number),
      lock_(viommu.machine().engine(), viommu.path() + ".registers", params.lock_handover) {}

bool VirtualCommandChannel::offers_pasids(Thread& thread) {
  return params_.ignore_capability || (viommu_.read(thread, format_.capability_at()) & 1U) != 0;
}

VcmdResponse VirtualCommandChannel::exchange(Thread& thread, const VcmdCommand& command,
                                             bool truncated) {
  const Guard guard(lock_, thread);
  viommu_.write(thread, format_.command_at(),
                truncated ? format_.encode_truncated(command) : format_.encode(command));
  return format_.decode_response(poll(thread));
}

std::uint64_t VirtualCommandChannel::poll(Thread& thread) {
  const Instant deadline = thread.now() + params_.poll_limit;
  for (;;) {
    ++polls_;
    const std::uint64_t response = viommu_.read(thread, format_.response_at());
    if ((response & in_progress) == 0) return response;
    if (thread.now() > deadline)
      viommu_.machine().panic(viommu_.path() + " did not answer a virtual command in time");
    const bool answered = viommu_.answers_commands() && !viommu_.virtual_command().busy();
    if (!answered) skip_polls(thread, deadline);
  }
}

// Polls that can only find what the last one found are not made one by one. They go on one after
// the other; the first that begins when the response has come, or time is over, is made again.
void VirtualCommandChannel::skip_polls(Thread& thread, Instant deadline) {
  const Instant from = thread.now();
  Agenda& agenda = thread.engine().agenda();
  // An early look, so that a run does not last until a deadline that does not matter any more.
  constexpr Ps early = 1ms;
  deadline_ = deadline;
  agenda.schedule(std::min(deadline, from + early), rank(EventClass::timer, number_), *this,
                  ++waits_);
  viommu_.expect_response(true);
  thread.away([&] { thread.wait(viommu_.response_changes()); });
  viommu_.expect_response(false);
  ++waits_;
  const Ps period = viommu_.read_time();
  if (period == Ps(0)) return;  // how many have been made meanwhile there is no saying
  const std::int64_t waited = (thread.now() - from).count();
  const std::int64_t skipped = (waited + period.count() - 1) / period.count();
  polls_ += static_cast<std::uint64_t>(skipped);
  viommu_.machine().paths.user_exits += static_cast<std::uint64_t>(skipped);
  thread.away([&] { thread.engine().sleep_until(from + period * skipped); });
}

void VirtualCommandChannel::fire(std::uint64_t what) {
  if (what != waits_) return;
  Engine& engine = viommu_.machine().engine();
  if (engine.now() < deadline_) {
    engine.agenda().schedule(deadline_, rank(EventClass::timer, number_), *this, what);
  } else {
    viommu_.wake_poller();
  }
}

Thread& VirtualCommandDriver::thread() const {
  Thread* const current = Thread::current(engine_);
  ensure(current != nullptr, "a PASID is asked of the host, and no thread of the guest asks");
  return *current;
}

ioasid::Error VirtualCommandDriver::error_of(const VcmdFormat& format, std::uint8_t status) const {
  if (status == VcmdFormat::success) return ioasid::Error::ok;
  return status == format.no_pasid() ? ioasid::Error::enospc : ioasid::Error::enodev;
}

// There is no way to tell the host the range: what is outside of all that it could give is refused.
ioasid::Ioasid VirtualCommandDriver::alloc(ioasid::Range range, void* channel) {
  if (range.min < accepted.min || range.max > accepted.max) {
    ++stats.out_of_range;
    return ioasid::invalid_ioasid;
  }
  auto& registers = *static_cast<VirtualCommandChannel*>(channel);
  const std::uint64_t before = registers.polls();
  const VcmdResponse response = registers.exchange(thread(), {params_.allocate_opcode, Pasid(0)});
  stats.polls += registers.polls() - before;
  const ioasid::Error error = error_of(registers.format(), response.status);
  if (error == ioasid::Error::ok) {
    ++stats.allocated;
    return response.pasid.value();
  }
  ++(error == ioasid::Error::enospc ? stats.no_space : stats.no_device);
  return ioasid::invalid_ioasid;
}

void VirtualCommandDriver::free(ioasid::Ioasid id, void* channel) {
  if (params_.keep_ids_with_data) {
    const ioasid::Found found = space_.find(nullptr, id);
    if (!found || found.data != nullptr) {  // an error pointer is no null pointer either
      ++stats.kept;
      return;
    }
  }
  auto& registers = *static_cast<VirtualCommandChannel*>(channel);
  const std::uint64_t before = registers.polls();
  const VcmdResponse response = registers.exchange(
      thread(), {number_of(VcmdOpcode::free), Pasid(id)}, params_.truncate_freed_ids);
  stats.polls += registers.polls() - before;
  ++(response.status == VcmdFormat::success ? stats.freed : stats.free_failed);
}

}  // namespace viosim
