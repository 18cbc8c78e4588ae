// Throws bytes at the JSON reader: it must accept or complain, never crash, and what it accepts
// must survive being written and read again.
// SPDX-License-Identifier: Apache-2.0
#include "core/base/error.hpp"
#include "sim/json/json.hpp"
#include "sim/json/pointer.hpp"
#include "tests/json/sample.hpp"

#include <cstdint>
#include <cstdlib>

namespace {

using namespace viosim;

void must(bool holds) {
  if (!holds) std::abort();
}

// Messages go to terminals and into JSON: they must be UTF-8, whatever the input was.
void check_message(const ConfigError& error) {
  must(!error.problems().empty());
  for (const Problem& problem : error.problems()) {
    must(!problem.message.empty() && problem.message.size() < 2000);
    parse_json(quote(problem.text()), "message");
  }
}

void check_document(const Value& document) {
  must(parse_json(to_text(document), "again") == document);
  must(parse_json(to_text(document, Layout::indented), "again") == document);
  std::vector<Problem> problems;
  const auto scenario = read<sample::Scenario>(document, Where(problems, "fuzz"));
  if (!problems.empty()) return check_message(ConfigError(std::move(problems)));
  const Value written = write(scenario);
  must(read_document<sample::Scenario>(written, "again") == scenario);
  must(write(read_document<sample::Scenario>(written, "again")) == written);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string text(reinterpret_cast<const char*>(data), size);
  try {
    check_document(parse_json(text, "fuzz"));
  } catch (const ConfigError& error) {
    check_message(error);
  }
  try {
    Value document = write(sample::Scenario{});
    set_assignment(document, text);
    check_document(document);
  } catch (const ConfigError& error) {
    check_message(error);
  }
  return 0;
}
