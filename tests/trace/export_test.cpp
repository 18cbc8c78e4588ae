// The forms in which a trace leaves viosim: well-formed whatever is in it.
// SPDX-License-Identifier: Apache-2.0
#include "core/base/error.hpp"
#include "sim/json/parse.hpp"
#include "sim/record/whole_file.hpp"
#include "tests/support/catch.hpp"
#include "tests/trace/exported.hpp"
#include "tests/trace/made_run.hpp"

#include <map>
#include <set>
#include <span>
#include <sstream>
#include <sys/stat.h>

using namespace viosim;
using namespace viosim::test;
using Catch::Matchers::Contains;

namespace {

// The names of the slices that one flow joins, in their order.
std::map<std::string, std::vector<std::string>> flows_in(const std::vector<Drawn>& all) {
  std::map<std::string, std::vector<std::string>> flows;
  for (const Drawn& one : all)
    if (!one.flow.empty()) flows[one.flow].push_back(one.name);
  return flows;
}

}  // namespace

TEST_CASE("an export takes the place of no pipe, device or directory", "[trace]") {
  const Scratch scratch;
  const std::filesystem::path pipe = scratch / "pipe";
  REQUIRE(::mkfifo(pipe.c_str(), 0600) == 0);
  CHECK_THROWS_WITH(TextOutput(pipe), Contains("is a device, pipe or socket"));
  CHECK(std::filesystem::is_fifo(pipe));
  CHECK_THROWS_WITH(TextOutput(scratch / "."), Contains("is a directory"));
}

TEST_CASE("an export takes the place of no link, nor of what leads to a descriptor", "[trace]") {
  const Scratch scratch;
  std::filesystem::create_symlink("/proc/self/fd/1", scratch / "output");
  std::filesystem::create_symlink("output", scratch / "link");
  for (const std::filesystem::path& name :
       {std::filesystem::path("/dev/stdout"), scratch / "output", scratch / "link"})
    CHECK_THROWS_WITH(TextOutput(name), Contains("is no name of a file of its own"));
  CHECK(std::filesystem::is_symlink(scratch / "output"));
  // Of a link to a file the file is written, whether it is there or not.
  std::filesystem::create_symlink("file", scratch / "to_file");
  for (const std::string text : {"first", "second"}) {
    TextOutput output(scratch / "to_file");
    fmt::format_to(std::back_inserter(output.buffer()), "{}", text);
    output.close();
    CHECK(std::filesystem::is_symlink(scratch / "to_file"));
    CHECK(read_whole_file(scratch / "file") == text);
  }
  // A name that is as long as one can be.
  const std::string longest(255, 'x');
  TextOutput(scratch / longest).close();
  CHECK(std::filesystem::exists(scratch / longest));
}

TEST_CASE("an export takes the place of no database", "[trace]") {
  const Scratch scratch;
  Connection(scratch / "a.db", Connection::Mode::create).run("CREATE TABLE a(b)");
  CHECK_THROWS_WITH(TextOutput(scratch / "a.db"), Contains("a.db: is a database"));
}

TEST_CASE("an export touches no file but its own while it is written", "[trace]") {
  const Scratch scratch;
  write_whole_file(scratch / "b.partial", std::as_bytes(std::span("kept", 4)));
  REQUIRE(::mkfifo((scratch / "c.partial").c_str(), 0600) == 0);
  for (const char* const name : {"b", "c"}) {
    TextOutput output(scratch / name);
    output.buffer().append(std::string_view("text"));
    output.close();
    CHECK(read_whole_file(scratch / name) == "text");
  }
  CHECK(read_whole_file(scratch / "b.partial") == "kept");
  CHECK(std::distance(std::filesystem::directory_iterator(scratch / "."), {}) == 4);
}

TEST_CASE("lines hold every field of an event, exactly", "[trace]") {
  const Scratch scratch;
  {
    MadeRun run(scratch / "run.db");
    const std::uint32_t device = run.component("host0.acc[0]");
    run.block(
        {event_of(EventKind::translate, device, {1'000'001, 1'500'123}, 0x7f000, 0x1234000, 9)});
    run.finish();
  }
  CHECK(exported(scratch / "run.db", TraceFormat::jsonl) ==
        "{\"time_ps\":1500123,\"duration_ps\":500122,\"component\":\"host0.acc[0]\",\"kind\":"
        "\"translate\",\"pasid\":9,\"epoch\":0,\"address\":\"0x7f000\",\"value\":\"0x1234000\","
        "\"code\":0}\n");
  CHECK(exported(scratch / "run.db", TraceFormat::csv) ==
        "time_ps,duration_ps,component,kind,pasid,epoch,address,value,code\n"
        "1500123,500122,host0.acc[0],translate,9,0,0x7f000,0x1234000,0\n");
  CHECK_THAT(exported(scratch / "run.db", TraceFormat::columns),
             Contains("1.500123 us") && Contains("500.122 ns") && Contains("hit"));
  CHECK_THAT(exported(scratch / "run.db", TraceFormat::perfetto),
             Contains("\"ts\":1.000001,") && Contains("\"dur\":0.500122,"));
}

