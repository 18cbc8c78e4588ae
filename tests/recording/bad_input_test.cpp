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

// As the third line of a recording.
void check_refused(const BadRecord& bad) {
  const std::string text =
      text_of(vtd_meta, {R"({"t":1000,"k":"ctx_reset"})", bad.record, good_request});
  const Problem problem = problem_of("bad.jsonl", text);
  INFO(problem.text());
  CHECK(problem.file == "bad.jsonl");
  CHECK(problem.pointer == "line 3");
  CHECK_THAT(problem.message, Contains(bad.message));
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
      BadRecord{"\xef\xbb\xbf" + with("256", "256"), "begins with a byte order mark"},
      BadRecord{"\xff\xfe{", "begins with a byte order mark"},
      BadRecord{"\x1f\x8b\x08", "is compressed by gzip, expected JSON lines"},
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
      BadRecord{with("4096", "4095"), "`sz` is 4095, expected 4096, 2097152 or 1073741824"},
      BadRecord{with("4096", "0"), "`sz` is 0"},
      BadRecord{with("\"sz\":4096,", ""), "`sz` is missing"},
      BadRecord{
          with("\"miss\",\"pa\":\"0x1002\",\"sz\":4096", "\"hit\",\"pa\":\"0x1002\",\"sz\":3"),
          "`sz` is 3"},
      BadRecord{with("4096", "2097152"),
                "`sz` is 2097152, expected 4096, since `pte` is an entry of the lowest level"},
      BadRecord{with("\"0x1002\"", "\"0x2002\""),
                "`pa` is \"0x2002\", expected \"0x1002\", where `pte` has `iova`"},
      BadRecord{with("\"miss\"", "\"bypass\""),
                "`r` is \"bypass\", expected hit, miss, fault, pt or off"},
      BadRecord{with("\"miss\"", "\"ok\""), "`r` is \"ok\""},
      BadRecord{with(",\"did\"", ",\"full\":1,\"did\""),
                "`full` is 1, expected none: 0 entries were inserted since the IOTLB of 4"},
      BadRecord{with("\"miss\"", "\"hit\",\"full\":1"),
                "`full` is 1, expected it with a miss only"},
      BadRecord{with(",\"did\"", ",\"full\":2,\"did\""), "`full` is 2"},
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
      BadRecord{with("\"0x1002\"", "\"0x10000000001002\""), "expected an address of at most 52"});
  check_refused(bad);
}

