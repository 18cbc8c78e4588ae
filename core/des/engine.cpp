// The co-simulation hook, and who wakes when.
// SPDX-License-Identifier: Apache-2.0
#include "core/des/engine.hpp"

#include "core/base/prefetch.hpp"
#include "core/base/sanitizers.hpp"
#include "core/des/simgrid_compat.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <csignal>
#include <malloc.h>
#include <utility>

#if VIOSIM_ASAN
#include <sanitizer/asan_interface.h>
#endif

namespace viosim {
namespace {

namespace sg4 = simgrid::s4u;

constexpr Instant never = Instant::latest() + Ps(1);

// Actors run hardware, too, on their stacks of 127 KiB: small enough for tens of thousands of actors,
// and with the allocator's 16 bytes before it the top of a stack does not lie on a page of its own.
// Sanitizers need more.
constexpr const char* stack_size =
    sanitized ? "contexts/stack-size:512" : "contexts/stack-size:127";

// AddressSanitizer does not know the stacks of actors: what it has noted of the frames that an
// exception left would be held against those that come to lie there.
void forget_frames_below() {
#if VIOSIM_ASAN
  constexpr std::size_t most = 128 * 1024;  // of 512 KiB
  char here = 0;
  __asan_unpoison_memory_region(&here - most, most);
#endif
}

// SimGrid clears the stacks that have no guard. Fresh from the end of the heap a stack is clear, so that
// only what an actor uses becomes memory: some 10 KB and not 127. Elsewhere it is cleared in full, or
// is a mapping of its own, which costs a page more.
void grow_heap_by_stacks() {
  mallopt(M_MMAP_MAX, 0);
  mallopt(M_TOP_PAD, 0);
}

Ps simgrid_clock() { return Ps(static_cast<std::int64_t>(sg4::Engine::get_clock())); }

// What Ctrl-C does is the program's business, and its caller's: SimGrid would list its actors, leave
// with 1, and do so even where interrupts are to be ignored.
class InterruptKept {
 public:
  InterruptKept() { sigaction(SIGINT, nullptr, &before_); }
  void restore() const { sigaction(SIGINT, &before_, nullptr); }

 private:
  struct sigaction before_ {};
};

}  // namespace

// In one line of the machine's memory, and first, what a step looks at: actors are many, and the next
// one has mostly not run for long.
struct alignas(64) Engine::Actor {
  simgrid::kernel::actor::ActorImpl* simgrid = nullptr;
  const std::byte* stack = nullptr;  // where it blocked last
  void* data = nullptr;
  const Signal* waits_for = nullptr;
  bool begun = false;  // SimGrid has run it
  bool due = false;    // before that
  bool done = false;
  Lifetime lifetime = Lifetime::finishes;
  sg4::ActorPtr handle;
  std::string name;
  std::function<void()> body;

  // In its own context.
  void wait_for_first_turn() {
    begun = true;
    if (!due) compat::block_after([] {});
  }
  // In SimGrid's context.
  void go_on() {
    if (begun) {
      compat::answer(*simgrid);
    } else {
      due = true;
    }
  }
  // What SimGrid keeps of it, the frames of its simcall and of its caller, and its own data.
  void prefetch() const {
    if (stack == nullptr) return;  // it has not blocked yet
    constexpr std::ptrdiff_t line = 64;
    const auto* const kept = reinterpret_cast<const std::byte*>(simgrid);
    for (std::ptrdiff_t i = 0; i < 4; ++i) prefetch_line(kept + i * line);
    for (std::ptrdiff_t i = -14; i < 4; ++i) prefetch_line(stack + i * line);
    prefetch_line(data);
  }
};

// The hook that SimGrid uses for ns-3: asked for its next event last, with the distance to
// everybody else's.
class Engine::Fabric : public simgrid::kernel::resource::Model {
 public:
  explicit Fabric(Engine& engine) : Model("viosim hardware"), engine_(engine) {}
  bool next_occurring_event_is_idempotent() override { return false; }
  double next_occurring_event(double horizon) override { return engine_.next_event(horizon); }
  void update_actions_state(double /*now*/, double /*delta*/) override { engine_.wake_one(); }

 private:
  Engine& engine_;
};

struct Engine::Platform {
  Platform(Engine& owner, Stacks stacks) : engine(&count, arguments.data()) {
    interrupt.restore();
    sg4::Engine::set_config("contexts/nthreads:1");
    sg4::Engine::set_config(stack_size);
    sg4::Engine::set_config(stacks == Stacks::guarded ? "contexts/guard-size:1"
                                                      : "contexts/guard-size:0");
    if (stacks == Stacks::unguarded) grow_heap_by_stacks();
    auto* zone = compat::root_zone(engine);
    host = compat::add_host(zone, "host");
    zone->seal();
    engine.add_model(std::make_shared<Fabric>(owner));
  }

