// The walk through RISC-V's tables against the recorded answers of an independent model.
// SPDX-License-Identifier: Apache-2.0
#include "models/iommu/riscv/architecture.hpp"
#include "models/iommu/walk.hpp"
#include "tests/support/catch.hpp"

#include <filesystem>
#include <fstream>
#include <map>
#include <memory>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

using namespace viosim;
using namespace viosim::riscv;

namespace {

std::uint64_t hex(const std::string& text) { return std::stoull(text, nullptr, 16); }

using Changes = std::vector<std::pair<Hpa, std::uint64_t>>;

// Writes and remembers what was there.
void change(PhysicalMemory& memory, Changes& undo, Hpa at, std::uint64_t word) {
  undo.emplace_back(at, memory.read(at));
  memory.write(at, word);
}

void restore(PhysicalMemory& memory, Changes& undo) {
  for (; !undo.empty(); undo.pop_back()) memory.write(undo.back().first, undo.back().second);
}

struct Answer {
  unsigned cause = 0;
  bool denied = false;  // a translation request that may neither read nor write
  std::uint64_t address = 0;
  std::string rights;
  bool operator==(const Answer&) const = default;
};

std::ostream& operator<<(std::ostream& out, const Answer& answer) {
  return out << "cause " << answer.cause << (answer.denied ? " denied " : " ") << std::hex
             << answer.address << std::dec << ' ' << answer.rights;
}

std::string rights_text(Rights rights, const Request& request) {
  std::string text;
  const bool read = rights.can_read(request.privileged);
  if (read) text += 'r';
  if (rights.can_write(request.privileged)) text += 'w';
  if (read && request.access == Access::execute && rights.can_execute(request.privileged))
    text += 'x';
  return text;
}

// To the end, with all updates of accessed and dirty.
void drive(Walk& walk, PhysicalMemory& memory, Changes& undo) {
  while (walk.step() == WalkStep::read || walk.step() == WalkStep::update) {
    if (walk.step() == WalkStep::read) {
      walk.advance(memory.line(walk.next_read()));
    } else {
      change(memory, undo, walk.pages().next_read(), walk.pages().replacement());
      walk.pages().updated(true);
      walk.moved();
    }
  }
}

Answer ask(const RiscvArchitecture& architecture, PhysicalMemory& memory, Changes& undo,
           const Request& request) {
  Walk walk;
  walk.begin(architecture, request, nullptr, nullptr, false);
  drive(walk, memory, undo);
  const bool asks = request.type == AddressType::translation;
  Answer answer;
  if (walk.step() == WalkStep::faulted) {
    answer.cause = static_cast<unsigned>(walk.fault());
    answer.denied = asks && walk.page_fault() != PageFault::none;
    return answer;
  }
  answer.address = walk.translation().address(request.iova).value();
  if (asks) answer.rights = rights_text(walk.translation().rights, request);
  if (asks && answer.rights.empty()) answer = {0, true, 0, ""};
  return answer;
}

Request read_request(std::istream& in) {
  std::string device;
  std::string process;
  std::string privilege;
  std::string access;
  std::string type;
  std::string iova;
  in >> device >> process >> privilege >> access >> type >> iova;
  Request request;
  request.source = Bdf(static_cast<std::uint16_t>(hex(device)));
  if (process != "-") request.pasid = Pasid(static_cast<std::uint32_t>(hex(process)));
  request.privileged = privilege == "supervisor";
  request.access = access == "read"    ? Access::read
                   : access == "write" ? Access::write
                                       : Access::execute;
  request.type = type == "untranslated"  ? AddressType::untranslated
                 : type == "translation" ? AddressType::translation
                                         : AddressType::translated;
  request.iova = Iova(hex(iova));
  return request;
}

Answer read_answer(std::istream& in) {
  std::string equals;
  std::string word;
  Answer answer;
  in >> equals >> answer.cause;
  if (!(in >> word)) return answer;
  answer.denied = word == "denied";
  if (!answer.denied) answer.address = hex(word);
  in >> answer.rights;
  return answer;
}

// What the device is told of page faults that a translation request meets says no cause; nor whether
// an entry of the process directory was not valid, which ours calls a fault.
Answer as_told(Answer answer) {
  constexpr unsigned process_entry_not_valid = 266;
  if (answer.denied && answer.cause != process_entry_not_valid) answer.cause = 0;
  if (answer.cause == process_entry_not_valid) answer.denied = false;
  return answer;
}

struct Layout {
  std::unique_ptr<PhysicalMemory> memory;
  std::unique_ptr<RiscvArchitecture> architecture;
};

Layout read_layout(std::istream& in) {
  std::string format;
  std::string root;
  unsigned mode = 0;
  in >> format >> mode >> root;
  return {std::make_unique<PhysicalMemory>(),
          std::make_unique<RiscvArchitecture>(
              format == "base" ? ContextFormat::base : ContextFormat::extended,
              DirectoryPointer{static_cast<DirectoryMode>(mode), Hpa(hex(root))})};
}

}  // namespace

TEST_CASE("RISC-V requests get the answers that the reference model gave", "[models][riscv]") {
  const std::filesystem::path file = VIOSIM_SOURCE_DIR "/tests/models/vectors/riscv_iommu.txt";
  std::ifstream in(file);
  REQUIRE(in);
  Layout layout;
  Changes undo;
  std::map<unsigned, unsigned> causes;
  unsigned number = 0;
  for (std::string line; std::getline(in, line);) {
    ++number;
    std::istringstream words(line);
    std::string what;
    words >> what;
    if (what == "layout") {
      layout = read_layout(words);
    } else if (what == "memory" || what == "change") {
      std::string at;
      std::string word;
      words >> at >> word;
      change(*layout.memory, undo, Hpa(hex(at)), hex(word));
      if (what == "memory") undo.clear();
    } else if (what == "request") {
      INFO("line " << number);
      const Request request = read_request(words);
      const Answer expected = read_answer(words);
      const Answer answer = ask(*layout.architecture, *layout.memory, undo, request);
      REQUIRE(as_told(answer) == as_told(expected));
      restore(*layout.memory, undo);
      ++causes[expected.cause];
    }
  }
  // The comparison means something only where it went.
  for (const unsigned cause :
       {0U, 12U, 13U, 15U, 20U, 21U, 23U, 256U, 258U, 259U, 260U, 266U, 267U}) {
    INFO("cause " << cause);
    CHECK(causes[cause] > 0);
  }
}