TEST_CASE("a bad descriptor, mapping or text is refused likewise", "[recording][bad]") {
  const BadRecord bad = GENERATE(
      BadRecord{R"({"t":5000,"k":"inv","type":"iotlb","hi":"0x0","lo":"0x2"})",
                "`lo` is \"0x2\", expected a descriptor of type 1 to 9"},
      BadRecord{R"({"t":5000,"k":"inv","hi":"0x1000","lo":"0x10000500f2"})",
                "`lo` is \"0x10000500f2\", expected reserved bits"},
      BadRecord{R"({"t":5000,"k":"inv","hi":"0x1080","lo":"0x500f2"})",
                "`hi` is \"0x1080\", expected reserved bits"},
      BadRecord{R"({"t":5000,"k":"inv","hi":"0x1000","lo":"0x7"})",
                "`hi` is \"0x1000\", expected reserved bits"},
      BadRecord{R"({"t":5000,"k":"inv","hi":"0x1","lo":"0x4"})",
                "`hi` is \"0x1\", expected reserved bits"},
      BadRecord{R"({"t":5000,"k":"inv","hi":"0xfffffffffffff001","lo":"0x10000000003"})",
                "a size code that ends"},
      BadRecord{R"({"t":5000,"k":"inv","hi":"0x100000000000","lo":"0x200000025"})",
                "expected a status address below 16 TiB"},
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
  check_refused(bad);
}

// Each is what a hypervisor writes, with one name that the raw words contradict.
TEST_CASE("names of a descriptor that contradict its words are refused", "[recording][bad]") {
  struct Named {
    std::string record;  // without its end
    std::string wrong;
    std::string message;
  };
  const std::string page =
      R"({"t":5000,"k":"inv","type":"iotlb","gran":"page","did":5,"dr":1,"dw":1,"addr":"0xffffa000","am":0,"ih":0,"hi":"0xffffa000","lo":"0x500f2"})";
  const std::string context =
      R"({"t":5000,"k":"inv","type":"context","gran":"device","did":5,"sid":256,"fm":2,"hi":"0x0","lo":"0x2010000050031"})";
  const std::string device =
      R"({"t":5000,"k":"inv","type":"dev","sid":256,"addr":"0x8000","sz":8192,"hi":"0x8001","lo":"0x10000000003"})";
  const std::string interrupts =
      R"({"t":5000,"k":"inv","type":"iec","gran":"index","idx":1,"im":0,"hi":"0x0","lo":"0x100000014"})";
  const std::string wait =
      R"({"t":5000,"k":"inv","type":"wait","if":0,"sw":1,"fn":0,"addr":"0x11c6ca4","data":2,"hi":"0x11c6ca4","lo":"0x200000025"})";
  const Named named = GENERATE_COPY(
      Named{page, "\"did\":5|\"did\":77", "`did` is 77, expected 5"},
      Named{page, "\"page\"|\"global\"", "`gran` is \"global\", expected \"page\""},
      Named{page, "iotlb|wait", "`type` is \"wait\", expected \"iotlb\""},
      Named{page, "\"dr\":1|\"dr\":0", "`dr` is 0, expected 1"},
      Named{page, "\"dw\":1|\"dw\":0", "`dw` is 0, expected 1"},
      Named{page, "\"addr\":\"0xffffa|\"addr\":\"0xffffb", "`addr` is \"0xffffb000\", expected"},
      Named{page, "\"am\":0|\"am\":5", "`am` is 5, expected 0"},
      Named{page, "\"ih\":0|\"ih\":1", "`ih` is 1, expected 0"},
      Named{context, "256|257", "`sid` is 257, expected 256"},
      Named{context, "\"fm\":2|\"fm\":0", "`fm` is 0, expected 2"},
      Named{device, "8192|4096", "`sz` is 4096, expected 8192"},
      Named{device, "256|257", "`sid` is 257, expected 256"},
      Named{interrupts, "\"idx\":1|\"idx\":2", "`idx` is 2, expected 1"},
      Named{interrupts, "\"im\":0|\"im\":1", "`im` is 1, expected 0"},
      Named{wait, "\"if\":0|\"if\":1", "`if` is 1, expected 0"},
      Named{wait, "\"sw\":1|\"sw\":0", "`sw` is 0, expected 1"},
      Named{wait, "\"fn\":0|\"fn\":1", "`fn` is 1, expected 0"},
      Named{wait, "\"data\":2|\"data\":3", "`data` is 3, expected 2"},
      Named{page, "0x500f2|0x50036", "`type` is \"iotlb\", expected another name"});
  CHECK_NOTHROW(read_sample(vtd_meta, {named.record}));
  const std::size_t bar = named.wrong.find('|');
  std::string record = named.record;
  const std::size_t at = record.find(named.wrong.substr(0, bar));
  REQUIRE(at != std::string::npos);
  record.replace(at, bar, named.wrong.substr(bar + 1));
  const Problem problem = problem_of("bad.jsonl", text_of(vtd_meta, {record}));
  INFO(problem.text());
  CHECK(problem.pointer == "line 2");
  CHECK_THAT(problem.message, Contains(named.message));
}

TEST_CASE("a full IOTLB is believed when as much was inserted as it holds", "[recording][bad]") {
  const auto miss = [](unsigned page, bool full) {
    return fmt::format(
        R"({{"t":5000,"k":"req","sid":256,"iova":"{0:#x}","r":"miss","pa":"{0:#x}","sz":4096,"pte":"{1:#x}","did":5{2}}})",
        page << 12U, page << 12U | 3U, full ? R"(,"full":1)" : "");
  };
  std::vector<std::string> records;
  for (unsigned page = 1; page <= 4; ++page) records.push_back(miss(page, false));
  SECTION("four of four") {
    records.push_back(miss(5, true));
    CHECK_NOTHROW(read_sample(vtd_meta, records));
  }
  SECTION("emptied since") {
    const std::string flush =
        GENERATE(R"({"t":5000,"k":"root"})", R"({"t":5000,"k":"inv","hi":"0x0","lo":"0xd2"})");
    records.push_back(flush);
    records.push_back(miss(5, true));
    CHECK_THAT(problem_of("bad.jsonl", text_of(vtd_meta, records)).message,
               Contains("0 entries were inserted"));
  }
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
      BadRecord{
          R"({"k":"meta","format":"viommu-trace/1","name":"x","iommu":"intel-vtd","records":0,"strict":1,"caching_mode":false,"scalable_mode":false,"iotlb":{"capacity":4,"policy":"lru"}})",
          "`policy` is \"lru\", expected \"drop all when full\""},
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
