// From entries of the queue to mapped pages and answers.
// SPDX-License-Identifier: Apache-2.0
#include "models/host/page_request_handler.hpp"

#include "models/pcie/ats_trace.hpp"

#include <algorithm>

namespace viosim {
namespace {

constexpr std::uint64_t of_page_requests = std::uint64_t{1} << 63U;  // no request's number has it

}  // namespace

PageRequestHandler::PageRequestHandler(std::string path, const HostKernelParams& params,
                                       Engine& engine, HostKernel& kernel,
                                       vtd::PageRequestQueue& queue, PageResponder* responder)
    : path_(std::move(path)),
      params_(params),
      engine_(engine),
      kernel_(kernel),
      queue_(queue),
      responder_(responder),
      interrupt_(engine, path_ + ": a page request interrupt"),
      work_(engine, path_ + ": a group of page requests") {
  queue.give_ring();
  queue.listen(*this);
}

void PageRequestHandler::serve(Bdf source, Pasid pasid, std::size_t space, AtsFunction& function) {
  served_[{source, pasid}] = {space, &function};
  queue_.attach(source, function);
}

void PageRequestHandler::start() {
  engine_.spawn(path_ + ".interrupt", Lifetime::serves, [this] { empty_queue(); });
  engine_.spawn(path_ + ".worker", Lifetime::serves, [this] { handle_groups(); });
}

void PageRequestHandler::page_requests_pending() {
  interrupted_ = engine_.now();
  interrupt_.raise();
}

void PageRequestHandler::empty_queue() {
  for (;;) {
    interrupt_.wait();
    // An interrupt that came while the thread was at work is taken at once.
    engine_.sleep_until(std::max(engine_.now(), interrupted_ + params_.fault_interrupt));
    take_all();
  }
}

// Clears the pending flag first: what comes later interrupts again. Then all that is in the queue, and
// its head only after the pass.
void PageRequestHandler::take_all() {
  queue_.clear_pending();
  const std::uint32_t tail = queue_.tail();
  for (std::uint32_t at = queue_.head(); at != tail; at = (at + 1) & (queue_.entries() - 1)) {
    engine_.sleep_for(params_.page_request_read);
    take(queue_.entry(at));
  }
  queue_.write_head(tail);
  if (queue_.overflow()) recover();
}

void PageRequestHandler::take(PageRequest request) {
  ++stats.entries;
  if (request.last && !request.read && !request.write) {
    ++stats.stop_markers;
    return;
  }
  request.last = request.wants_response();
  if (served(request) == nullptr || request.privileged) return refuse(request);
  const Key key{request.source, request.group};
  partial_[key].push_back(request);
  if (!request.last) return;
  groups_.push_back({std::move(partial_[key]), engine_.now()});
  partial_.erase(key);
  work_.raise();
}

const PageRequestHandler::Served* PageRequestHandler::served(const PageRequest& request) const {
  const auto found = served_.find({request.source, request.pasid});
  return found == served_.end() ? nullptr : &found->second;
}

// As Linux does: at once, and only where an answer is due.
void PageRequestHandler::refuse(const PageRequest& request) {
  ++stats.malformed;
  if (!request.last || queue_.function(request.source) == nullptr) return;
  partial_.erase({request.source, request.group});
  respond(PageResponse::to(request, PageResponseCode::invalid));
}

// Some requests were lost: a group that is not complete when all that was written has been taken never
// will be, and hardware answers its last request. What was written since this pass began has interrupted
// again, and has another pass first; hardware writes nothing more until the flag is cleared.
void PageRequestHandler::recover() {
  if (queue_.head() != queue_.tail()) return;
  if (!injection.skips(FlowStep::overflow_discard)) {
    for (const auto& [key, requests] : partial_) stats.partial_dropped += requests.size();
    partial_.clear();
  }
  ++stats.overflows;
  queue_.clear_overflow();
}

void PageRequestHandler::handle_groups() {
  for (;;) {
    work_.wait();
    const Group group = std::move(groups_.front());
    groups_.pop_front();
    handle(group);
  }
}

void PageRequestHandler::handle(const Group& group) {
  ++stats.groups;
  const PageRequest& last = group.requests.back();
  if (trace.on()) trace.emit(told_taken(last, group.requests.size(), engine_.now()));
  const std::uint64_t requester =
      of_page_requests | std::uint64_t{last.source.value()} << 32U | last.pasid.value();
  bool allowed = true;
  for (const PageRequest& request : group.requests) {
    const Served* const of = served(request);
    engine_.sleep_for(params_.fault_handling);
    // The first error decides for the whole group; what was mapped before stays.
    allowed =
        allowed && of != nullptr && kernel_.map_on_demand(of->space, request.address, requester);
    if (allowed) ++stats.mapped;
  }
  engine_.sleep_for(params_.fault_response);
  if (!allowed) ++stats.refused;
  group_latency.record(engine_.now() - group.complete);
  respond(PageResponse::to(last, allowed ? PageResponseCode::success : PageResponseCode::invalid));
}

void PageRequestHandler::respond(const PageResponse& response) {
  if (responder_ != nullptr) return responder_->respond(response);
  queue_.function(response.source)->answer(response);
}

}  // namespace viosim
