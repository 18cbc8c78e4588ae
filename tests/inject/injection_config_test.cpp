// Injections as they are written: effects by their keys, places, times, and what is wrong with them.
// SPDX-License-Identifier: Apache-2.0
#include "sim/inject/injection.hpp"
#include "sim/json/json.hpp"
#include "tests/support/catch.hpp"

using namespace viosim;

namespace {

InjectionConfig injection(const std::string& text) {
  return read_document<InjectionConfig>(parse_json(text, "f"), "f");
}

std::string refusal(const std::string& text) {
  try {
    injection(text);
  } catch (const ConfigError& error) {
    return error.what();
  }
  return {};
}

bool says(const std::string& text, const std::string& part) {
  INFO(text);
  return text.find(part) != std::string::npos;
}

}  // namespace

TEST_CASE("an injection is read, written and read again", "[inject]") {
  const std::string text =
      GENERATE(R"({"drop": "pasid-devtlb", "where": "h.dmar0", "pasid": 3, "nth": 2, "count": 4})",
               R"({"delay": "page-response", "by": "5 us", "from": "1 us", "to": "2 us"})",
               R"({"duplicate": "command", "probability": 0.5})", R"({"reorder": "iotlb"})",
               R"({"skip": "unbind.drain"})",
               R"({"swap": "tear_down.flush_pasid_cache", "with": "tear_down.flush_device_tlb"})",
               R"({"misbehave": "reuse_group"})", R"({"allocate": "live-id"})",
               R"({"kill": "h.vm", "on": "tear_down.flush_device_tlb"})",
               R"({"vanish": "h.acc", "on": "page-request"})");
  const InjectionConfig once = injection(text);
  CHECK(read_document<InjectionConfig>(write(once), "again") == once);
}

TEST_CASE("what an injection is called says what it does and where", "[inject]") {
  CHECK(text_of(injection(R"({"delay": "wait", "by": "5 us", "where": "h.vm[*]"})")) ==
        "delay wait by 5 us at h.vm[*]");
  CHECK(text_of(injection(R"({"kill": "h.vm", "on": "unbind.drain"})")) ==
        "kill h.vm on unbind.drain");
}

TEST_CASE("a PASID is named where there may be one, and fits into 20 bits", "[inject]") {
  CHECK(refusal(R"({"drop": "pasid-iotlb", "pasid": 1048575})").empty());
  CHECK(says(refusal(R"({"drop": "pasid-iotlb", "pasid": 1048576})"),
             "/pasid: read 1048576; expected a whole number from 0 to 1048575"));
  CHECK(says(refusal(R"({"drop": "wait", "pasid": 3})"), "\"drop wait\" is about no PASID"));
  CHECK(says(refusal(R"({"misbehave": "omit_last", "pasid": 3})"), "about no PASID"));
  CHECK(says(refusal(R"({"kill": "h.vm", "on": "eject.unbind", "pasid": 3})"), "about no PASID"));
  CHECK(refusal(R"({"skip": "unbind.drain", "pasid": 3})").empty());
  CHECK(refusal(R"({"misbehave": "never_answer", "pasid": 3})").empty());
}

TEST_CASE("an injection has one effect, and names that there are", "[inject]") {
  CHECK(says(refusal(R"({"nth": 1})"), "expected one of \"drop\", \"delay\""));
  CHECK(says(refusal(R"({"drop": "pasid-devtbl"})"), "did you mean \"pasid-devtlb\"?"));
  CHECK(says(refusal(R"({"drop": "pasid-devtbl"})"), "/drop"));
  CHECK(says(refusal(R"({"skip": "tear_down.flush_pasid_cash"})"),
             "did you mean \"tear_down.flush_pasid_cache\"?"));
  CHECK(says(refusal(R"({"drop": "wait", "skip": "unbind.drain"})"), "expected only one of"));
  CHECK(says(refusal(R"({"drop": "wait", "nht": 1})"), "nht"));
  CHECK(says(refusal(R"({"kill": "h.vm"})"), "\"on\" is missing"));
}

TEST_CASE("a message is only disturbed as it can be", "[inject]") {
  CHECK(
      says(refusal(R"({"duplicate": "wait"})"), "expected a message that can come twice: one of"));
  CHECK(says(refusal(R"({"reorder": "fault-event"})"),
             "expected a message that can change places: one of"));
  CHECK(says(refusal(R"({"delay": "unbind-notice", "by": "1 us"})"),
             "expected a message that can come later"));
  CHECK(says(refusal(R"({"delay": "wait", "by": "0 ps"})"), "/by"));
  CHECK(says(refusal(R"({"delay": "wait"})"), "\"by\" is missing"));
}

TEST_CASE("steps change places within an order, the earlier one first", "[inject]") {
  CHECK(says(refusal(R"({"swap": "unbind.drain", "with": "unbind.tear_down"})"),
             "expected a step of an IOMMU driver's order"));
  CHECK(says(
      refusal(R"({"swap": "tear_down.flush_device_tlb", "with": "tear_down.flush_pasid_cache"})"),
      "expected a step that comes after \"tear_down.flush_device_tlb\": "
      "\"tear_down.zero_entry\""));
  CHECK(says(refusal(R"({"swap": "tear_down.barrier", "with": "drain.flush_faults"})"), "/with"));
}

TEST_CASE("when and how often make sense together", "[inject]") {
  CHECK(says(refusal(R"({"drop": "wait", "nth": 0})"),
             "/nth: read 0; expected a whole number from 1"));
  CHECK(says(refusal(R"({"drop": "wait", "count": 0})"), "/count"));
  CHECK(says(refusal(R"({"drop": "wait", "from": "2 us", "to": "2 us"})"), "/to"));
  CHECK(says(refusal(R"({"drop": "wait", "probability": 1.5})"),
             "expected a number, more than 0, at most 1"));
  CHECK(says(refusal(R"({"drop": "wait", "probability": 0.5, "nth": 2})"), "one of the two"));
}
