// Whatever is wrong with a recording is said with its line; nothing is read in part.
// SPDX-License-Identifier: Apache-2.0
#include "core/base/rng.hpp"
#include "tests/recording/samples.hpp"
#include "tests/support/catch.hpp"

#include <zstd.h>

using namespace viosim;
using namespace viosim::test;
using Catch::Matchers::Contains;

namespace {

const std::string good_request =
    R"({"t":5000,"k":"req","sid":256,"iova":"0xfffff002","r":"miss","pa":"0x1002","sz":4096,"pte":"0x1003","did":5})";

std::string compressed(std::string_view text, int level = 3) {
  std::string bytes(ZSTD_compressBound(text.size()), '\0');
  bytes.resize(ZSTD_compress(bytes.data(), bytes.size(), text.data(), text.size(), level));
  return bytes;
}

struct BadRecord {
  std::string record;
  std::string message;  // a part of it
};

// `good_request` with one part replaced.
std::string with(const std::string& part, const std::string& other) {
  std::string record = good_request;
  return record.replace(record.find(part), part.size(), other);
}

}  // namespace

TEST_CASE("a bad record is refused with its line, what was read and what was expected",
          "[recording][bad]") {
  const BadRecord bad = GENERATE(
      BadRecord{"", "read nothing, expected a JSON object"},
      BadRecord{"[1]", "read '[', expected a JSON object"},
      BadRecord{"null", "read 'n', expected a JSON object"},
      BadRecord{good_request + "x", "read 'x', expected the end of the line"},
      BadRecord{good_request.substr(0, 40), "read the end of the line"},
      BadRecord{with("256", "25\xff"), "not UTF-8"},
      BadRecord{with("\"did\":5", "\"did\":5,\"did\":5"), "`did` comes twice"},
      BadRecord{with("\"t\":5000,", ""), "`t` is missing, expected an integer"},
      BadRecord{with("5000", "-5000"), "`t` is -5000, expected an integer from 0"},
      BadRecord{with("5000", "5e3"), "`t` is 5e3"},
      BadRecord{with("5000", "\"5000\""), "`t` is \"5000\""},
      BadRecord{with("5000", "9007199254741"), "`t` is 9007199254741"},
      BadRecord{with("5000", "999"), "`t` is 999, expected at least 1000"},
      BadRecord{with("5000", "0005000"), "leading zeros"},
      BadRecord{with("\"k\":\"req\"", "\"k\":7"), "`k` is 7, expected a string"},
      BadRecord{with("\"k\":\"req\"", "\"k\":\"meta\""), "`k` is \"meta\""},
      BadRecord{with("256", "65536"), "`sid` is 65536, expected an integer from 0 to 65535"},
      BadRecord{with("\"0xfffff002\"", "4294963202"),
                "`iova` is 4294963202, expected a hexadecimal"},
      BadRecord{with("0xfffff002", "0x1ffffffffffffffff"), "`iova` is \"0x1ffffffffffffffff\""},
      BadRecord{with("0xfffff002", "0x"), "`iova` is \"0x\""},
      BadRecord{with("0xfffff002", "0x12g"), "`iova` is \"0x12g\""},
      BadRecord{with("0xfffff002", "-0x1"), "`iova` is \"-0x1\""},
      BadRecord{with("\"miss\"", "\"mis\""), "`r` is \"mis\", expected hit, miss"},
      BadRecord{with("\"pa\":\"0x1002\",", ""), "`pa` is missing"},
      BadRecord{with("4096", "4095"), "`sz` is 4095"},
      BadRecord{with("4096", "12288"), "`sz` is 12288, expected a power of two"},
      BadRecord{with(",\"did\":5", ""), "`did` is missing"},
      BadRecord{R"({"t":5000,"k":"map","did":5,"iova":"0x1800","pa":"0x1000","pgsz":4096,"n":1})",
                "`iova` is \"0x1800\", expected a multiple of the page size 4096"},
      BadRecord{R"({"t":5000,"k":"map","did":5,"iova":"0x1000","pa":"0x1001","pgsz":4096,"n":1})",
                "`pa` is \"0x1001\""},
      BadRecord{
          R"({"t":5000,"k":"map","did":5,"iova":"0x200000","pa":"0x1000","pgsz":2097152,"n":1})",
          "`pa` is \"0x1000\", expected a multiple of the page size 2097152"},
      BadRecord{
          R"({"t":5000,"k":"map","did":5,"iova":"0x1000","pa":"0xffffffffff000","pgsz":4096,"n":2})",
          "expected memory that ends within 52 bits"},
      BadRecord{
          R"({"t":5000,"k":"map","did":5,"iova":"0x7fffffe000","pa":"0x1000","pgsz":4096,"n":3})",
          "a mapping reaches 0x8000000fff, expected at most 0x7fffffffff"},
      BadRecord{with("0xfffff002", "0x10000000002"),
                "a mapping reaches 0x10000000fff, expected at most 0x7fffffffff"},
      BadRecord{with("\"0x1002\"", "\"0x10000000001002\""), "expected an address of at most 52"},
      BadRecord{R"({"t":5000,"k":"inv","type":"iotlb","hi":"0x0","lo":"0x2"})",
                "`lo` is \"0x2\", expected a descriptor of type 1 to 9"},
      BadRecord{R"({"t":5000,"k":"map","did":5,"iova":"0x1000","pa":"0x1000","pgsz":5000,"n":1})",
                "`pgsz` is 5000, expected a power of two"},
      BadRecord{R"({"t":5000,"k":"map","did":5,"iova":"0x1000","pa":"0x1000","pgsz":4096,"n":0})",
                "`n` is 0"},
      BadRecord{
          R"({"t":5000,"k":"map","did":5,"iova":"0x1000","pa":"0x1000","pgsz":4096,"n":134217726})",
          "134217726 page-table entries are mapped at once"},
      BadRecord{
          R"({"t":5000,"k":"map","did":5,"iova":"0xfffffffffffff000","pa":"0x1000","pgsz":4096,"n":2})",
          "`n` is 2, expected pages that end within 64 bits"},
      BadRecord{R"({"t":5000,"k":"release","dev":"0000:02:20.0"})", "`dev` is \"0000:02:20.0\""},
      BadRecord{R"({"t":5000,"k":"later","x":"\q"})", "expected an escape sequence"},
      BadRecord{R"({"t":5000,"k":"later","x":"\ud800"})", "surrogate"},
      BadRecord{"{\"t\":5000,\"k\":\"later\",\"x\":\"a\tb\"}", "control characters"},
      BadRecord{R"({"t":5000,"k":"later","x":)" + std::string(100, '['), "at most 64 levels"});
  const std::string text =
      text_of(vtd_meta, {R"({"t":1000,"k":"ctx_reset"})", bad.record, good_request});
  const Problem problem = problem_of("bad.jsonl", text);
  INFO(problem.text());
  CHECK(problem.file == "bad.jsonl");
  CHECK(problem.pointer == "line 3");
  CHECK_THAT(problem.message, Contains(bad.message));
}

