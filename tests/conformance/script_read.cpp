// Lines of vectors as JSON, strictly.
// SPDX-License-Identifier: Apache-2.0
#include "tests/conformance/script_read.hpp"

#include "tests/conformance/place.hpp"

#include <cstddef>
#include <set>
#include <stdexcept>
#include <vector>

namespace conformance {
namespace {

using nlohmann::json;

// No script goes as deep; what does not end would overrun the stack of whoever walks through it.
constexpr int depth_max = 20;

// Follows the parser through a text, and knows where it is.
class Watch {
 public:
  // What the parser is about to read.
  std::string place() const {
    std::string pointer;
    for (const Level& level : levels_)
      pointer += "/" + (level.array ? std::to_string(level.begun - (&level != &levels_.back()))
                                    : pointer_token(level.key));
    return pointer;
  }
  bool look(int depth, json::parse_event_t event, const json& what) {
    if (depth > depth_max)
      throw std::runtime_error("nested more than " + std::to_string(depth_max) + " levels deep");
    switch (event) {
      case json::parse_event_t::key:
        read_key(what.get<std::string>());
        break;
      case json::parse_event_t::value:
        step();
        break;
      case json::parse_event_t::object_start:
      case json::parse_event_t::array_start:
        step();
        levels_.push_back({.array = event == json::parse_event_t::array_start});
        break;
      case json::parse_event_t::object_end:
      case json::parse_event_t::array_end:
        levels_.pop_back();
        break;
    }
    return true;
  }

 private:
  // An object or an array that has not ended yet.
  struct Level {
    bool array;
    std::set<std::string> keys{};
    std::string key{};      // the last one
    std::size_t begun = 0;  // values
  };
  void step() {
    if (!levels_.empty()) ++levels_.back().begun;
  }
  void read_key(const std::string& key) {
    Level& object = levels_.back();
    object.key = key;
    if (!object.keys.insert(key).second)
      throw BadScript(place(), "this key a second time", "each key once");
  }
  std::vector<Level> levels_;
};

json parsed(const std::string& line) {
  Watch watch;
  const auto look = [&](int depth, json::parse_event_t event, const json& what) {
    return watch.look(depth, event, what);
  };
  try {
    return json::parse(line, look);
  } catch (const json::parse_error& e) {
    if (e.byte > line.size())
      throw std::runtime_error("the line ends too early: not a JSON object");
    throw std::runtime_error("not a JSON object (byte " + std::to_string(e.byte) + ")");
  } catch (const json::out_of_range&) {
    throw BadScript(watch.place(), "a number beyond 1.8e308", "a smaller one");
  }
}

}  // namespace

json read_script(const std::string& line) {
  // The parser takes it for the end.
  if (const auto at = line.find('\0'); at != std::string::npos)
    throw std::runtime_error("a NUL byte in column " + std::to_string(at + 1));
  json script = parsed(line);
  if (!script.is_object()) throw std::runtime_error("not a JSON object");
  return script;
}

}  // namespace conformance
