// Kinds of event of files that other versions wrote.
// SPDX-License-Identifier: Apache-2.0
#include "sim/trace/own_kinds.hpp"

#include "core/base/error.hpp"
#include "sim/record/digest.hpp"
#include "sim/record/schema.hpp"
#include "sim/verbs/verbs.hpp"
#include "tests/support/catch.hpp"
#include "tests/trace/made_run.hpp"

#include <algorithm>

using namespace viosim;
using namespace viosim::test;
using Catch::Matchers::Contains;

namespace {

constexpr std::uint16_t number_of(EventKind kind) { return static_cast<std::uint16_t>(kind); }

void change_tables(const std::filesystem::path& file, const std::string& sql) {
  Connection connection(file.string(), Connection::Mode::read);
  connection.run(sql + "; DELETE FROM digest");
  write_digests(connection, schema::covered());
}

// A run of one event of this kind, whose table of kinds is then changed.
void write_run(const std::filesystem::path& file, std::uint16_t kind, const std::string& sql) {
  MadeRun run(file);
  TraceEvent event = event_of(EventKind::bind, run.component("host0.dmar0"), {0, 5});
  event.kind = kind;
  run.block({event});
  run.finish();
  change_tables(file, sql);
}

}  // namespace

TEST_CASE("a kind is what its file calls it, whatever its number", "[trace]") {
  const Scratch scratch;
  write_run(scratch / "run.db", number_of(EventKind::bind) + 100,
            "UPDATE event_kind SET kind = kind + 100");
  RunReader run = RunReader::open(scratch / "run.db");
  OwnKinds kinds(run);
  std::vector<TraceEvent> events;
  run.read_block(0, events);
  REQUIRE(kinds.own(events.at(0)));
  CHECK(kinds.own(events.at(0))->kind == number_of(EventKind::bind));
  CHECK(kinds.absent().empty());
  CHECK(kinds.unknown().empty());
}

TEST_CASE("kinds that one of two versions has not are told", "[trace]") {
  const Scratch scratch;
  write_run(scratch / "run.db", number_of(EventKind::bind),
            "UPDATE event_kind SET name = 'rebind' WHERE name = 'bind'");
  RunReader run = RunReader::open(scratch / "run.db");
  OwnKinds kinds(run);
  CHECK(kinds.absent() == std::vector<std::string>{"bind"});
  CHECK(kinds.unknown().empty());
  run.for_each_event([&](const TraceEvent& event) { CHECK_FALSE(kinds.own(event)); });
  CHECK(kinds.unknown() == std::map<std::string, std::uint64_t>{{"rebind", 1}});
}

TEST_CASE("a kind without a name is refused", "[trace]") {
  const Scratch scratch;
  const std::uint16_t kind = GENERATE(number_of(EventKind::bind), std::uint16_t{4711});
  write_run(scratch / "run.db", kind, "DELETE FROM event_kind WHERE name = 'bind'");
  RunReader run = RunReader::open(scratch / "run.db");
  OwnKinds kinds(run);
  run.for_each_event([&](const TraceEvent& event) {
    CHECK_THROWS_WITH(kinds.own(event), Contains("run.db") &&
                                            Contains("of kind " + std::to_string(kind)) &&
                                            Contains("event_kind"));
  });
}

TEST_CASE("a trace of other numbers is held against the invariants by its names", "[trace]") {
  const Scratch scratch;
  const int moved = GENERATE(0, 100);
  const bool twice = GENERATE(true, false);
  MadeRun run(scratch / "run.db");
  const std::uint32_t kernel = run.component("host0.kernel.pasids");
  TraceEvent allocation = event_of(EventKind::allocate, kernel, {0, 5}, 100ULL << 32U, 0, 7);
  allocation.kind = static_cast<std::uint16_t>(allocation.kind + moved);
  allocation.epoch = 1;
  TraceEvent next = allocation;
  next.time = 9;
  next.epoch = 2;
  next.pasid = twice ? 7 : 8;
  run.block({allocation, next});
  run.finish();
  change_tables(scratch / "run.db", "UPDATE event_kind SET kind = kind + " + std::to_string(moved));
  CHECK(check_verb(scratch / "run.db", true) == (twice ? 1 : 0));
}
