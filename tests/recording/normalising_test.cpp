// How records become operations: what the guest did, and what its probes missed.
// SPDX-License-Identifier: Apache-2.0
#include "tests/recording/samples.hpp"
#include "tests/support/catch.hpp"

#include <algorithm>

using namespace viosim;
using namespace viosim::test;

namespace {

// "map 5 0x1000 +1 -> 0x9000 rw", short enough to compare whole streams.
std::string text(const RecordedOp& op) {
  const std::string pages = fmt::format("{} {:#x} +{}", op.domain, op.iova, op.pages);
  switch (op.kind) {
    case RecordedKind::request:
      return fmt::format("request {} {} {:#x}", op.sid, op.domain, op.iova);
    case RecordedKind::attach:
      return fmt::format("attach {} {}", op.sid, op.domain);
    case RecordedKind::detach:
      return fmt::format("detach {}", op.sid);
    case RecordedKind::map:
      return fmt::format("map {} -> {:#x} {}", pages, op.pa, op.permissions);
    case RecordedKind::unmap:
      return "unmap " + pages;
    case RecordedKind::descriptor:
      return fmt::format("descriptor {:#x} {:#x}", op.iova, op.pa);
    case RecordedKind::invalidate:
      return "invalidate " + pages;
    case RecordedKind::drop_all:
      return "drop_all";
  }
  return "?";
}

std::vector<std::string> texts(const RecordedStream& stream) {
  std::vector<std::string> all;
  for (const RecordedOp& op : stream.ops) all.push_back(text(op));
  return all;
}

using Texts = std::vector<std::string>;

const std::string map_1 =
    R"({"t":1000,"k":"map","did":5,"iova":"0x1000","pa":"0x9000","pgsz":4096,"n":1,"prot":3,"src":"guest"})";
const std::string unmap_1 =
    R"({"t":1000,"k":"unmap","did":5,"iova":"0x1000","pgsz":4096,"n":1,"src":"guest"})";
const std::string miss_1 =
    R"({"t":1000,"k":"req","sid":256,"iova":"0x1010","r":"miss","pa":"0x9010","sz":4096,"pte":"0x9003","did":5})";
const std::string flush_1 =
    R"({"t":1000,"k":"inv","type":"iotlb","gran":"page","hi":"0x1000","lo":"0x500f2"})";
const std::string flush_0_to_3 =
    R"({"t":1000,"k":"inv","type":"iotlb","gran":"page","hi":"0x2","lo":"0x500f2"})";

}  // namespace

TEST_CASE("unknown kinds and fields are ignored", "[recording]") {
  const RecordedStream stream = read_sample(
      vtd_meta, {R"({"t":0,"k":"news","iova":17})", R"({"t":0,"k":"root","later":[{}]})"});
  CHECK(texts(stream) == Texts{"drop_all"});
}

TEST_CASE("metadata ends up in the stream", "[recording]") {
  const RecordedStream stream = read_sample(vtd_meta, {miss_1});
  CHECK(stream.name == "sample");
  CHECK(stream.iommu == "intel-vtd");
  CHECK(stream.strict);
  CHECK_FALSE(stream.caching_mode);
  CHECK(stream.address_width == 39);
  CHECK(stream.iotlb_capacity == 4);
  CHECK(stream.requesters == std::vector<std::uint16_t>{256});
}

