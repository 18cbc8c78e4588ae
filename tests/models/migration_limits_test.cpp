// Guests that do not move in the end: their functions do not come to rest, or they are killed while they move.
// SPDX-License-Identifier: Apache-2.0
#include "models/guest/migration.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/moving_guest.hpp"
#include "tests/support/one_response.hpp"

using namespace viosim;
using namespace viosim::test;

TEST_CASE("a guest whose functions do not come to rest in time stays, and goes on", "[migration]") {
  const bool shared = GENERATE(false, true);
  GuestParams params = moving_guest(PasidScope::guest_wide);
  params.migration.rest_limit = 1ms;
  Moving moving(params, {.shared = shared});
  OneResponse late(moving.rig, {.fate = Fate::delay, .by = 3ms});
  moving.boot();
  moving.migrate_at(300us);
  // Not before the functions of the target have been reset.
  moving.migrate_at(150ms);
  moving.rig.at(400ms, [&](Thread&) { moving.guest.kill(); });
  moving.rig.run();
  REQUIRE(late.done);
  REQUIRE(moving.guest.migrations().size() == 2);
  const MigrationReport& first = moving.guest.migrations().front();
  REQUIRE(first.failed);
  CHECK(first.failed->why == MigrationFailure::not_at_rest);
  CHECK(first.downtime() >= params.migration.rest_limit);
  CHECK(first.downtime() < params.migration.rest_limit + 100us);
  CHECK(!moving.report().failed);
  CHECK(moving.finished());
  CHECK(moving.group->stats.work_failed == 0);
  CHECK(moving.group->stats.failed == 0);
  check_both_empty(moving);
}

TEST_CASE("what comes to rest after the guest has gone on goes on at once", "[migration]") {
  const bool shared = GENERATE(false, true);
  GuestParams params = moving_guest(PasidScope::guest_wide);
  params.migration.rest_limit = Ps(0);
  std::uint64_t stayed = 0;
  for (std::int64_t step = 0; step < 10; ++step) {
    Moving moving(params, {.shared = shared});
    moving.boot();
    const Ps when = 250us + step * 23'100ns;
    INFO("at " << to_text(when));
    moving.migrate_at(when);
    moving.rig.at(400ms, [&](Thread&) { moving.guest.kill(); });
    moving.rig.run();
    if (moving.report().failed) {
      ++stayed;
      CHECK(moving.report().failed->why == MigrationFailure::not_at_rest);
    }
    CHECK(moving.finished());
    CHECK(moving.group->stats.work_failed == 0);
    CHECK(moving.group->stats.failed == 0);
    check_both_empty(moving);
  }
  CHECK(stayed > 0);
}

TEST_CASE("a guest that is killed while its functions do not come to rest ends the migration",
          "[migration]") {
  const bool shared = GENERATE(false, true);
  Moving moving(moving_guest(PasidScope::guest_wide), {.shared = shared});
  OneResponse lost(moving.rig, {.fate = Fate::drop});
  moving.boot();
  moving.migrate_at(300us);
  const Instant killed(5ms);
  moving.rig.at(killed.since_start(), [&](Thread&) { moving.guest.kill(); });
  moving.rig.run();
  REQUIRE(lost.done);
  const MigrationReport& report = moving.report();
  REQUIRE(report.failed);
  CHECK(report.failed->why == MigrationFailure::guest_ended);
  REQUIRE(report.paused);
  CHECK(*report.paused < killed);
  CHECK(*report.ended >= killed);
  CHECK(*report.ended <= killed + MigrationParams{}.look);
  check_both_empty(moving);
}

TEST_CASE("of a guest that is killed no more memory is sent than the chunk under way",
          "[migration]") {
  Moving moving(moving_guest(PasidScope::guest_wide), {.processes = 0});
  moving.boot();
  moving.migrate_at(300us);
  Instant killed;
  moving.rig.at(400us, [&](Thread&) {
    killed = moving.rig.rig.engine.now();
    moving.guest.kill();
  });
  moving.rig.run();
  const MigrationReport& report = moving.report();
  REQUIRE(report.failed);
  CHECK(report.failed->why == MigrationFailure::guest_ended);
  const NetworkLinkParams network = moving_link();
  CHECK(report.bytes % network.chunk.count() == 0);
  CHECK(report.bytes > 0);
  CHECK(report.bytes < moving.guest.memory.size().count());
  CHECK(moving.second.link.forth.stats.bytes == report.bytes);
  CHECK(*report.ended > killed + network.latency);
  CHECK(*report.ended <= killed + network.time_for(network.chunk) + network.latency);
  check_both_empty(moving);
}