TEST_CASE("names with quotes, commas and control characters stay names", "[trace]") {
  const Scratch scratch;
  {
    MadeRun run(scratch / "run.db");
    const std::uint32_t odd = run.component("host0.\"odd\",\\name\n");
    run.block({event_of(EventKind::map, odd, {5, 5})});
    run.finish();
  }
  const std::string line = exported(scratch / "run.db", TraceFormat::jsonl);
  const Value value = parse_json(line, "line");
  CHECK(text_in(*value.if_object(), "component") == "host0.\"odd\",\\name\n");
  CHECK_THAT(exported(scratch / "run.db", TraceFormat::csv),
             Contains("5,0,\"host0.\"\"odd\"\",\\name\n\",map,"));
  CHECK(drawn_in(exported(scratch / "run.db", TraceFormat::perfetto)).back().phase == "i");
}

TEST_CASE("each host, guest, IOMMU and link is a process, by what it is", "[trace]") {
  const Scratch scratch;
  {
    MadeRun run(scratch / "run.db", R"({"hosts": [{"name": "a", "guests": [{"name": "vm"}],
      "iommus": [{"name": "i"}]}, {"name": "b"}], "links": [{"name": "net"}]})");
    for (const char* const path : {"a.kernel", "a.vm.v0", "a.i.driver", "b", "net", "net.forth"})
      run.block({event_of(EventKind::map, run.component(path), {5, 5})});
    run.finish();
  }
  const std::string json = exported(scratch / "run.db", TraceFormat::perfetto);
  for (const char* const name : {"host a", "guest a.vm", "IOMMU a.i", "host b", "link net"})
    CHECK_THAT(json, Contains('"' + std::string(name) + '"'));
  CHECK_THAT(json, !Contains("host net"));
}

TEST_CASE("an empty trace is a whole file", "[trace]") {
  const Scratch scratch;
  {
    MadeRun run(scratch / "run.db");
    run.finish();
  }
  CHECK(exported(scratch / "run.db", TraceFormat::jsonl).empty());
  CHECK_THAT(exported(scratch / "run.db", TraceFormat::csv), Catch::Matchers::EndsWith("code\n"));
  CHECK(drawn_in(exported(scratch / "run.db", TraceFormat::perfetto)).empty());
}

TEST_CASE("a trace that a killed run left is exported to its last block, and says so", "[trace]") {
  const Scratch scratch;
  {
    MadeRun run(scratch / "run.db");
    run.block({event_of(EventKind::map, run.component("host0"), {5, 5})});
  }
  const auto partial = RunDatabase::partial_path(scratch / "run.db");
  const std::string json = exported(partial, TraceFormat::perfetto);
  CHECK_THAT(json, Contains("\"complete\":false"));
  CHECK(drawn_in(json).back().name == "map");
}

TEST_CASE("slices of one track do not overlap, however many requests are in flight", "[trace]") {
  const Scratch scratch;
  {
    MadeRun run(scratch / "run.db");
    const std::uint32_t device = run.component("host0.acc");
    std::vector<TraceEvent> events;
    for (std::int64_t i = 0; i < 500; ++i) {
      const std::int64_t begin = i * 100 + i * i % 77;
      events.push_back(event_of(EventKind::translate, device, {begin, begin + 450 + i % 9 * 100}));
    }
    run.block(std::move(events));
    run.finish();
  }
  std::map<std::int64_t, std::vector<std::pair<std::int64_t, std::int64_t>>> tracks;
  for (const Drawn& one : drawn_in(exported(scratch / "run.db", TraceFormat::perfetto)))
    if (one.phase == "X") tracks[one.track].emplace_back(one.begin, one.end);
  CHECK(tracks.size() > 3);
  CHECK(tracks.size() < 30);
  for (auto& [track, slices] : tracks) {
    std::sort(slices.begin(), slices.end());
    for (std::size_t i = 1; i < slices.size(); ++i) CHECK(slices[i - 1].second <= slices[i].first);
  }
}