TEST_CASE("times are picoseconds and lines are kept", "[recording]") {
  const RecordedStream stream =
      read_sample(vtd_meta, {R"({"t":7,"k":"x"})", R"({"t":12,"k":"root"})"});
  REQUIRE(stream.ops.size() == 1);
  CHECK(stream.ops[0].time_ps == 12'000);
  CHECK(stream.ops[0].line == 3);
}

TEST_CASE("a write-only mapping allows reads where the hardware's tables do", "[recording]") {
  const std::string write_only =
      R"({"t":0,"k":"map","did":5,"iova":"0x1000","pa":"0x9000","pgsz":4096,"n":1,"prot":6})";
  CHECK(texts(read_sample(vtd_meta, {write_only})) == Texts{"map 5 0x1000 +1 -> 0x9000 3"});
  CHECK(texts(read_sample(vtd_meta, {write_only}, {.write_implies_read = false})) ==
        Texts{"map 5 0x1000 +1 -> 0x9000 2"});
}

TEST_CASE("a hit on what is cached of another domain attaches nothing", "[recording]") {
  const std::string stale =
      R"({"t":2000,"k":"req","sid":256,"iova":"0x1010","r":"hit","pa":"0x9010","sz":4096,"pte":"0x9003","did":5})";
  const std::string moved = R"({"t":2000,"k":"ctx","sid":256,"hi":"0x601","lo":"0x2699001"})";
  CHECK(texts(read_sample(vtd_meta, {map_1, miss_1, moved, stale})) ==
        Texts{"map 5 0x1000 +1 -> 0x9000 3", "attach 256 5", "request 256 5 0x1010", "attach 256 6",
              "request 256 5 0x1010"});
}

TEST_CASE("a context entry attaches, and so does a walk through another domain", "[recording]") {
  const std::string other =
      R"({"t":2000,"k":"req","sid":256,"iova":"0x2010","r":"miss","pa":"0x9010","sz":4096,"pte":"0x9003","did":6})";
  const RecordedStream stream = read_sample(
      vtd_meta,
      {R"({"t":0,"k":"ctx","sid":256,"hi":"0x501","lo":"0x2699001"})", map_1, miss_1, other});
  CHECK(texts(stream) == Texts{"attach 256 5", "map 5 0x1000 +1 -> 0x9000 3",
                               "request 256 5 0x1010", "attach 256 6",
                               "map 6 0x2000 +1 -> 0x9000 3", "request 256 6 0x2010"});
}

TEST_CASE("a pass-through context entry attaches nothing", "[recording]") {
  CHECK(read_sample(vtd_meta, {R"({"t":0,"k":"ctx","sid":256,"hi":"0x501","lo":"0x9"})"})
            .ops.empty());
}

TEST_CASE("in scalable mode the domain comes from the requests", "[recording]") {
  const std::string meta =
      R"("k":"meta","format":"viommu-trace/1","name":"s","iommu":"intel-vtd","strict":1,"caching_mode":false,"scalable_mode":true,"iotlb":{"capacity":4})";
  const RecordedStream stream = read_sample(
      meta, {R"({"t":0,"k":"ctx","sid":256,"hi":"0x0","lo":"0x263b401"})", map_1, miss_1});
  CHECK(texts(stream) ==
        Texts{"map 5 0x1000 +1 -> 0x9000 3", "attach 256 5", "request 256 5 0x1010"});
}

TEST_CASE("in scalable mode the flush of a PASID entry, which is not recorded, is added",
          "[recording]") {
  const std::string meta =
      R"("k":"meta","format":"viommu-trace/1","name":"s","iommu":"intel-vtd","strict":1,"caching_mode":false,"scalable_mode":true,"iotlb":{"capacity":4})";
  const std::string other =
      R"({"t":2000,"k":"req","sid":256,"iova":"0x1010","r":"miss","pa":"0x9010","sz":4096,"pte":"0x9003","did":6})";
  const std::string release = R"({"t":2000,"k":"release","dev":"0000:01:00.0","src":"guest"})";
  CHECK(texts(read_sample(meta, {map_1, miss_1, other, release})) ==
        Texts{"map 5 0x1000 +1 -> 0x9000 3", "attach 256 5", "request 256 5 0x1010", "attach 256 6",
              "descriptor 0x0 0x50017", "map 6 0x1000 +1 -> 0x9000 3", "request 256 6 0x1010",
              "detach 256", "descriptor 0x0 0x60017", "unmap 6 0x1000 +1"});
}

TEST_CASE("a walk that found a page of another size proves a missed map", "[recording]") {
  const std::string large =
      R"({"t":0,"k":"map","did":5,"iova":"0x0","pa":"0x200000","pgsz":2097152,"n":1,"prot":3})";
  const std::string small =
      R"({"t":1000,"k":"req","sid":256,"iova":"0x1010","r":"miss","pa":"0x201010","sz":4096,"pte":"0x201003","did":5})";
  const RecordedStream stream = read_sample(vtd_meta, {large, small});
  CHECK(texts(stream) == Texts{"map 5 0x0 +512 -> 0x200000 3", "attach 256 5", "unmap 5 0x1000 +1",
                               "map 5 0x1000 +1 -> 0x201000 3", "request 256 5 0x1010"});
}

TEST_CASE("an unmap ends where the tables end", "[recording]") {
  const std::string all =
      R"({"t":0,"k":"unmap","did":5,"iova":"0x7ffffff000","pgsz":4096,"n":4294967295})";
  const std::string beyond =
      R"({"t":0,"k":"unmap","did":5,"iova":"0x8000001000","pgsz":4096,"n":1})";
  CHECK(texts(read_sample(vtd_meta, {all, beyond})) == Texts{"unmap 5 0x7ffffff000 +1"});
}

TEST_CASE("a miss on an unmapped page proves a missed map", "[recording]") {
  const RecordedStream stream = read_sample(vtd_meta, {miss_1});
  CHECK(texts(stream) ==
        Texts{"attach 256 5", "map 5 0x1000 +1 -> 0x9000 3", "request 256 5 0x1010"});
  CHECK(stream.recovered_maps == 1);
  CHECK(stream.recovered_unmaps == 0);
}

TEST_CASE("a miss that found another page proves a missed unmap and map", "[recording]") {
  const std::string elsewhere =
      R"({"t":1000,"k":"req","sid":256,"iova":"0x1010","r":"miss","pa":"0x7010","sz":4096,"pte":"0x7001","did":5,"w":0})";
  const RecordedStream stream = read_sample(vtd_meta, {map_1, elsewhere});
  CHECK(texts(stream) == Texts{"map 5 0x1000 +1 -> 0x9000 3", "attach 256 5", "unmap 5 0x1000 +1",
                               "map 5 0x1000 +1 -> 0x7000 1", "request 256 5 0x1010"});
  CHECK(stream.recovered_maps == 1);
  CHECK(stream.recovered_unmaps == 1);
}

TEST_CASE("a fault on a mapped page proves a missed unmap", "[recording]") {
  const auto fault = [](int reason) {
    return fmt::format(
        R"({{"t":1000,"k":"req","sid":256,"iova":"0x1010","r":"fault","fr":{},"w":0}})", reason);
  };
  const RecordedStream stream = read_sample(vtd_meta, {miss_1, fault(6)});
  CHECK(texts(stream).at(3) == "unmap 5 0x1000 +1");
  CHECK(stream.recovered_unmaps == 1);
  CHECK(stream.ops.back().outcome == RecordedOutcome::fault);
  CHECK(stream.ops.back().fault_reason == 6);
  // Another reason, for instance a context entry that is not present, says nothing about pages.
  CHECK(read_sample(vtd_meta, {miss_1, fault(2)}).recovered_unmaps == 0);
}

TEST_CASE("a map record that comes after its first miss is not applied twice", "[recording]") {
  const RecordedStream stream = read_sample(vtd_meta, {miss_1, map_1});
  CHECK(texts(stream) ==
        Texts{"attach 256 5", "map 5 0x1000 +1 -> 0x9000 3", "request 256 5 0x1010"});
}

TEST_CASE("a page-selective flush of a strict guest proves a missed unmap", "[recording]") {
  const RecordedStream stream = read_sample(vtd_meta, {map_1, flush_0_to_3});
  CHECK(texts(stream) ==
        Texts{"map 5 0x1000 +1 -> 0x9000 3", "unmap 5 0x1000 +1", "descriptor 0x2 0x500f2"});
  CHECK(stream.recovered_unmaps == 1);
}

TEST_CASE("a flush after a recorded unmap proves nothing more", "[recording]") {
  CHECK(read_sample(vtd_meta, {map_1, unmap_1, flush_1}).recovered_unmaps == 0);
  // The page was mapped again between the unmap and its flush: guest clocks are a little off.
  CHECK(read_sample(vtd_meta, {map_1, unmap_1, map_1, flush_0_to_3}).recovered_unmaps == 0);
  // Each recorded unmap answers for one flush.
  CHECK(read_sample(vtd_meta, {map_1, unmap_1, map_1, flush_1, flush_1}).recovered_unmaps == 1);
}

TEST_CASE("flushes of lazy guests and of caching mode prove no unmap", "[recording]") {
  CHECK(read_sample(lazy_vtd_meta, {map_1, flush_1}).recovered_unmaps == 0);
  std::string caching = vtd_meta;
  caching.replace(caching.find("\"caching_mode\":false"), 20, "\"caching_mode\":true");
  CHECK(read_sample(caching, {map_1, flush_1}).recovered_unmaps == 0);
}

TEST_CASE("mapping what is mapped proves a missed unmap", "[recording]") {
  const std::string wider =
      R"({"t":1000,"k":"map","did":5,"iova":"0x0","pa":"0x20000","pgsz":4096,"n":3,"prot":3})";
  const RecordedStream stream = read_sample(lazy_vtd_meta, {map_1, wider});
  CHECK(texts(stream) ==
        Texts{"map 5 0x1000 +1 -> 0x9000 3", "unmap 5 0x1000 +1", "map 5 0x0 +3 -> 0x20000 3"});
  CHECK(stream.recovered_unmaps == 1);
}

TEST_CASE("a huge page keeps its size", "[recording]") {
  const RecordedStream stream = read_sample(
      vtd_meta,
      {R"({"t":0,"k":"map","did":5,"iova":"0x200000","pa":"0x400000","pgsz":2097152,"n":2,"prot":3})"});
  REQUIRE(stream.ops.size() == 1);
  CHECK(stream.ops[0].pages == 1024);
  CHECK(stream.ops[0].page_shift == 21);
}

TEST_CASE("mappings of a domain without a number are counted and left out", "[recording]") {
  const RecordedStream stream = read_sample(
      vtd_meta, {R"({"t":0,"k":"map","dom":3,"iova":"0x1000","pa":"0x9000","pgsz":4096,"n":1})"});
  CHECK(stream.ops.empty());
  CHECK(stream.unplaced == 1);
}

TEST_CASE("a released device is detached and its domain emptied", "[recording]") {
  const std::string request =
      R"({"t":1000,"k":"req","sid":512,"iova":"0x1010","r":"miss","pa":"0x9010","sz":4096,"pte":"0x9003","did":5})";
  const std::string release = R"({"t":1000,"k":"release","dev":"0000:02:00.0","src":"guest"})";
  CHECK(texts(read_sample(vtd_meta, {map_1, request, release})) ==
        Texts{"map 5 0x1000 +1 -> 0x9000 3", "attach 512 5", "request 512 5 0x1010", "detach 512",
              "unmap 5 0x1000 +1"});
  // Another device still uses the domain.
  const RecordedStream shared = read_sample(vtd_meta, {map_1, request, miss_1, release});
  CHECK(text(shared.ops.back()) == "detach 512");
}

TEST_CASE("a request that names no domain is the attached one's", "[recording]") {
  const std::string fault =
      R"({"t":1000,"k":"req","sid":48,"iova":"0x11100","r":"fault","fr":5,"w":1})";
  const RecordedStream stream =
      read_sample(vtd_meta, {R"({"t":0,"k":"ctx","sid":48,"hi":"0x601","lo":"0x1"})", fault});
  CHECK(texts(stream) == Texts{"attach 48 6", "request 48 6 0x11100"});
  CHECK(stream.ops[1].permissions == 1);
}

TEST_CASE("an SMMUv3 recording becomes mappings, requests and invalidations", "[recording]") {
  const RecordedStream stream = read_sample(
      smmu_meta,
      {R"({"t":0,"k":"map","asid":1,"iova":"0x1000","pa":"0x9000","pgsz":4096,"n":2})",
       R"({"t":0,"k":"req","sid":256,"iova":"0x1010","r":"miss","pa":"0x9010","perm":"r","asid":1,"pte":"0x0","tg":1,"lvl":3,"cc":"fill"})",
       R"({"t":0,"k":"req","sid":16,"iova":"0x200010","r":"miss","pa":"0x600010","perm":"rw","asid":1,"pte":"0x0","tg":1,"lvl":2})",
       R"({"t":0,"k":"inv","gran":"range","vmid":0,"asid":1,"addr":"0x1000","tg":2,"n":2,"ttl":3,"leaf":1})",
       R"({"t":0,"k":"inv","gran":"range","vmid":0,"asid":-1,"addr":"0x1000","tg":1,"n":1})",
       R"({"t":0,"k":"inv","gran":"asid","asid":1})", R"({"t":0,"k":"inv","gran":"all"})",
       R"({"t":0,"k":"inv_all"})"});
  CHECK(texts(stream) == Texts{"map 1 0x1000 +2 -> 0x9000 3", "attach 256 1",
                               "request 256 1 0x1010", "attach 16 1",
                               "map 1 0x200000 +512 -> 0x600000 3", "request 16 1 0x200010",
                               "invalidate 1 0x0 +8", "invalidate 4294967295 0x1000 +1",
                               "invalidate 1 0x0 +0", "invalidate 4294967295 0x0 +0", "drop_all"});
  CHECK(stream.recovered_maps == 1);
}

TEST_CASE("a virtio-iommu recording becomes mappings, attachments and requests", "[recording]") {
  const RecordedStream stream = read_sample(
      virtio_meta,
      {R"({"t":0,"k":"attach","did":1,"sid":256})",
       R"({"t":0,"k":"map","did":1,"iova":"0x1000","end":"0x2fff","pa":"0x9000","perm":"w","flags":2})",
       R"({"t":0,"k":"req","sid":256,"iova":"0x1010","w":1,"r":"ok","pa":"0x9010"})",
       R"({"t":0,"k":"req","sid":256,"iova":"0xfee00000","w":1,"r":"bypass"})",
       R"({"t":0,"k":"unmap","did":1,"iova":"0x0","end":"0xffff"})",
       R"({"t":0,"k":"unmap_done","did":1,"iova":"0x1000","end":"0x2fff"})",
       R"({"t":0,"k":"map","did":1,"iova":"0x5000","end":"0x5fff","pa":"0x9000","perm":"r","flags":1})",
       R"({"t":0,"k":"detach","did":1,"sid":256})", R"({"t":0,"k":"dom_free","did":1})"});
  CHECK(texts(stream) ==
        Texts{"attach 256 1", "descriptor 0x0 0x10000000031", "map 1 0x1000 +2 -> 0x9000 2",
              "request 256 1 0x1010", "request 256 1 0xfee00000", "unmap 1 0x1000 +2",
              "invalidate 1 0x1000 +2", "map 1 0x5000 +1 -> 0x9000 1", "detach 256",
              "descriptor 0x0 0x10000000031", "unmap 1 0x5000 +1", "invalidate 1 0x0 +0"});
  CHECK(stream.ops[3].outcome == RecordedOutcome::unknown);
  CHECK(stream.ops[4].outcome == RecordedOutcome::bypass);
}

TEST_CASE("a reset of virtio-iommu forgets attachments and mappings", "[recording]") {
  const RecordedStream stream = read_sample(
      virtio_meta,
      {R"({"t":0,"k":"attach","did":1,"sid":256})",
       R"({"t":0,"k":"map","did":1,"iova":"0x1000","end":"0x1fff","pa":"0x9000","perm":"w","flags":2})",
       R"({"t":0,"k":"device_reset"})"});
  CHECK(texts(stream) == Texts{"attach 256 1", "descriptor 0x0 0x10000000031",
                               "map 1 0x1000 +1 -> 0x9000 2", "detach 256", "unmap 1 0x1000 +1",
                               "drop_all"});
}