TEST_CASE("a bad first line is refused", "[recording][bad]") {
  const BadRecord bad = GENERATE(
      BadRecord{good_request, "`k` is \"req\", expected \"meta\" on the first line"},
      BadRecord{R"({"k":"meta"})", "`format` is missing"},
      BadRecord{R"({"k":"meta","format":"viommu-trace/2"})",
                "`format` is \"viommu-trace/2\", expected \"viommu-trace/1\""},
      BadRecord{R"({"k":"meta","format":"viommu-trace/1","name":"x","iommu":"intel-vdt"})",
                "did you mean \"intel-vtd\"?"},
      BadRecord{R"({"k":"meta","format":"viommu-trace/1","name":"a\nb","iommu":"intel-vtd"})",
                "`name` is \"a?b\", expected 1 to 64 printable"},
      BadRecord{R"({"k":"meta","format":"viommu-trace/1","name":"","iommu":"intel-vtd"})",
                "`name` is \"\""},
      BadRecord{
          R"({"k":"meta","format":"viommu-trace/1","name":"x","iommu":"arm-smmuv3","records":0,"strict":1,"iotlb":{"capacity":1048577}})",
          "`capacity` is 1048577, expected an integer from 1 to 1048576"},
      BadRecord{
          R"({"k":"meta","format":"viommu-trace/1","name":"x","iommu":"intel-vtd","records":-1})",
          "`records` is -1"},
      BadRecord{"{" + vtd_meta + "}", "`records` is missing"},
      BadRecord{"{" + vtd_meta + ",\"records\":99999999999}", "`records` is 99999999999"},
      BadRecord{
          R"({"k":"meta","format":"viommu-trace/1","name":"x","iommu":"intel-vtd","records":0,"strict":2})",
          "`strict` is 2"});
  const Problem problem = problem_of("bad.jsonl", bad.record + "\n");
  CHECK(problem.pointer == "line 1");
  CHECK_THAT(problem.message, Contains(bad.message));
}

TEST_CASE("the number of records has to be what the first line says", "[recording][bad]") {
  const std::string text = text_of(vtd_meta, {good_request, good_request});
  const Problem longer = problem_of("x", text + good_request);
  CHECK(longer.pointer == "line 4");
  CHECK_THAT(longer.message, Contains("expected 2"));
  const Problem shorter = problem_of("x", text.substr(0, text.size() - good_request.size() - 1));
  CHECK_THAT(shorter.message, Contains("ends after 1 records, expected 2"));
}

