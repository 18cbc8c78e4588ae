// The phases of a migration, in the order in which they are gone through.
// SPDX-License-Identifier: Apache-2.0
#include "models/guest/migration.hpp"

#include "models/guest/guest.hpp"

#include <algorithm>

namespace viosim {
namespace {

using Why = MigrationFailure;

std::optional<MigrationReport::Failed> no_failure() { return std::nullopt; }
std::optional<MigrationReport::Failed> failure(Why why, Errno error = Errno::ok,
                                               Pasid pasid = no_pasid) {
  return MigrationReport::Failed{why, pasid, error};
}

}  // namespace

Migration::Migration(Guest& guest, const Target& target, Residence& residence,
                     MigrationReport& report)
    : guest_(guest),
      params_(guest.params_.migration),
      target_(target),
      from_(guest.residence()),
      to_(residence),
      path_(guest.machine.path() + ".migration"),
      moves_(target.functions.size()),
      arrivals_(guest.engine(), path_ + ": what is on its way to its functions has arrived"),
      decision_(guest.engine(), path_ + ": it is known where the guest lives"),
      report_(report) {
  report_.to = target.name;
  report_.began = guest.engine().now();
}

// A machine that is killed ends whoever calls for it into a host's kernel.
void Migration::run(Thread& thread) {
  try {
    report_.failed = attempt(thread);
  } catch (const ThreadGone&) {
    report_.failed = failure(Why::guest_ended);
  }
  guest_.memory.note_writes(false);
  Residence* left = &from_;
  if (report_.failed) {
    go_on_at_source();
    decide();
    left = &to_;
  }
  clear_up(thread, *left);
  over_ = true;
}

Migration::Failed Migration::attempt(Thread& thread) {
  if (const Failed failed = prepare(thread)) return failed;
  if (const Failed failed = send_rounds(thread)) return failed;
  if (const Failed failed = pause(thread)) return failed;
  if (const Failed failed = send_rest(thread)) return failed;
  const Failed failed = at_target(thread, [this](Thread& worker) { return build(worker); });
  target_.back->send(thread, Bytes(0));
  return failed;
}

Migration::Failed Migration::ended() const {
  return guest_.machine.guest_runs() ? no_failure() : failure(Why::guest_ended);
}

// Who sends is the hypervisor's process: what it has not sent when the guest ends is not sent any more.
void Migration::send(Thread& thread, std::uint64_t bytes) {
  const auto sends = [this] { return guest_.machine.guest_runs(); };
  report_.bytes += target_.there->send(thread, Bytes(bytes), sends).count();
}

template <class Job>
Migration::Failed Migration::at_target(Thread& thread, Job job) {
  Signal done(guest_.engine(), path_ + ": the target's host has done its part");
  Failed failed = failure(Why::guest_ended);  // unless it comes to another end
  // Whoever waits is told, too, when the thread ends in the middle of it; but not when the run does, which
  // may have ended the one who waits, and the signal with him.
  target_.host->kernel.workers.post([&](Thread& worker) {
    try {
      failed = job(worker);
    } catch (const ThreadGone&) {
      done.raise();
      throw;
    }
    done.raise();
  });
  thread.wait(done);
  return failed;
}

// Prepare.

Migration::Failed Migration::prepare(Thread& thread) {
  send(thread, 0);
  const Failed failed = at_target(thread, [this](Thread& worker) { return open_target(worker); });
  target_.back->send(thread, Bytes(0));
  return failed ? failed : ended();
}

Migration::Failed Migration::open_target(Thread& thread) {
  if (const Errno error = to_.open(thread); error != Errno::ok)
    return failure(Why::no_files, error);
  for (std::size_t function = 0; function < moves_.size(); ++function) {
    if (const Errno error = to_.claim(function); error != Errno::ok)
      return failure(Why::no_function, error);
    if (!from_.attached(function)) continue;
    if (const Failed failed = attach(thread, function)) return failed;
  }
  return no_failure();
}

Migration::Failed Migration::attach(Thread& thread, std::size_t function) {
  if (!to_.present(function)) return failure(Why::no_function, Errno::enodev);
  const Errno error = to_.attach(thread, function);
  return error == Errno::ok ? no_failure() : failure(Why::no_function, error);
}

// Rounds.

std::uint64_t Migration::memory_left() const {
  const std::uint64_t left = written_ + guest_.memory.written().count();
  return std::min(left, guest_.memory.size().count());
}

std::uint64_t Migration::on_wire(std::uint64_t memory) const {
  return memory + memory / page_4k.count() * params_.page_header.count();
}

Migration::Failed Migration::send_rounds(Thread& thread) {
  written_ = guest_.memory.size().count();
  for (std::uint64_t& round = report_.rounds;
       round < params_.rounds && (round == 0 || memory_left() > params_.stop_below.count());
       ++round) {
    const std::uint64_t now = memory_left();
    const Instant began = thread.now();
    guest_.memory.note_writes(true);
    send(thread, on_wire(now));
    const std::uint64_t pages =
        bytes_in(thread.now() - began, params_.dirty_rate).count() / page_4k.count();
    written_ = pages * page_4k.count();
    if (const Failed failed = ended()) return failed;
  }
  return no_failure();
}

// Pause.

Migration::Failed Migration::pause(Thread& thread) {
  report_.paused = thread.now();
  Gate& gate = guest_.kernel.cpus.gate;
  gate.close();
  while (gate.away() > 0) thread.wait(gate.back());
  guest_.machine.hold_jobs(thread);
  if (const Failed failed = ended()) return failed;
  return halt_functions(thread);
}

bool Migration::functions_at_rest() const {
  return std::all_of(guest_.drivers_.begin(), guest_.drivers_.end(),
                     [](const auto& driver) { return driver->halted(); });
}

// Writes to their registers arrive first. Page requests that the guest would have to answer are answered for
// it: who waits for them has not done his work. A request that nobody answers any more never comes to rest.
Migration::Failed Migration::halt_functions(Thread& thread) {
  Ps on_the_way{0};
  for (const auto& driver : guest_.drivers_)
    on_the_way = std::max(on_the_way, driver->function().link);
  arrivals_.wait(thread, on_the_way);
  for (const auto& driver : guest_.drivers_) driver->halt();
  const Instant limit = thread.now() + params_.rest_limit;
  while (!functions_at_rest()) {
    if (const Failed failed = ended()) return failed;
    if (thread.now() >= limit) return failure(Why::not_at_rest);
    if (from_.flow().waiting_faults() > 0) from_.flow().answer_for_guest(thread);
    thread.sleep(params_.look);
  }
  if (from_.flow().waiting_faults() > 0) from_.flow().answer_for_guest(thread);
  for (const auto& driver : guest_.drivers_) report_.moved_work += driver->halted_work();
  return ended();
}

// States.

std::uint64_t Migration::devices() const { return guest_.units.size() + guest_.drivers_.size(); }

Ps Migration::states(Ps each) const {
  return each * static_cast<std::int64_t>(guest_.params_.vcpus + devices());
}

Migration::Failed Migration::send_rest(Thread& thread) {
  pasids_ = from_.flow().given_pasids(thread);
  thread.run(states(params_.save));
  send(thread, on_wire(memory_left()) + guest_.params_.vcpus * params_.vcpu_state.count() +
                   devices() * params_.device_state.count() +
                   report_.moved_work * params_.work_state.count());
  return ended();
}

// Of functions that have vanished meanwhile none comes along; those that were plugged in are attached now.
Migration::Failed Migration::build(Thread& thread) {
  for (std::size_t function = 0; function < moves_.size(); ++function) {
    moves_[function] = from_.attached(function) && from_.function(function).device->present();
    if (!moves_[function] || to_.attached(function)) continue;
    if (const Failed failed = attach(thread, function)) return failed;
  }
  thread.run(states(params_.load));
  if (const Failed failed = take_pasids(thread)) return failed;
  if (const Failed failed = bind_again(thread)) return failed;
  leave_out(thread);
  if (const Failed failed = ended()) return failed;
  guest_.change_residence(to_, moves_);
  decide();
  return no_failure();
}

Migration::Failed Migration::take_pasids(Thread& thread) {
  for (const Pasid pasid : pasids_) {
    const Errno error = to_.flow().take_pasid(thread, pasid);
    if (error == Errno::eexist) return failure(Why::pasid_taken, error, pasid);
    if (error != Errno::ok) return failure(Why::out_of_pasids, error, pasid);
    ++report_.kept_pasids;
  }
  return no_failure();
}

Migration::Failed Migration::bind_again(Thread& thread) {
  for (const Guest::Unit& unit : guest_.units) {
    for (const GuestSpace& space : unit.viommu.bound()) {
      if (!moves_[space.device]) continue;
      const Errno error = to_.flow().bind(thread, space);
      if (error == Errno::enospc) return failure(Why::out_of_pasids, error, space.pasid);
      if (error != Errno::ok) return failure(Why::not_bound, error, space.pasid);
      ++report_.rebinds;
    }
  }
  return no_failure();
}

void Migration::leave_out(Thread& thread) {
  for (std::size_t function = 0; function < moves_.size(); ++function) {
    if (moves_[function] || !to_.attached(function)) continue;
    to_.detach(thread, function);
  }
}

// The end.

void Migration::go_on_at_source() {
  if (!report_.paused) return;
  for (const auto& driver : guest_.drivers_) driver->go_on();
  guest_.kernel.cpus.gate.open();
  guest_.machine.release_jobs();
}

void Migration::decide() {
  report_.ended = guest_.engine().now();
  decided_ = true;
  for (; waiting_ > 0; --waiting_) decision_.raise();
}

void Migration::wait_until_decided(Thread& thread) {
  if (decided_) return;
  ++waiting_;
  thread.wait(decision_);
}

void Migration::clear_up(Thread& thread, Residence& left) {
  if (&left.host() == target_.host) {
    at_target(thread, [&](Thread& worker) {
      left.close(worker);
      return no_failure();
    });
  } else {
    left.close(thread);
  }
}

// The guest's side of it.

std::string_view Guest::migrate(const Migration::Target& target) {
  if (!booted_ || !machine.guest_runs())
    return refuse_migration(target, MigrationFailure::not_running);
  if (migrates()) return refuse_migration(target, MigrationFailure::under_way);
  if (target.host == &host()) return refuse_migration(target, MigrationFailure::there_already);
  if (target.there == nullptr) return refuse_migration(target, MigrationFailure::no_link);
  Residence& to = add_residence(*target.host);
  memory.back(target.host->memory, to.second_stage());
  ensure(target.functions.size() == drivers_.size(),
         "a migration names other functions than its guest");
  for (std::size_t function = 0; function < drivers_.size(); ++function) {
    ensure(!residence_->function(function).slice() && !target.functions[function].slice(),
           "a guest with slices of functions was to move");
  }
  for (std::size_t function = 0; function < drivers_.size(); ++function) {
    Residence::Function there = target.functions[function];
    there.shows_page_requests = residence_->function(function).shows_page_requests;
    to.add(there, drivers_[function]->function().source);
  }
  for (const auto& follower : followers_) follower(to);
  migration_ = std::make_unique<Migration>(*this, target, to, reports_.emplace_back());
  host().kernel.workers.post([&migration = *migration_](Thread& thread) { migration.run(thread); });
  return {};
}

std::string_view Guest::refuse_migration(const Migration::Target& target, MigrationFailure why) {
  MigrationReport& report = reports_.emplace_back();
  report.to = target.name;
  report.began = engine().now();
  report.ended = report.began;
  report.failed = MigrationReport::Failed{why, no_pasid, Errno::ok};
  return sentence_of(why);
}

void Guest::change_residence(Residence& to, const std::vector<bool>& moves) {
  residence_ = &to;
  memory.move_to(to.host().memory, to.second_stage());
  tell_memory();
  hypervisor.move_to(to.flow());
  machine.move_to(to.host().kernel.workers);
  for (std::size_t number = 0; number < drivers_.size(); ++number) {
    const Residence::Function& function = to.function(number);
    FunctionDriver& driver = *drivers_[number];
    driver.move_to({function.device, function.shared, function.link, &to.switches(number)});
    if (moves[number]) continue;
    for (Unit& unit : units) unit.viommu.forget(number);
    to.take_out(number);
  }
  for (const auto& driver : drivers_) driver->go_on();
  kernel.cpus.gate.open();
  machine.release_jobs();
  if (to.trace().on()) to.trace().emit({.kind = EventKind::moved, .time = engine().now()});
}

}  // namespace viosim
