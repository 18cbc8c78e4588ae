// Tells about twice a second how far a long run is, on one line of the terminal.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/des/onlooker.hpp"
#include "sim/run/pace.hpp"
#include "sim/run/run_state.hpp"
#include "sim/run/terminal.hpp"

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>

namespace viosim {

// "61 %, about 4 min left: 12.345 ms of 20 ms simulated, 12,345,678 requests, 3.2 M/s": what matters
// most comes first, for narrow terminals cut the end off.
std::string progress_text(const RunState& state, const Pace& pace);

// Calls `tick` from a thread of its own, at the end of each period.
class Ticker {
 public:
  Ticker(std::chrono::milliseconds period, std::function<void()> tick);
  ~Ticker();
  Ticker(const Ticker&) = delete;
  Ticker& operator=(const Ticker&) = delete;

 private:
  std::mutex mutex_;
  std::condition_variable stop_;
  bool stopped_ = false;
  std::thread thread_;
};

// Shows nothing in the first half second, so that short runs leave the terminal alone.
class Progress final : public Onlooker {
 public:
  using Show = std::function<void(std::string_view)>;  // "" takes the line away

  // On standard error, if the mode and standard error allow; otherwise nothing is ever shown.
  explicit Progress(ProgressMode mode);
  // For tests: nobody asks, and nothing is read from a terminal.
  explicit Progress(Show show) : show_(std::move(show)) {}
  ~Progress();

  // What precedes the simulation, whenever it is asked how far that is: `share` of it, where known.
  void tell(const std::string& what, std::optional<double> share = {});
  // What follows it, if it took long.
  void finally(const std::string& what);
  // During the simulation: how to learn how far it is.
  void watch(std::function<RunState(Instant)> state);
  // The line is taken away. Nothing is shown from then on.
  void end();

  bool visible() const { return visible_; }

 private:
  void look(Instant reached) override;
  void show(std::string_view text);
  Pace::Seconds elapsed() const;

  Show show_;
  bool visible_ = false;
  std::unique_ptr<StatusLine> line_;
  std::unique_ptr<Ticker> ticker_;
  std::function<RunState(Instant)> state_;
  std::chrono::steady_clock::time_point watched_since_;
  Pace pace_;
};

}  // namespace viosim
