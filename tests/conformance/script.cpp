// Replays the operations of a script and writes down what came of each in the vectors' own terms.
// SPDX-License-Identifier: Apache-2.0
#include "tests/conformance/script.hpp"

#include "tests/conformance/host_helpers.hpp"

#include <array>
#include <cstddef>
#include <cstdint>
#include <map>
#include <stdexcept>
#include <utility>

namespace conformance {
namespace {

using ioasid::invalid_ioasid;
using ioasid::Ioasid;
using nlohmann::json;

void* pointer(std::uint64_t token) { return reinterpret_cast<void*>(token); }
std::int64_t token(const void* pointer) {
  return static_cast<std::int64_t>(reinterpret_cast<std::uintptr_t>(pointer));
}

// What is said while ids are allocated or freed by the thousand is nothing to keep, and what must
// not throw must not need memory: so many lines, and no more.
class Log : public ioasid::Listener {
 public:
  void message(ioasid::Message message, Ioasid) noexcept override {
    if (count_ < lines_.size()) lines_[count_++] = message;
  }
  json take() {
    json lines = json::array();
    for (std::size_t i = 0; i < count_; ++i) lines.push_back(name_of(lines_[i]));
    count_ = 0;
    return lines;
  }

 private:
  std::array<ioasid::Message, 8> lines_{};  // no call of the kernel's says more than two
  std::size_t count_ = 0;
};

class Player {
 public:
  Player(const json& script, ioasid::Behaviour behaviour)
      : space_({.behaviour = behaviour, .listener = &log_}) {
    for (const json& set : script.at("sets")) sets_[set];
    for (const json& al : script.at("allocators"))
      allocators_[al.at("name")] = helpers_.ops(al.at("pair").get<std::string>(), al.at("pdata"));
  }

  // The outcome, in the form of `expect`.
  json play(const json& op) {
    json got = json::object();
    const std::string name = op.at("op");
    const auto handler = handlers().find(name);
    if (handler == handlers().end()) throw std::runtime_error("unknown operation " + name);
    (this->*handler->second)(op, got);
    note_calls(got);
    const json lines = log_.take();
    if (!lines.empty() && !name.ends_with("_run")) got["log"] = lines;
    return got;
  }

 private:
  using Handler = void (Player::*)(const json& op, json& got);
  static const std::map<std::string, Handler>& handlers() {
    static const std::map<std::string, Handler> table{
        {"alloc", &Player::alloc},     {"alloc_run", &Player::alloc_run},
        {"free", &Player::free},       {"free_run", &Player::free_run},
        {"find", &Player::find},       {"set_data", &Player::set_data},
        {"register", &Player::enlist}, {"unregister", &Player::dismiss},
        {"feed", &Player::feed},       {"reserve", &Player::reserve},
        {"release", &Player::release}};
    return table;
  }

  ioasid::SetToken set(const json& op) {
    return op.at("set").is_null() ? nullptr : &sets_.at(op.at("set"));
  }
  std::int64_t alloc_one(const json& op) {
    const Ioasid id = space_.alloc(set(op), {op.at("min"), op.at("max")}, pointer(op.at("tok")));
    return id == invalid_ioasid ? -1 : std::int64_t{id};
  }

  void alloc(const json& op, json& got) { got["r"] = alloc_one(op); }
  void alloc_run(const json& op, json& got) {
    json runs = json::array();
    for (std::uint32_t n = op.at("n"); n > 0; --n) {
      const std::int64_t id = alloc_one(op);
      if (!runs.empty()) {
        const std::int64_t first = runs.back()[0];
        const std::int64_t count = runs.back()[1];
        if (id == (first == -1 ? -1 : first + count)) {
          runs.back()[1] = count + 1;
          continue;
        }
      }
      runs.push_back({id, 1});
    }
    got["runs"] = runs;
  }
  void free(const json& op, json&) { space_.free(op.at("id")); }
  void free_run(const json& op, json& got) {
    const std::int64_t from = op.at("from");
    const std::int64_t to = op.at("to");
    const int step = from <= to ? 1 : -1;
    std::uint64_t unknown = 0;
    for (std::int64_t id = from; id != to + step; id += step)
      if (space_.free(static_cast<Ioasid>(id)) == ioasid::Error::enoent) ++unknown;
    got["unknown"] = unknown;
  }
  void find(const json& op, json& got) {
    const std::string getter = op.at("getter");
    json seen = json::array();
    const auto note = [&](const void* data) {
      seen.push_back(token(data));
      return getter == "true";
    };
    const ioasid::Found found = getter == "none" ? space_.find(set(op), op.at("id"))
                                                 : space_.find(set(op), op.at("id"), note);
    got["r"] = found ? token(found.data) : static_cast<std::int64_t>(found.error);
    // A getter that ran more often than once agrees with no vector.
    if (!seen.empty()) got["g"] = seen.size() == 1 ? seen.front() : seen;
  }
  void set_data(const json& op, json& got) {
    got["r"] = static_cast<int>(space_.set_data(op.at("id"), pointer(op.at("tok"))));
  }
  void enlist(const json& op, json& got) {
    got["r"] = static_cast<int>(space_.register_allocator(allocators_.at(op.at("al"))));
  }
  void dismiss(const json& op, json&) { space_.unregister_allocator(allocators_.at(op.at("al"))); }
  void feed(const json& op, json&) {
    helpers_.state(op.at("pair").get<std::string>()).queue.push_back(op.at("id"));
  }
  void reserve(const json& op, json&) {
    helpers_.state(op.at("pair").get<std::string>()).used.insert(op.at("id").get<Ioasid>());
  }
  void release(const json& op, json&) {
    helpers_.state(op.at("pair").get<std::string>()).used.erase(op.at("id").get<Ioasid>());
  }

  void note_calls(json& got) {
    for (const Call& call : helpers_.take_calls()) {
      json line = json::array({call.name});
      for (const std::int64_t argument : call.arguments) line.push_back(argument);
      got["calls"].push_back(line);
    }
  }

  Log log_;
  HostHelpers helpers_;
  std::map<std::string, char> sets_;
  std::map<std::string, ioasid::AllocatorOps> allocators_;
  ioasid::Space space_;
};

}  // namespace

std::vector<Disagreement> replay(const json& script, ioasid::Behaviour behaviour) {
  std::vector<Disagreement> disagreements;
  Player player(script, behaviour);
  std::size_t number = 0;
  for (const json& op : script.at("ops")) {
    const json got = player.play(op);
    if (got != op.at("expect")) disagreements.push_back({number, op, op.at("expect"), got});
    ++number;
  }
  return disagreements;
}

}  // namespace conformance
