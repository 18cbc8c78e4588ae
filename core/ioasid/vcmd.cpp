// The guest's side of the virtual command interface.
// SPDX-License-Identifier: Apache-2.0
#include "ioasid/vcmd.hpp"

namespace ioasid {
namespace {

std::uint64_t ask(void* pdata, std::uint64_t command) {
  // The pointer was a VcmdChannel* when ops() stored it.
  auto& channel = *static_cast<VcmdChannel*>(pdata);
  VcmdCompletion completion;
  channel.submit(command, completion);
  if (!completion.ready()) channel.wait(completion);
  return completion.response();
}

}  // namespace

Error vcmd::error_of(std::uint64_t response) {
  const std::uint32_t status = status_of(response);
  if (status == 0) return Error::ok;
  return status == 16 ? Error::enospc : Error::enodev;
}

void VcmdCompletion::complete(std::uint64_t response) {
  const std::lock_guard locked(mutex_);
  response_ = response;
  arrived_.notify_one();
}

bool VcmdCompletion::ready() const {
  const std::lock_guard locked(mutex_);
  return response_.has_value();
}

std::uint64_t VcmdCompletion::response() const {
  const std::lock_guard locked(mutex_);
  return response_.value();
}

void VcmdCompletion::sleep_until_ready() const {
  std::unique_lock locked(mutex_);
  arrived_.wait(locked, [&] { return response_.has_value(); });
}

Ioasid VcmdBackend::alloc(Range range, void* channel) {
  if (range.min < accepted.min || range.max > accepted.max) return invalid_ioasid;
  const std::uint64_t response = ask(channel, vcmd::alloc_command);
  return vcmd::error_of(response) == Error::ok ? vcmd::result_of(response) : invalid_ioasid;
}

void VcmdBackend::free(Ioasid id, void* channel) { ask(channel, vcmd::free_command(id)); }

}  // namespace ioasid