TEST_CASE("an empty or a missing file is refused", "[recording][bad]") {
  CHECK_THAT(problem_of("empty.jsonl.zst", "").message, Contains("the file is empty"));
  CHECK_THAT(problem_of("empty.jsonl", "").message, Contains("the file is empty"));
  CHECK_THAT(problem_of("empty.jsonl", compressed("")).message, Contains("the file is empty"));
  CHECK_THROWS_WITH(read_recording("no/such/file.jsonl"), Contains("cannot be opened"));
  CHECK_THROWS_WITH(read_recording("."), Contains("is a directory, expected a recording"));
}

TEST_CASE("a compressed recording cut anywhere is refused", "[recording][bad]") {
  const std::string whole = compressed(text_of(vtd_meta, {good_request, good_request}));
  REQUIRE(parse_recording("x", whole).ops.size() == 4);
  for (std::size_t size = 0; size < whole.size(); ++size) {
    INFO(size);
    CHECK_THROWS_AS(parse_recording("x.zst", whole.substr(0, size)), ConfigError);
  }
}

TEST_CASE("a compressed recording followed by anything else is refused", "[recording][bad]") {
  const std::string whole = compressed(text_of(vtd_meta, {good_request}));
  for (const std::string garbage : {"x", "garbage", "\n\n\n\n"}) {
    const Problem problem = problem_of("x.zst", whole + garbage);
    CHECK(problem.pointer == "line 3");
    CHECK_THAT(problem.message, Contains("zstd"));
  }
}

TEST_CASE("text under a compressed name is refused", "[recording][bad]") {
  const Problem problem = problem_of("x.jsonl.zst", text_of(vtd_meta, {good_request}));
  CHECK_THAT(problem.message, Contains("the zstd stream is corrupt"));
}

TEST_CASE("the error of a damaged frame names the line where reading stopped", "[recording][bad]") {
  // Incompressible blocks, so that each line lies at its own place in the file.
  constexpr std::size_t count = 20'000;
  std::vector<std::string> records;
  records.reserve(count);
  Rng rng(1, "noise");
  for (std::size_t i = 0; i < count; ++i) {
    records.push_back(fmt::format(R"({{"t":{},"k":"x","noise":"{:x}{:x}{:x}"}})", i, rng.next(),
                                  rng.next(), rng.next()));
  }
  std::string whole = compressed(text_of(vtd_meta, records));
  const Problem problem = problem_of("x.zst", std::string_view(whole).substr(0, whole.size() / 2));
  CHECK_THAT(problem.message, Contains("truncated"));
  const int line = std::stoi(problem.pointer.substr(5));
  CHECK(line > 8'000);
  CHECK(line < 12'000);
}

TEST_CASE("a bomb of brackets costs a line's worth of memory", "[recording][bad]") {
  const std::string bomb(std::size_t{1} << 26U, '[');
  const std::string text = text_of(vtd_meta, {bomb});
  const Problem problem = problem_of("x.zst", compressed(text, 1));
  CHECK(problem.pointer == "line 2");
  CHECK_THAT(problem.message, Contains("longer than 1048576 bytes"));
}

TEST_CASE("a line may be as long as the limit, and not a byte longer", "[recording][bad]") {
  const RecordingOptions options{.max_line_bytes = 400};
  const auto padded = [](std::size_t size) {
    return text_of(vtd_meta, {R"({"t":0,"k":"x"})" + std::string(size - 15, ' ')});
  };
  CHECK_NOTHROW(parse_recording("x", padded(400), options));
  CHECK_THAT(problem_of("x", padded(401), options).message, Contains("longer than 400 bytes"));
}

TEST_CASE("text beyond the limit is refused", "[recording][bad]") {
  const std::string text = text_of(vtd_meta, {good_request});
  CHECK_NOTHROW(parse_recording("x", text, {.max_text_bytes = text.size()}));
  CHECK_THAT(problem_of("x", text, {.max_text_bytes = text.size() - 1}).message,
             Contains("larger than"));
}

TEST_CASE("a shipped recording with flipped bits is read as it was or refused",
          "[recording][bad]") {
  const std::string whole = bytes_of(shipped_path("vtd_ext4_cm_strict"));
  Rng rng(7, "flips");
  for (int round = 0; round < 100; ++round) {
    std::string damaged = whole;
    const std::size_t place = rng.below(damaged.size());
    damaged[place] = static_cast<char>(damaged[place] ^ static_cast<char>(1U << rng.below(8)));
    INFO("byte " << place);
    CHECK_THROWS_AS(parse_recording("x.zst", damaged), ConfigError);  // frames carry a checksum
  }
}
