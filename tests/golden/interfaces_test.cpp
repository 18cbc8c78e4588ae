// What the README says about the two interfaces to a host is what their scenarios give.
// SPDX-License-Identifier: Apache-2.0
#include "sim/json/json.hpp"
#include "tests/support/catch.hpp"

#include <fmt/format.h>

#include <cstdint>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

using namespace viosim;

namespace {

const std::filesystem::path source_tree = VIOSIM_SOURCE_DIR;

std::string contents(const std::filesystem::path& file) {
  std::ifstream in(file);
  return {std::istreambuf_iterator<char>(in), {}};
}

const Value& member(const Value& object, const std::string& key) {
  for (const Value::Member& found : *object.if_object()) {
    if (found.key == key) return found.value;
  }
  FAIL("no figure " << key);
  return object;
}

class Figures {
 public:
  explicit Figures(const std::string& scenario) {
    const auto file = source_tree / "results" / scenario / "expected.json";
    json_ = parse_json(contents(file), file.string());
  }
  std::uint64_t metric(const std::string& name) const {
    return std::stoull(to_text(member(member(json_, "metrics"), name)));
  }
  // In microseconds.
  double latency(const std::string& name, const std::string& which) const {
    const Value& of = member(member(json_, "latencies"), name);
    return std::stod(to_text(member(of, which))) / 1e6;
  }

 private:
  Value json_;
};

struct Row {
  std::string text;
  std::string (*figure)(const Figures&);
};

std::string count(const Figures& figures, const std::string& name) {
  return std::to_string(figures.metric("host0.vm." + name));
}
std::string mean_and_p99(const Figures& figures, const std::string& name) {
  return fmt::format("{:.1f} / {:.1f} us", figures.latency(name, "mean_ps"),
                     figures.latency(name, "p99_ps"));
}

const std::vector<Row> rows{
    {"rounds of work in 6 ms", [](const Figures& f) { return count(f, "app.rounds"); }},
    {"exits to the hypervisor's process", [](const Figures& f) { return count(f, "user_exits"); }},
    {"of these, kicks of an invalidation queue",
     [](const Figures& f) { return count(f, "kicks"); }},
    {"calls into the host's kernel", [](const Figures& f) { return count(f, "ioctls"); }},
    {"PASIDs of the host",
     [](const Figures& f) {
       return std::to_string(f.metric("host0.vm.kernel.virtual_commands.allocated"));
     }},
    {"bind, mean / p99",
     [](const Figures& f) { return mean_and_p99(f, "host0.vm.kernel.sva.bind"); }},
    {"unbind, mean / p99",
     [](const Figures& f) { return mean_and_p99(f, "host0.vm.kernel.sva.unbind"); }},
    {"unmap, mean / p99",
     [](const Figures& f) { return mean_and_p99(f, "host0.vm.kernel.sva.flush"); }},
    {"page request to its page, mean / p99",
     [](const Figures& f) { return mean_and_p99(f, "host0.acc[0].page"); }},
    {"a round of work, mean / p99",
     [](const Figures& f) { return mean_and_p99(f, "host0.vm.app.round"); }},
};

}  // namespace

TEST_CASE("the README's table of both interfaces holds the recorded figures", "[golden]") {
  const std::string readme = contents(source_tree / "scenarios" / "README.md");
  const Figures vfio("guest-vfio");
  const Figures iommufd("guest-iommufd");
  for (const Row& row : rows) {
    const std::string line =
        fmt::format("| {} | {} | {} |\n", row.text, row.figure(vfio), row.figure(iommufd));
    INFO("expected the line " << line);
    CHECK(readme.find(line) != std::string::npos);
  }
}