  std::string program = "viosim";
  // Below our picosecond; at its default SimGrid merges dates within 1e-9 of its seconds, which
  // would do, but says so nowhere.
  std::string precision = std::string("--cfg=") + compat::precision_option + ":1e-9";
  std::string quiet = "--log=xbt_cfg.thresh:warning";
  std::vector<char*> arguments{program.data(), quiet.data(), precision.data(), nullptr};
  int count = 3;
  InterruptKept interrupt;  // before SimGrid changes it
  sg4::Engine engine;
  sg4::Host* host = nullptr;
};

Engine::Engine(Stacks stacks)
    : platform_(std::make_unique<Platform>(*this, stacks)), began_(simgrid_clock()) {
  // Actor 0 keeps SimGrid alive while only hardware works, and stops the others at the end: SimGrid
  // itself would kill them in an order that depends on addresses.
  spawn("run", Lifetime::serves, [this] { stop_all(); });
  wakeups_.clear();
}

// SimGrid warns at the end of the program about actors that nobody has stopped.
Engine::~Engine() {
  if (ran_) return;
  run_ahead_ = nullptr;
  onlooker_ = nullptr;
  over_ = true;
  wakeups_.assign(1, {reached_, 0});
  platform_->engine.run();
}

Instant Engine::simgrid_now() const { return Instant(simgrid_clock() - began_); }

void Engine::spawn(std::string name, Lifetime lifetime, std::function<void()> body) {
  const auto number = static_cast<std::uint32_t>(actors_.size());
  actors_.push_back(std::make_unique<Actor>());
  Actor& actor = *actors_.back();
  actor.name = std::move(name);
  actor.lifetime = lifetime;
  actor.body = std::move(body);
  if (lifetime == Lifetime::finishes) ++unfinished_;
  wake_at(now(), number);
  if (in_hardware_) agenda_.stop_here();
  actor.handle = compat::add_actor(platform_->engine, actor.name, platform_->host, [this, &actor] {
    actor.wait_for_first_turn();
    try {
      actor.body();
    } catch (const simgrid::ForcefulKillException&) {
      forget_frames_below();
      throw;
    } catch (...) {
      if (!failure_) failure_ = std::current_exception();
    }
    actor.done = true;
    if (actor.lifetime == Lifetime::finishes) --unfinished_;
  });
  actor.simgrid = actor.handle->get_impl();
}

void Engine::set_actor_data(void* data) { actors_[current_]->data = data; }

void* Engine::actor_data() const { return in_hardware_ ? nullptr : actors_[current_]->data; }

bool Engine::nothing_to_come() const {
  return wakeups_.empty() && agenda_.empty() &&
         (run_ahead_ == nullptr || run_ahead_->next() > Instant::latest());
}

void Engine::run() {
  ran_ = true;
  platform_->engine.run();
  if (failure_) std::rethrow_exception(failure_);
}

// A run that is over ends its actors: what these let go of wakes nobody.
void Engine::wake_at(Instant at, std::uint32_t actor) {
  if (over_) return;
  wakeups_.push_back({at, actor});
  std::push_heap(wakeups_.begin(), wakeups_.end(), std::greater<>());
}

void Engine::sleep_until(Instant at) {
  ensure(at >= now(), "an actor asked to sleep until an instant that has passed");
  if (at > Instant::latest()) {
    throw TimeLimitError(fmt::format("the end of the sleep of \"{}\"", actors_[current_]->name));
  }
  wake_at(at, current_);
  block();
}

// Who blocks looks himself for what comes next, and hands over to the next actor: so a step needs no
// turn of SimGrid's loop, which takes most of a microsecond, and none of SimGrid at all where the
// next actor is the same one. SimGrid's clock stays behind until it is asked again.
void Engine::block() {
  const std::uint32_t me = current_;
  prefetch_next();
  const bool somebody_next = advance_to_next_actor();
  forget_frames_below();  // hardware may have failed, here
  if (!somebody_next) {
    compat::block_after([] {});
    return;
  }
  const std::uint32_t next = take_next();
  if (next == me) return;
  actors_[me]->stack = static_cast<const std::byte*>(__builtin_frame_address(0));
  compat::block_after([next = actors_[next].get()] { next->go_on(); });
}

// Whose wake-up is first goes on next, unless hardware wakes another one before.
void Engine::prefetch_next() const {
  if (wakeups_.empty()) return;
  const Wakeup& next = wakeups_.front();
  if (next.actor != current_) actors_[next.actor]->prefetch();
}

// False: nothing is left to do, or something failed; SimGrid's turn finds out what that means.
bool Engine::advance_to_next_actor() {
  if (over_ || failure_) return false;
  try {
    advance_hardware(wakeups_.empty() ? never : wakeups_.front().at);
  } catch (...) {
    failure_ = std::current_exception();
  }
  in_hardware_ = in_window_ = false;
  return !failure_ && !wakeups_.empty();
}

std::uint32_t Engine::take_next() {
  std::pop_heap(wakeups_.begin(), wakeups_.end(), std::greater<>());
  const Wakeup next = wakeups_.back();
  wakeups_.pop_back();
  reached_ = next.at;
  current_ = next.actor;
  agenda_.software_acts_at(next.at);
  if (!wakeups_.empty()) prefetch_line(actors_[wakeups_.front().actor].get());
  ++software_steps_;
  return next.actor;
}

// Called by SimGrid when no actor can run. horizon: the distance to SimGrid's own next event,
// negative when there is none. Returns the distance to our next wake-up, or -1 when SimGrid's event
// comes first.
double Engine::next_event(double horizon) {
  const Instant at = simgrid_now();
  const Instant simgrid_next = horizon < 0 ? never : at + Ps(static_cast<std::int64_t>(horizon));
  if (!failure_ && !over_) {
    const Instant software_next = wakeups_.empty() ? never : wakeups_.front().at;
    try {
      advance_hardware(std::min(simgrid_next, software_next));
    } catch (...) {
      failure_ = std::current_exception();
    }
  }
  in_hardware_ = in_window_ = false;
  if (!failure_ && wakeups_.empty() && horizon < 0 && !over_ && unfinished_ != 0) {
    failure_ = std::make_exception_ptr(StuckError(who_waits()));
  }
  if (!over_ && (failure_ || (wakeups_.empty() && horizon < 0))) {
    wakeups_.assign(1, {std::max(reached_, agenda_.now()), 0});
    over_ = true;
  }
  if (wakeups_.empty() || wakeups_.front().at > simgrid_next) return -1;
  due_ = true;
  // SimGrid's clock stops where it would no longer be exact, in a further run of a process.
  const Instant shown = std::min(wakeups_.front().at, Instant::latest() - began_);
  return static_cast<double>((shown - at).count());
}

void Engine::advance_hardware(Instant end) {
  in_hardware_ = true;
  for (;;) {
    const Instant ahead = run_ahead_ == nullptr ? never : run_ahead_->next();
    const Instant agenda_next = agenda_.next();
    if (onlooker_ != nullptr && onlooker_->asked()) [[unlikely]]
      onlooker_->answer(std::min({end, ahead, agenda_next, Instant::latest()}));
    if (agenda_next < end && agenda_next <= ahead) {
      if (end == never && ahead == never && agenda_.empty()) return;
      // The component tells the agenda (stop_after) when an event brings its next action forward.
      if (agenda_.run_before(std::min(end, ahead + Ps(1)))) return;
    } else if (ahead < end) {
      in_window_ = true;
      run_ahead_->run_window(std::min(end, agenda_next));
      in_window_ = false;
    } else {
      return;
    }
  }
}

// Lets the next actor go on if its instant has come. One at a time: the others of this instant
// follow when this one blocks.
void Engine::wake_one() {
  if (std::exchange(due_, false)) actors_[take_next()]->go_on();
}

void Engine::stop_all() {
  for (const auto& actor : actors_) {
    if (actor.get() != actors_.front().get() && !actor->done) actor->handle->kill();
  }
}

std::string Engine::who_waits() const {
  std::string text = fmt::format("the run is stuck at {}:",
                                 format_time(std::max(reached_, agenda_.now()).since_start(), 12));
  for (const auto& actor : actors_) {
    if (actor->waits_for == nullptr || actor->done) continue;
    text += fmt::format(" \"{}\" waits for \"{}\";", actor->name, actor->waits_for->name());
  }
  text += " nothing is left that could raise it";
  return text;
}

void Signal::raise() {
  ensure(!engine_->in_window_, "a signal was raised while running ahead");
  if (waiters_.empty()) {
    ++left_over_;
    return;
  }
  engine_->wake_at(engine_->now(), waiters_.front());
  waiters_.erase(waiters_.begin());
  if (engine_->in_hardware_) engine_->agenda_.stop_here();
}

bool Signal::dismiss(std::uint32_t actor) {
  const auto found = std::find(waiters_.begin(), waiters_.end(), actor);
  if (found == waiters_.end()) return false;
  waiters_.erase(found);
  engine_->wake_at(engine_->now(), actor);
  if (engine_->in_hardware_) engine_->agenda_.stop_here();
  return true;
}

void Signal::wait() {
  if (left_over_ > 0) {
    --left_over_;
    return;
  }
  waiters_.push_back(engine_->current_);
  auto& actor = *engine_->actors_[engine_->current_];
  actor.waits_for = this;
  engine_->block();
  actor.waits_for = nullptr;
}

}  // namespace viosim
