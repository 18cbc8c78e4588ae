// Prepares events and expectations, and runs the system between them.
// SPDX-License-Identifier: Apache-2.0
#include "sim/run/plan.hpp"

#include "sim/run/guest_ends.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace viosim {

Plan::Plan(const Scenario& scenario, System& system, const ComponentIndex& components,
           Tracer& tracer)
    : system_(system),
      has_software_(std::any_of(scenario.hosts.begin(), scenario.hosts.end(),
                                [](const HostConfig& host) { return host.has_software(); })) {
  std::vector<Problem> problems;
  const Where where(problems, scenario.origins.file());
  figures_.emplace(system, components, [&system] { return system.engine().now().since_start(); });
  events_.emplace(scenario.events, system, components, *figures_, tracer, where / "events");
  injections_.emplace(scenario, system, components, tracer, where / "injections");
  expectations_.emplace(scenario.expect, components, *figures_, where / "expect");
  if (!problems.empty()) throw ConfigError(scenario.origins.locate(std::move(problems)));
}

void Plan::run() {
  events_->start();
  injections_->start();
  try {
    system_.run();
    check_players();
    check_processes();
  } catch (const StuckError& error) {
    const bool may_be = has_software_ || !injections_->all().empty();
    if (!expectations_->expect_failure() && !may_be) throw;
    failed_ = {RunFailure::stuck, error.what()};
  } catch (const LivelockError& error) {
    if (!expectations_->expect_failure() && injections_->all().empty()) throw;
    failed_ = {RunFailure::livelock, error.what()};
  } catch (const TimeLimitError& error) {
    if (!expectations_->expect_failure()) throw;
    failed_ = {RunFailure::time_limit, error.what()};
  }
}

// A recording that is played in part looks like a whole one.
void Plan::check_players() {
  for (const TracePlayer& player : system_.players()) {
    if (const auto unfinished = player.unfinished()) {
      failed_ = {RunFailure::stuck, *unfinished};
      return;
    }
  }
}

// A process that waits is no actor, so the engine does not miss it.
void Plan::check_processes() {
  std::vector<std::string> waiting;
  for (const System::HostSystem& host : system_.hosts()) {
    if (!host.software) continue;
    const std::vector<std::string> of_host = host.software->who_waits();
    waiting.insert(waiting.end(), of_host.begin(), of_host.end());
  }
  if (waiting.empty()) return;
  constexpr std::size_t most_named = 8;
  const bool more = waiting.size() > most_named;
  if (more) waiting.resize(most_named);
  failed_ = {RunFailure::stuck, fmt::format("processes wait for what never comes: {}{}",
                                            fmt::join(waiting, ", "), more ? " and more" : "")};
}

std::vector<Verdict> Plan::verdicts(const ViolationCounts& violations) const {
  std::vector<Verdict> all = expectations_->judge(failed_, violations);
  if (failed_ && !expectations_->expect_failure()) {
    Verdict verdict;
    verdict.expected = "the run comes to its end";
    verdict.found = std::string(name_of(failed_->failure)) + ": " + failed_->says;
    all.push_back(std::move(verdict));
  }
  for (Verdict& verdict : verdicts_of_guests(system_, *expectations_))
    all.push_back(std::move(verdict));
  for (const Events::Event& event : events_->all()) {
    if (event.at) continue;
    Verdict verdict;
    verdict.expected = event.label() + " happens";
    verdict.found = "it did not";
    all.push_back(std::move(verdict));
  }
  return all;
}

}  // namespace viosim