TEST_CASE("the parts of a request flow from the request", "[trace]") {
  const Scratch scratch;
  {
    MadeRun run(scratch / "run.db");
    const std::uint32_t device = run.component("host0.acc");
    const std::uint32_t iommu = run.component("host0.dmar0");
    // Two requests to one page, in flight together; the second one waits for a walker.
    run.block({event_of(EventKind::look_up, iommu, {200, 210}, 0x1000, 1, 5),
               event_of(EventKind::walk, iommu, {210, 500}, 0x1000, 1, 5),
               event_of(EventKind::translate, device, {0, 700}, 0x1000, 0x9000, 5),
               event_of(EventKind::look_up, iommu, {300, 310}, 0x1000, 2, 5),
               event_of(EventKind::wait, iommu, {310, 500}, 0x1000, 2, 5),
               event_of(EventKind::walk, iommu, {500, 600}, 0x1000, 2, 5),
               event_of(EventKind::translate, device, {100, 800}, 0x1000, 0x9000, 5),
               event_of(EventKind::translate, device, {900, 950}, 0x2000, 0x8000, 5),
               event_of(EventKind::look_up, iommu, {960, 970}, 0x1000, 3, 6)});
    run.finish();
  }
  const std::vector<Drawn> all = drawn_in(exported(scratch / "run.db", TraceFormat::perfetto));
  const auto flows = flows_in(all);
  REQUIRE(flows.size() == 2);
  CHECK(flows.begin()->second == std::vector<std::string>{"translate", "look_up", "walk"});
  CHECK(flows.rbegin()->second == std::vector<std::string>{"translate", "look_up", "wait", "walk"});
  for (const Drawn& one : all) {
    if (one.flow.empty()) continue;
    CHECK(one.flow_in == (one.name != "translate"));
    CHECK(one.flow_out == (one.name != "walk"));
  }
}

TEST_CASE("hosts, guests and IOMMUs are processes, and no thread has the number of one",
          "[trace]") {
  const Scratch scratch;
  {
    MadeRun run(scratch / "run.db");
    std::vector<TraceEvent> events;
    for (const char* path : {"host0.acc", "host0.dmar0", "host0.dmar0.iotlb", "host0.vm[1].v0"})
      events.push_back(event_of(EventKind::map, run.component(path), {7, 7}));
    run.block(std::move(events));
    run.finish();
  }
  const std::string json = exported(scratch / "run.db", TraceFormat::perfetto);
  for (const char* name : {"host host0", "IOMMU host0.dmar0", "guest host0.vm[1]"})
    CHECK_THAT(json, Contains(std::string("\"name\":\"") + name + "\""));
  std::set<std::int64_t> threads;
  for (const Drawn& one : drawn_in(json))
    if (one.name == "thread_name") threads.insert(one.track);
  CHECK(threads.size() == 4);
  CHECK(*threads.begin() > 3);
}

TEST_CASE("an export that cannot be written leaves no file and says why", "[trace]") {
  CHECK_THROWS_WITH(TextOutput("/nonexistent/out.json"), Contains("No such file or directory"));
  const Scratch scratch;
  { TextOutput dropped(scratch / "out"); }
  CHECK(std::filesystem::is_empty(scratch.path()));
}

TEST_CASE("fields say what they hold", "[trace]") {
  CHECK(FieldMeaning("IOVA", false).of(0x1000) == "0x1000");
  CHECK(FieldMeaning("number of the miss", false).of(12) == "12");
  CHECK(FieldMeaning("requester id", true).of(0x0108) == "01:01.0");
  const FieldMeaning outcome("0 hit, 1 miss, 2 no access, 0x100 + reason: fault", true);
  CHECK(outcome.of(0) == "hit");
  CHECK(outcome.of(2) == "no access");
  CHECK(outcome.of(3) == "3");
  CHECK(outcome.of(0x171) == "fault 0x71");
  CHECK(FieldMeaning("", true).of(5).empty());
}

TEST_CASE("what is packed into a number is told part by part") {
  const FieldMeaning entry("requester id 15:0, domain 31:16, device TLB 40, PASIDs below 63:42",
                           false);
  CHECK(entry.of(0x100U | 7U << 16U | std::uint64_t{64} << 42U) ==
        "requester id 01:00.0, domain 7, PASIDs below 64");
  CHECK(entry.named(std::uint64_t{1} << 40U) ==
        "requester id 00:00.0, domain 0, device TLB, PASIDs below 0");
  CHECK(FieldMeaning("all 63:0", false).of(~std::uint64_t{0}) == "all 18446744073709551615");
  // A sentence that happens to end in a number of no bit, and one in no number.
  CHECK(FieldMeaning("number of pages, at most 65535", false).of(5) == "5");
  CHECK(FieldMeaning("IOVA", false).named(0x1000) == "IOVA 0x1000");
}
