// Events as they are written: what starts them, what they do, who follows whom.
// SPDX-License-Identifier: Apache-2.0
#include "sim/scenario/event.hpp"

#include "core/base/fields.hpp"
#include "sim/json/json.hpp"
#include "tests/support/catch.hpp"

using namespace viosim;

namespace {

struct EventList {
  std::vector<EventConfig> events;
  bool ends = true;
  static constexpr auto fields() {
    return Fields{field("events", &EventList::events, "."), field("ends", &EventList::ends, ".")};
  }
  void check(const Where& where) const { check_events(events, ends, where / "events"); }
};

EventList events(const std::string& list, const std::string& more = "") {
  return read_document<EventList>(parse_json("{\"events\": [" + list + "]" + more + "}", "f"), "f");
}

std::string refusal(const std::string& list, const std::string& more = "") {
  try {
    events(list, more);
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

TEST_CASE("an action is chosen by its key", "[scenario][event]") {
  const EventList list = events(
      R"({"at": "1 us", "stop": "h.d"}, {"at": "1 us", "pace": "h.d[0-3]", "interval": "5 ns"})");
  CHECK(std::get<StopDevices>(list.events[0].action).stop.text() == "h.d");
  CHECK(std::get<PaceDevices>(list.events[1].action).interval == 5ns);
  CHECK(read_document<EventConfig>(write(list.events[1]), "again") == list.events[1]);
}

TEST_CASE("an event has one action", "[scenario][event]") {
  CHECK(says(refusal(R"({"at": "1 us"})"), "expected one of \"stop\", \"start\""));
  CHECK(says(refusal(R"({"at": "1 us", "stpo": "h"})"), "did you mean \"stop\" by \"stpo\"?"));
  CHECK(says(refusal(R"({"at": "1 us", "stop": "h", "start": "h"})"), "expected only one of"));
  CHECK(
      says(refusal(R"({"at": "1 us", "stop": "h", "interval": "5 ns"})"), "it goes with \"pace\""));
  CHECK(says(refusal(R"({"at": "1 us", "pace": "h"})"), "\"interval\" is missing"));
  CHECK(says(refusal(R"({"at": "1 us", "pace": "h", "interval": "0 ps"})"), "at least \"1 ps\""));
  CHECK(says(refusal(R"({"at": "1 us", "stop": "h[3-1]"})"), "a range runs backwards"));
}

TEST_CASE("an event waits for one thing", "[scenario][event]") {
  CHECK(says(refusal(R"({"stop": "h"})"), "read none of the keys \"at\", \"after\", \"when\""));
  CHECK(says(refusal(R"({"at": "1 us", "after": "x", "stop": "h"})"), "read several of the keys"));
  CHECK(says(refusal(R"({"at": "1 us", "delay": "1 us", "stop": "h"})"), "/events/0/delay: "));
  CHECK(says(refusal(R"({"at": "1 us", "look_every": "2 us", "stop": "h"})"),
             "/events/0/look_every: "));
  CHECK(says(refusal(R"({"when": {"metric": "h.x"}, "stop": "h"})"),
             "/events/0/when: read no bound"));
  CHECK(
      says(refusal(R"({"when": {"metric": "h.x", "above": 1}, "look_every": "1 ps", "stop": "h"})"),
           "expected at least \"1 ns\""));
}

TEST_CASE("an event follows another one that is there and does not wait for it",
          "[scenario][event]") {
  const std::string first = R"({"name": "first", "at": "1 us", "stop": "h"},)";
  CHECK(refusal(first + R"({"after": "first", "stop": "h"})").empty());
  CHECK(says(
      refusal(first + R"({"after": "fist", "stop": "h"})"),
      "/events/1/after: read \"fist\"; expected the name of an event; did you mean \"first\"?"));
  CHECK(says(refusal(R"({"name": "a", "after": "b", "stop": "h"},
                        {"name": "b", "after": "a", "stop": "h"})"),
             "comes after this event itself"));
  CHECK(says(refusal(R"({"name": "a", "after": "a", "stop": "h"})"),
             "comes after this event itself"));
  CHECK(says(refusal(first + R"({"name": "first", "at": "2 us", "stop": "h"})"),
             "/events/1/name: read \"first\"; expected a name that no other event has"));
}

TEST_CASE("pages that move for ever need a duration", "[scenario][event]") {
  const std::string moves = R"({"at": "1 us", "move_pages": "h", "every": "1 us"})";
  CHECK(refusal(moves).empty());
  CHECK(
      says(refusal(moves, ", \"ends\": false"), "/events/0/every: read it in a scenario without"));
  CHECK(refusal(R"({"at": "1 us", "move_pages": "h", "every": "0 ps"})", ", \"ends\": false")
            .empty());
}
