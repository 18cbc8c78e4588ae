// Which injection an event meets, and whether it is its turn.
// SPDX-License-Identifier: Apache-2.0
#include "sim/inject/injections.hpp"

#include "models/trace_events.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

namespace viosim {
namespace {

struct Meaning {
  InjectionPoint point;
  Ruling ruling;
};

Ruling fate(Fate of) {
  Ruling ruling;
  ruling.fate = of;
  return ruling;
}

// An act leaves what it is about as it is.
struct MeaningOf {
  Meaning operator()(const DropMessage& e) const { return {e.drop, fate(Fate::drop)}; }
  Meaning operator()(const DelayMessage& e) const {
    Meaning meaning{e.delay, fate(Fate::delay)};
    meaning.ruling.by = e.by;
    return meaning;
  }
  Meaning operator()(const DuplicateMessage& e) const {
    return {e.duplicate, fate(Fate::duplicate)};
  }
  Meaning operator()(const ReorderMessage& e) const { return {e.reorder, fate(Fate::reorder)}; }
  Meaning operator()(const TruncateMessage& e) const { return {e.truncate, fate(Fate::truncate)}; }
  Meaning operator()(const SkipStep& e) const { return {e.skip.named().point, fate(Fate::skip)}; }
  Meaning operator()(const SwapSteps& e) const {
    Meaning meaning{e.swap.named().point, fate(Fate::swap)};
    meaning.ruling.with = e.with.step();
    return meaning;
  }
  Meaning operator()(const Misbehave& e) const { return {e.misbehave, fate(Fate::misbehave)}; }
  Meaning operator()(const AllocateOdd& e) const {
    Meaning meaning{InjectionPoint::allocation(), fate(Fate::allocate)};
    meaning.ruling.id = e.allocate;
    return meaning;
  }
  Meaning operator()(const KillGuestAt& e) const { return {e.on.named().point, {}}; }
  Meaning operator()(const VanishAt& e) const { return {e.on.named().point, {}}; }
};

}  // namespace

InjectionPoint point_of(const InjectionConfig& config) {
  return std::visit(MeaningOf{}, static_cast<const Effect::Variant&>(config.effect)).point;
}

Injections::Injections(const std::vector<InjectionConfig>& configs, std::uint64_t seed,
                       const Engine& engine, Tracer& tracer)
    : engine_(engine), tracer_(tracer) {
  for (std::size_t i = 0; i < configs.size(); ++i) {
    const Meaning meaning =
        std::visit(MeaningOf{}, static_cast<const Effect::Variant&>(configs[i].effect));
    by_point_[meaning.point].push_back(i);
    all_.push_back({&configs[i], text_of(configs[i])});
    states_.push_back({meaning.ruling, Rng(seed, fmt::format("injections/{}", i)), {}});
  }
}

void Injections::restrict_to(std::size_t number, std::vector<bool> components) {
  states_[number].components = std::move(components);
}

void Injections::on_fire(std::size_t number, std::function<void()> act) {
  all_[number].act = std::move(act);
}

Ruling Injections::ask(InjectionPoint point, std::uint32_t component, Pasid pasid, StepSet later) {
  Ruling ruling;
  const auto found = by_point_.find(point);
  if (found == by_point_.end()) return ruling;
  for (const std::size_t number : found->second) {
    Injection& injection = all_[number];
    if (!ruling.passes() && !injection.act) {
      // Counted as seen; another one has decided.
      fires(number, component, pasid, later);
      continue;
    }
    if (!fires(number, component, pasid, later)) continue;
    ++injection.fired;
    tell(number, component, pasid);
    if (injection.act) {
      injection.act();
    } else {
      ruling = states_[number].ruling;
    }
  }
  return ruling;
}

bool Injections::fires(std::size_t number, std::uint32_t component, Pasid pasid, StepSet later) {
  Injection& injection = all_[number];
  State& state = states_[number];
  const InjectionConfig& config = *injection.config;
  if (!state.components.empty() && !state.components[component]) return false;
  if (config.pasid && *config.pasid != pasid) return false;
  // What this machine leaves out has no place to change for.
  if (state.ruling.fate == Fate::swap && !later.contains(state.ruling.with)) return false;
  const Ps now = engine_.now().since_start();
  if (now < config.from || (config.to && now >= *config.to)) return false;
  ++injection.matched;
  return its_turn(injection, state);
}

bool Injections::its_turn(Injection& injection, State& state) const {
  const InjectionConfig& config = *injection.config;
  if (config.nth && injection.matched < *config.nth) return false;
  // Drawn for each that matches, so that what has fired does not change what follows.
  constexpr std::uint64_t steps = std::uint64_t{1} << 53U;
  const bool drawn = !config.probability || static_cast<double>(state.random.below(steps)) <
                                                *config.probability * static_cast<double>(steps);
  if (config.nth && !config.count) return injection.matched == *config.nth;
  return drawn && (!config.count || injection.fired < *config.count);
}

void Injections::tell(std::size_t number, std::uint32_t component, Pasid pasid) const {
  if (!tracer_.on()) return;
  TraceEvent event;
  event.time = engine_.now().ps();
  event.value = number;
  event.component = component;
  event.pasid = pasid == no_pasid ? 0 : pasid.value();
  event.kind = static_cast<std::uint16_t>(EventKind::injection);
  event.code = static_cast<std::uint16_t>(states_[number].ruling.fate);
  tracer_.emit(event);
}

}  // namespace viosim
