// Fetching commands, executing them in order, and telling software.
// SPDX-License-Identifier: Apache-2.0
#include "models/iommu/riscv/command_queue.hpp"

#include "models/event_order.hpp"
#include "models/trace_events.hpp"

#include <fmt/format.h>

#include <bit>

namespace viosim::riscv {

CommandQueue::CommandQueue(const CommandQueueParams& params, const RiscvArchitecture& architecture,
                           std::uint32_t number, Agenda& agenda, PhysicalMemory& memory,
                           Iommu& iommu)
    : params_(params),
      architecture_(architecture),
      number_(number),
      agenda_(agenda),
      memory_(memory),
      iommu_(iommu),
      base_(memory.allocate_frames((params.entries * entry_size().count() + page_4k.count() - 1) /
                                   page_4k.count())) {}

void CommandQueue::schedule(Ps after, What what, std::uint64_t argument) {
  agenda_.schedule(agenda_.now() + after, rank(EventClass::invalidation, number_), *this,
                   argument << 2U | static_cast<std::uint64_t>(what));
}

void CommandQueue::write_tail(std::uint32_t tail) {
  ensure(tail < params_.entries, "the tail register was written with a number beyond the ring");
  schedule(params_.doorbell, What::doorbell, tail);
}

void CommandQueue::clear_error() {
  ensure(stopped_, "a queue that runs has no error to clear");
  stopped_ = false;
  if (head_ != tail_) start_fetch();
}

void CommandQueue::fire(std::uint64_t what) {
  switch (static_cast<What>(what & 3U)) {
    case What::doorbell:
      tail_ = static_cast<std::uint32_t>(what >> 2U);
      if (!busy_ && !stopped_ && head_ != tail_) start_fetch();
      return;
    case What::fetched:
      return fetched();
    case What::executed:
      return executed();
  }
}

void CommandQueue::start_fetch() {
  busy_ = true;
  ++stats.batches;
  batch_start_ = agenda_.now();
  fetched_until_ = tail_;
  const std::uint32_t count = (tail_ - head_) & (params_.entries - 1);
  schedule(params_.fetch + params_.fetch_each * count, What::fetched);
}

// The commands as they are in memory now, not as they were when the tail was written.
void CommandQueue::fetched() {
  batch_.clear();
  batch_at_ = 0;
  for (std::uint32_t i = head_; i != fetched_until_; i = (i + 1) & (params_.entries - 1)) {
    const Hpa at = base_ + Bytes(i * entry_size().count());
    batch_.push_back({memory_.read(at), memory_.read(at + Bytes(8))});
  }
  start_next();
}

// A device id must not be wider than the device directory's.
bool CommandQueue::legal(const Words2& words) const {
  if (!Command::decodable(words[0], words[1])) return false;
  const Command command = Command::decode(words[0], words[1]);
  const bool of_directory =
      command.type == CommandType::iodir_inval_ddt || command.type == CommandType::iodir_inval_pdt;
  return !of_directory || !command.device_valid || architecture_.reaches(command.device);
}

void CommandQueue::start_next() {
  if (batch_at_ == batch_.size()) {
    batch_latency.record(agenda_.now() - batch_start_);
    busy_ = false;
    if (head_ != tail_) start_fetch();
    return;
  }
  const Words2& words = batch_[batch_at_];
  if (!legal(words)) {
    ++stats.errors;
    busy_ = false;
    stopped_ = true;
    if (listener_ != nullptr) listener_->queue_stopped(head_);
    return;
  }
  command_start_ = agenda_.now();
  schedule(cost(Command::decode(words[0], words[1]).type), What::executed);
}

void CommandQueue::executed() {
  const Words2 words = batch_[batch_at_];
  emit(words);
  ++batch_at_;
  head_ = (head_ + 1) & (params_.entries - 1);
  ++stats.commands;
  effect(Command::decode(words[0], words[1]));
  if (listener_ != nullptr) listener_->command_executed();
  start_next();
}

void CommandQueue::effect(const Command& command) {
  for (const Invalidation& order : command.invalidations()) iommu_.apply(order);
  switch (command.type) {
    case CommandType::iofence_c:
      ++stats.fences;
      if (!command.address_valid) return;
      memory_.write_half(Hpa(command.address), command.data);
      if (listener_ != nullptr) listener_->fence_written(Hpa(command.address));
      return;
    case CommandType::ats_inval:
    case CommandType::ats_prgr:
      if (listener_ != nullptr) listener_->ats_message(command);
      return;
    default:
      return;
  }
}

void CommandQueue::emit(const Words2& command) {
  if (tracer_ == nullptr || !tracer_->on()) return;
  TraceEvent event;
  event.time = agenda_.now().ps();
  event.duration = (agenda_.now() - command_start_).count();
  event.address = command[1];
  event.value = command[0];
  event.component = component_;
  event.kind = static_cast<std::uint16_t>(EventKind::invalidate);
  const Command decoded = Command::decode(command[0], command[1]);
  event.code = static_cast<std::uint16_t>(trace_code::riscv_command +
                                          static_cast<std::uint16_t>(decoded.type));
  tracer_->emit(event);
}

Ps CommandQueue::cost(CommandType type) const {
  switch (type) {
    case CommandType::iotinval_vma:
    case CommandType::iotinval_gvma:
      return params_.translations;
    case CommandType::iodir_inval_ddt:
    case CommandType::iodir_inval_pdt:
      return params_.directory;
    case CommandType::ats_inval:
    case CommandType::ats_prgr:
      return params_.ats;
    case CommandType::iofence_c:
      return params_.fence;
  }
  return Ps(0);
}

}  // namespace viosim::riscv
