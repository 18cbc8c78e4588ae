// Paths of components and patterns for many of them.
// SPDX-License-Identifier: Apache-2.0
#include "sim/scenario/component_path.hpp"

#include "tests/support/catch.hpp"

#include <string>

using namespace viosim;

namespace {

bool matches(std::string_view pattern, std::string_view path) {
  const std::optional<PathPattern> parsed = PathPattern::parse(pattern);
  REQUIRE(parsed);
  return parsed->matches(path);
}

const std::string no_index = "an index is a number, a range such as 0-3, a list of them, or *";

}  // namespace

TEST_CASE("a path without brackets means one component", "[scenario][path]") {
  CHECK(matches("host0.dmar0.iotlb", "host0.dmar0.iotlb"));
  CHECK_FALSE(matches("host0.dmar0.iotlb", "host0.dmar0"));
  CHECK_FALSE(matches("host0.dmar0", "host0.dmar0.iotlb"));
  CHECK_FALSE(matches("host0.dmar0", "host0.dmar00"));
  CHECK_FALSE(matches("host0.acc", "host0.acc[0]"));
  CHECK_FALSE(matches("host0.acc[0]", "host0.acc"));
}

TEST_CASE("an index is a number, a range, a list of them, or all", "[scenario][path]") {
  CHECK(matches("h.acc[3]", "h.acc[3]"));
  CHECK_FALSE(matches("h.acc[3]", "h.acc[30]"));
  CHECK(matches("h.acc[0-3]", "h.acc[0]"));
  CHECK(matches("h.acc[0-3]", "h.acc[3]"));
  CHECK_FALSE(matches("h.acc[0-3]", "h.acc[4]"));
  CHECK(matches("h.acc[0,2,5-7]", "h.acc[2]"));
  CHECK(matches("h.acc[0,2,5-7]", "h.acc[6]"));
  CHECK_FALSE(matches("h.acc[0,2,5-7]", "h.acc[1]"));
  CHECK(matches("h.acc[*]", "h.acc[12345]"));
  CHECK_FALSE(matches("h.acc[*]", "h.acc"));
}

TEST_CASE("several steps of a path may have indices", "[scenario][path]") {
  CHECK(matches("host0.vm[0-1].v0", "host0.vm[1].v0"));
  CHECK(matches("host[*].vm[1].acc[*]", "host[7].vm[1].acc[2]"));
  CHECK_FALSE(matches("host[*].vm[1].acc[*]", "host[7].vm[2].acc[2]"));
}

TEST_CASE("a requester id is an index too, with its dot", "[scenario][path]") {
  CHECK(matches("host0.nvme[01:00.0]", "host0.nvme[01:00.0]"));
  CHECK(matches("host0.nvme[*]", "host0.nvme[01:00.0]"));
  CHECK_FALSE(matches("host0.nvme[01:00.1]", "host0.nvme[01:00.0]"));
  CHECK_FALSE(matches("host0.nvme[1]", "host0.nvme[01:00.0]"));
  const auto steps = steps_of("host0.nvme[01:00.0].software");
  REQUIRE(steps.size() == 3);
  CHECK(steps[1] == PathStep{"nvme", "01:00.0"});
}

TEST_CASE("a path that is none says why", "[scenario][path]") {
  const auto [text, why] = GENERATE(
      table<std::string, std::string>({{"", "a name between dots is missing"},
                                       {"host0..acc", "a name between dots is missing"},
                                       {"host0.", "a name between dots is missing"},
                                       {"host0.acc[0", "a bracket has no partner"},
                                       {"host0.acc0]", "a bracket has no partner"},
                                       {"host0.acc[]", "the brackets are empty"},
                                       {"host0.acc[3-1]", "a range runs backwards"},
                                       {"host0.acc[0-]", no_index},
                                       {"host0.acc[-]", no_index},
                                       {"host0.acc[1,,2]", no_index},
                                       {"host0.acc[3*]", no_index},
                                       {"host0.a]b[1]", "brackets stand where a name would"},
                                       {"host0.[3]", "brackets stand where a name would"}}));
  CAPTURE(text);
  CHECK_FALSE(PathPattern::parse(text));
  CHECK(PathPattern::why_not(text) == why);
}

TEST_CASE("the leading steps of a pattern are a pattern", "[scenario][path]") {
  const PathPattern pattern = *PathPattern::parse("host0.acc[0-3].dma.p99");
  CHECK(pattern.first(2).text() == "host0.acc[0-3]");
  CHECK(pattern.first(2).matches("host0.acc[2]"));
  CHECK(pattern.text_from(2) == "dma.p99");
  CHECK(pattern.size() == 4);
}
