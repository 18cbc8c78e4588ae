// A pass over the queue, and answers.
// SPDX-License-Identifier: Apache-2.0
#include "models/kernel/page_request_thread.hpp"

#include <algorithm>
#include <optional>
#include <utility>

namespace viosim {
namespace {

// Bits 63:47 are equal; of five-level tables 63:56, which here is not told apart.
bool canonical(Iova address) {
  const auto sign = static_cast<std::int64_t>(address.value()) >> 56U;
  return sign == 0 || sign == -1;
}

}  // namespace

PageRequestThread::PageRequestThread(Engine& engine, std::string path,
                                     const PageRequestThreadParams& params,
                                     KernelPageRequests& queue, IommuDriver& driver,
                                     Workers& workers)
    : engine_(engine),
      path_(std::move(path)),
      params_(params),
      queue_(queue),
      driver_(driver),
      workers_(workers),
      passed_(engine, path_ + ": a pass over the page request queue") {
  queue.listen(*this);
  driver.serve_page_requests(*this);
}

Errno PageRequestThread::register_handler(Bdf source, PageFaultHandler& handler) {
  Function& function = functions_[source];
  if (function.handler != nullptr) return Errno::ebusy;
  function.handler = &handler;
  return Errno::ok;
}

Errno PageRequestThread::unregister_handler(Bdf source) {
  const auto found = functions_.find(source);
  if (found == functions_.end()) return Errno::einval;
  if (!found->second.pending.empty()) return Errno::ebusy;
  found->second.handler->forget(source);
  functions_.erase(found);
  return Errno::ok;
}

std::size_t PageRequestThread::pending() const {
  std::size_t all = 0;
  for (const auto& [source, function] : functions_) all += function.pending.size();
  return all;
}

void PageRequestThread::page_requests_pending() {
  workers_.post_at(
      engine_.now() + params_.interrupt, [this](Thread& thread) { work(thread); },
      Cpus::Turn::before_others);
}

// One thread: an interrupt that comes while it works lets it go round once more.
void PageRequestThread::work(Thread& thread) {
  again_ = true;
  if (running_) return;
  running_ = true;
  while (std::exchange(again_, false)) pass(thread);
  running_ = false;
}

PageRequestThread::Filled PageRequestThread::filled(Thread& thread) {
  const std::optional<std::uint32_t> tail = queue_.tail(thread);
  const std::optional<std::uint32_t> head = queue_.head(thread);
  return head && tail ? Filled{*head, *tail} : Filled{};
}

// The pending flag is cleared first: what comes later interrupts again. The head moves when all is
// taken.
void PageRequestThread::pass(Thread& thread) {
  queue_.clear_pending(thread);
  const auto [head, tail] = filled(thread);
  for (std::uint32_t at = head; at != tail; at = (at + 1) % queue_.entries()) {
    thread.run(params_.entry_read);
    take(thread, queue_.entry(at));
  }
  queue_.write_head(thread, tail);
  if (queue_.overflow(thread)) recover(thread);
  ++passes_;
  ++stats.passes;
  for (; waiting_ > 0; --waiting_) passed_.raise();
}

// What carries private data is answered like the last of its group, as Linux' intel_svm_prq_report does:
// handlers know of no other requests that are.
void PageRequestThread::take(Thread& thread, PageRequest request) {
  ++stats.entries;
  const bool asks = request.read || request.write;
  if (request.last && !asks) {  // whatever else it says: nobody waits for an answer
    ++stats.stop_markers;
    return;
  }
  request.last = request.wants_response();
  if (request.pasid == no_pasid || !canonical(request.address) || (request.privileged && asks) ||
      (request.execute && request.read)) {
    return refuse(thread, request);
  }
  report(thread, request);
}

void PageRequestThread::report(Thread& thread, const PageRequest& request) {
  const auto found = functions_.find(request.source);
  if (found == functions_.end()) return refuse(thread, request);
  std::vector<Pending>& pending = found->second.pending;
  const std::uint64_t number = ++last_pending_;
  if (request.last) pending.push_back({request.pasid, request.group, engine_.now(), number});
  if (found->second.handler->report(thread, request)) return;
  std::erase_if(pending, [=](const Pending& one) { return one.number == number; });
  refuse(thread, request);
}

void PageRequestThread::refuse(Thread& thread, const PageRequest& request) {
  ++stats.refused;
  if (!request.last) return;
  if (const auto found = functions_.find(request.source); found != functions_.end())
    found->second.handler->discard_group(request);
  send(thread, PageResponse::to(request, PageResponseCode::invalid));
}

// Hardware takes requests again when the flag is clear; what came since the head was moved has
// another pass first.
void PageRequestThread::recover(Thread& thread) {
  if (queue_.head(thread) != queue_.tail(thread)) return;
  if (!driver_.injection.skips(FlowStep::overflow_discard))
    for (const auto& [source, function] : functions_) function.handler->discard_incomplete();
  ++stats.overflows;
  queue_.clear_overflow(thread);
}

Errno PageRequestThread::respond(Thread& thread, const PageResponse& response) {
  const auto found = functions_.find(response.source);
  if (found != functions_.end()) {
    std::vector<Pending>& pending = found->second.pending;
    const auto at =
        std::find_if(pending.begin(), pending.end(), same_group(response.pasid, response.group));
    if (at != pending.end()) {
      const Instant since = at->since;
      pending.erase(at);
      send(thread, response);
      latency.record(engine_.now() - since);
      return Errno::ok;
    }
  }
  ++stats.unmatched;
  return Errno::einval;
}

void PageRequestThread::send(Thread& thread, const PageResponse& response) {
  vtd::Descriptor descriptor;
  descriptor.type = vtd::DescriptorType::page_response;
  descriptor.source = response.source;
  descriptor.has_pasid = response.pasid != no_pasid;
  if (descriptor.has_pasid) descriptor.pasid = response.pasid;
  descriptor.last = true;
  descriptor.group = response.group;
  descriptor.code = response.code;
  descriptor.has_private_data = response.private_data.has_value();
  if (descriptor.has_private_data) descriptor.private_data = *response.private_data;
  driver_.submit(thread, {descriptor});
  ++stats.responses;
}

bool PageRequestThread::queued(Thread& thread, Pasid pasid) {
  const auto [head, tail] = filled(thread);
  for (std::uint32_t at = head; at != tail; at = (at + 1) % queue_.entries()) {
    if (queue_.entry(at).pasid == pasid) return true;
  }
  return false;
}

void PageRequestThread::wait_for_pass(Thread& thread, std::uint64_t after) {
  while (passes_ <= after) {
    ++waiting_;
    thread.wait(passed_);
  }
}

void PageRequestThread::flush(Thread& thread, Bdf source, Pasid pasid) {
  const auto found = functions_.find(source);
  if (found != functions_.end()) found->second.handler->flush(thread, source, pasid);
}

}  // namespace viosim
