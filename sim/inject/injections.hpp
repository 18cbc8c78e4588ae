// The injections of a run: what models ask, which injection answers, and how often each has.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/base/rng.hpp"
#include "core/des/engine.hpp"
#include "core/des/trace.hpp"
#include "sim/inject/injection.hpp"

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <vector>

namespace viosim {

// At which an injection is looked at.
InjectionPoint point_of(const InjectionConfig& config);

// Not thread-safe: models ask from one run.
class Injections final : public Injector {
 public:
  struct Injection {
    const InjectionConfig* config = nullptr;
    std::string text;
    std::uint64_t matched = 0;    // reached, at the right place and time
    std::uint64_t fired = 0;      // of these
    std::function<void()> act{};  // of one that changes nothing that is sent: what happens instead
  };

  // The configs outlive it. `seed`: of the scenario.
  Injections(const std::vector<InjectionConfig>& configs, std::uint64_t seed, const Engine& engine,
             Tracer& tracer);

  // Where the injection of that number applies, by component; empty: everywhere. Before the run.
  void restrict_to(std::size_t number, std::vector<bool> components);
  // What one does whose effect is an act.
  void on_fire(std::size_t number, std::function<void()> act);

  // The first injection that fires decides; the others have seen it all the same.
  Ruling ask(InjectionPoint point, std::uint32_t component, Pasid pasid, StepSet later) override;

  const std::vector<Injection>& all() const { return all_; }

 private:
  struct State {
    Ruling ruling;
    Rng random;
    std::vector<bool> components;
  };
  bool fires(std::size_t number, std::uint32_t component, Pasid pasid, StepSet later);
  bool its_turn(Injection& injection, State& state) const;
  void tell(std::size_t number, std::uint32_t component, Pasid pasid) const;

  const Engine& engine_;
  Tracer& tracer_;
  std::vector<Injection> all_;
  std::vector<State> states_;
  std::map<InjectionPoint, std::vector<std::size_t>> by_point_;
};

}  // namespace viosim
