// From one part of a walk to the next.
// SPDX-License-Identifier: Apache-2.0
#include "models/iommu/walk.hpp"

namespace viosim {
namespace {

constexpr std::size_t word_in_line(Hpa at) {
  return (at.value() >> 3U) & (PhysicalMemory::words_per_line - 1);
}

// Of messages.
const AddressSpace as_it_is = AddressSpace::as_it_is();

}  // namespace

void Walk::take(ConfigStep step) {
  switch (step) {
    case ConfigStep::read:
      phase_ = Phase::config;
      step_ = WalkStep::read;
      return;
    case ConfigStep::read_guest:
      phase_ = Phase::config_in_guest;
      pages_.begin_second(config_.config.space, Iova(config_.next_read.value()), caches_);
      return moved();
    case ConfigStep::found:
      return enter();
    case ConfigStep::faulted:
      step_ = WalkStep::faulted;
      return;
  }
}

void Walk::know(const AddressSpace& space) {
  config_.space = space;
  config_.fault_silenced = config_.fault_silenced || space.fault_disable;
  enter();
}

void Walk::know_absent(FaultCode code, bool silenced) {
  config_.fault_silenced = silenced;
  fail(code);
}

// Other requests have no address to be translated: one that is, or none that is used.
bool Walk::translates() const {
  const AddressType type = config_.request.type;
  return type == AddressType::untranslated || type == AddressType::translation;
}

// The address space is known.
void Walk::enter() {
  const Request& request = config_.request;
  phase_ = Phase::pages;
  if (request.type == AddressType::translated &&
      architecture_->message_window().holds(request.iova.value()))
    return fail(architecture_->message_window().fault);
  if (translates() && request.pasid == no_pasid &&
      architecture_->message_window().holds(request.iova.value())) {
    // A device that asks for a translation is told to write there untranslated.
    if (request.access != Access::write && request.type == AddressType::untranslated)
      return fail(architecture_->message_window().fault);
    message_ = true;
    pages_.begin(as_it_is, request.iova, request.access, false, false, false);
    step_ = WalkStep::translated;
    return;
  }
  if (!config_.space.allows(request.access, request.privileged)) {
    return fail(architecture_->refused(config_));
  }
  enter_pages();
}

void Walk::enter_pages() {
  const Request& request = config_.request;
  pages_.begin(config_.space, request.iova, request.access, request.privileged,
               request.type == AddressType::translation, caches_);
  moved();
}

void Walk::advance(const PhysicalMemory::Line& line) {
  config_.config_learned = false;
  config_.space_learned = false;
  const Words words(line);
  if (phase_ == Phase::config) {
    return take(architecture_->advance(config_, words.subspan(word_in_line(config_.next_read))));
  }
  pages_.advance(words[word_in_line(pages_.next_read())]);
  moved();
}

// The page tables have been walked, for the page or for a structure in guest memory.
void Walk::pages_end() {
  if (step_ == WalkStep::faulted) {
    page_fault_ = pages_.fault();
    config_.fault = architecture_->code(page_fault_, config_);
  } else if (phase_ == Phase::config_in_guest) {
    const std::uint64_t offset =
        config_.next_read.page_offset(leaf_size(pages_.page_level())).count();
    config_.next_read = pages_.page() + Bytes(offset);
    phase_ = Phase::config;
    step_ = WalkStep::read;
  } else if (config_.request.pasid != no_pasid && translates()) {
    const auto& window = architecture_->message_window();
    if (window.holds(translation().address(config_.request.iova).value())) fail(window.fault);
  }
}

void Walk::fail(FaultCode code) {
  config_.fault = code;
  step_ = WalkStep::faulted;
}

void Walk::go_back_to_entry() {
  page_fault_ = PageFault::none;
  config_.fault = FaultCode::none;
  enter_pages();
}

void Walk::go_back(const PageWalk& pages) {
  pages_ = pages;
  step_ = pages.step();
  page_fault_ = PageFault::none;
  config_.fault = FaultCode::none;
}

}  // namespace viosim
