// What is counted and measured of guests that move, and of the links between hosts.
// SPDX-License-Identifier: Apache-2.0
#include "sim/run/software_migrations.hpp"

#include "core/base/fields.hpp"
#include "sim/run/reading.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <string_view>

namespace viosim {
namespace {

struct MigrationStats {
  std::uint64_t migrations = 0;
  std::uint64_t moved = 0;
  std::uint64_t stayed = 0;
  std::uint64_t not_running = 0;
  std::uint64_t under_way = 0;
  std::uint64_t there_already = 0;
  std::uint64_t no_link = 0;
  std::uint64_t no_files = 0;
  std::uint64_t no_function = 0;
  std::uint64_t guest_ended = 0;
  std::uint64_t not_at_rest = 0;
  std::uint64_t pasid_taken = 0;
  std::uint64_t out_of_pasids = 0;
  std::uint64_t not_bound = 0;
  std::uint64_t taken_pasid = 0;
  std::uint64_t rounds = 0;
  std::uint64_t bytes = 0;
  std::uint64_t rebinds = 0;
  std::uint64_t kept_pasids = 0;
  std::uint64_t moved_work = 0;
  Ps total{0};
  Ps downtime{0};
  Ps longest_downtime{0};

  static constexpr auto fields() {
    using S = MigrationStats;
    return Fields{
        metric("migrations", &S::migrations, Unit::count, "Times that it was to move."),
        metric("moved", &S::moved, Unit::count, "Of these, it did."),
        metric("stayed", &S::stayed, Unit::count, "And it did not, for one of these reasons."),
        metric("not_running", &S::not_running, Unit::count, "It had not booted, or was gone."),
        metric("under_way", &S::under_way, Unit::count, "It was moving already."),
        metric("there_already", &S::there_already, Unit::count, "It lived on that host."),
        metric("no_link", &S::no_link, Unit::count, "No link led from its host to that one."),
        metric("no_files", &S::no_files, Unit::count,
               "The target's kernel refused the hypervisor its files."),
        metric("no_function", &S::no_function, Unit::count,
               "A function of the target could not be attached."),
        metric("guest_ended", &S::guest_ended, Unit::count, "It ended or panicked meanwhile."),
        metric("not_at_rest", &S::not_at_rest, Unit::count,
               "A function of its did not come to rest in time."),
        metric("pasid_taken", &S::pasid_taken, Unit::count,
               "One of its system-wide PASIDs was somebody else's there."),
        metric("out_of_pasids", &S::out_of_pasids, Unit::count,
               "The target gave no PASID: quota or range used up."),
        metric("not_bound", &S::not_bound, Unit::count,
               "The target refused to bind a page table of the guest."),
        metric("taken_pasid", &S::taken_pasid, Unit::count,
               "The PASID itself that was somebody else's, the last time; 0: none was."),
        metric("rounds", &S::rounds, Unit::count, "Rounds in which memory was sent."),
        metric("bytes", &S::bytes, Unit::bytes, "Sent to targets."),
        metric("rebinds", &S::rebinds, Unit::count, "Page tables of the guest bound at targets."),
        metric("kept_pasids", &S::kept_pasids, Unit::count,
               "System-wide PASIDs that targets gave it as the same numbers."),
        metric("moved_work", &S::moved_work, Unit::count,
               "Pieces of work under way that went on after a pause."),
        metric("total", &S::total, Unit::picoseconds, "From each beginning until it went on."),
        metric("downtime", &S::downtime, Unit::picoseconds, "Of that, while it was paused."),
        metric("longest_downtime", &S::longest_downtime, Unit::picoseconds,
               "The longest such pause.")};
  }
};

std::uint64_t& counter_of(MigrationStats& stats, MigrationFailure why) {
  switch (why) {
    case MigrationFailure::not_running:
      return stats.not_running;
    case MigrationFailure::under_way:
      return stats.under_way;
    case MigrationFailure::there_already:
      return stats.there_already;
    case MigrationFailure::no_link:
      return stats.no_link;
    case MigrationFailure::no_files:
      return stats.no_files;
    case MigrationFailure::no_function:
      return stats.no_function;
    case MigrationFailure::guest_ended:
      return stats.guest_ended;
    case MigrationFailure::not_at_rest:
      return stats.not_at_rest;
    case MigrationFailure::pasid_taken:
      return stats.pasid_taken;
    case MigrationFailure::out_of_pasids:
      return stats.out_of_pasids;
    default:
      return stats.not_bound;
  }
}

void count(MigrationStats& stats, const MigrationReport& report) {
  ++stats.migrations;
  stats.rounds += report.rounds;
  stats.bytes += report.bytes;
  stats.rebinds += report.rebinds;
  stats.kept_pasids += report.kept_pasids;
  stats.moved_work += report.moved_work;
  stats.total += report.total();
  stats.downtime += report.downtime();
  stats.longest_downtime = std::max(stats.longest_downtime, report.downtime());
  if (!report.ended) return;
  ++(report.failed ? stats.stayed : stats.moved);
  if (!report.failed) return;
  ++counter_of(stats, report.failed->why);
  if (report.failed->why == MigrationFailure::pasid_taken)
    stats.taken_pasid = report.failed->pasid.value();
}

void add_lane(Instruments& all, std::uint32_t component, const NetworkLane& lane) {
  all.add(component, [&lane](Reading reading) {
    reading.metrics(lane.stats);
    reading.metrics(lane.turn.stats);
  });
}

}  // namespace

void add_migrations(Instruments& all, std::uint32_t component, const Guest& guest) {
  all.add(component, [&guest](Reading reading) {
    MigrationStats stats;
    for (const MigrationReport& report : guest.migrations()) count(stats, report);
    reading.metrics(stats);
  });
}

void add_links(Instruments& all, const System& system) {
  for (const System::LinkSystem& link : system.links()) {
    add_lane(all, link.forth, link.link.forth);
    add_lane(all, link.back, link.link.back);
  }
}

std::vector<std::string> migration_notes(const System& system) {
  std::vector<std::string> notes;
  for (const System::HostSystem& host : system.hosts()) {
    if (!host.software) continue;
    for (const HostSoftware::GuestSystem& one : host.software->guests()) {
      for (const MigrationReport& report : one.guest->migrations()) {
        if (!report.failed) continue;
        const MigrationReport::Failed& failed = *report.failed;
        const std::string which =
            failed.pasid == no_pasid ? "" : fmt::format(", PASID {}", failed.pasid.value());
        notes.push_back(fmt::format("{} did not move to {} at {}: {} ({}{})",
                                    one.guest->machine.path(), report.to,
                                    format_time(report.began.since_start(), 12),
                                    sentence_of(failed.why), name_of(failed.why), which));
      }
    }
  }
  return notes;
}

}  // namespace viosim
