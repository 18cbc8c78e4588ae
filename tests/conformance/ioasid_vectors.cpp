// ioasid_vectors: replays recorded answers of the kernel's allocator against this library.
// SPDX-License-Identifier: Apache-2.0
#include "tests/conformance/script.hpp"

#include <charconv>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <iostream>
#include <string>
#include <string_view>
#include <sys/wait.h>
#include <system_error>
#include <unistd.h>
#include <vector>

namespace {

using nlohmann::json;

constexpr int exit_usage = 2;

[[noreturn]] void usage(const std::string& what) {
  std::cerr << "ioasid_vectors: " << what
            << "\nusage: ioasid_vectors [--behaviour linux_6_1|corrected] [--limit SECONDS] "
               "FILE...\n";
  std::exit(exit_usage);
}

unsigned seconds_named(std::string_view text) {
  unsigned seconds = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), seconds);
  if (error != std::errc() || end != text.data() + text.size() || seconds == 0)
    usage("--limit needs a number of seconds, not '" + std::string(text) + "'");
  return seconds;
}

ioasid::Behaviour behaviour_named(std::string_view name) {
  if (name == "linux_6_1") return ioasid::Behaviour::linux_6_1;
  if (name == "corrected") return ioasid::Behaviour::corrected;
  usage("unknown behaviour '" + std::string(name) + "', expected linux_6_1 or corrected");
}

struct Arguments {
  std::vector<std::string> files;
  ioasid::Behaviour behaviour = ioasid::Behaviour::linux_6_1;
  unsigned limit = 30;  // seconds per script
};

Arguments parse(int argc, char** argv) {
  Arguments arguments;
  for (int i = 1; i < argc; ++i) {
    const std::string_view word = argv[i];
    if (!word.starts_with("--")) {
      arguments.files.emplace_back(word);
      continue;
    }
    if (++i == argc) usage(std::string(word) + " needs a value");
    if (word == "--behaviour") {
      arguments.behaviour = behaviour_named(argv[i]);
    } else if (word == "--limit") {
      arguments.limit = seconds_named(argv[i]);
    } else {
      usage("unknown option " + std::string(word));
    }
  }
  if (arguments.files.empty()) usage("no file given");
  return arguments;
}

std::string name_of(const json& script) {
  const auto name = script.find("name");
  return name != script.end() && name->is_string() ? name->get<std::string>() : "?";
}

// Prints what disagrees; 0 when nothing does.
int replay_aloud(const json& script, ioasid::Behaviour behaviour) {
  const std::string name = name_of(script);
  const auto disagreements = conformance::replay(script, behaviour);
  for (const auto& d : disagreements)
    std::cout << name << " operation " << d.operation << " " << d.op.dump() << "\n  expected "
              << d.expected.dump() << "\n  got      " << d.got.dump() << "\n";
  std::cout.flush();
  return disagreements.empty() ? 0 : 1;
}

// A script that hangs or crashes must not take the others with it: each has a process of its own,
// which an alarm ends.
bool agrees(const json& script, const Arguments& arguments) {
  std::cout.flush();
  const pid_t child = fork();
  if (child < 0) {
    std::perror("ioasid_vectors: fork");
    std::exit(exit_usage);
  }
  if (child == 0) {
    alarm(arguments.limit);
    int outcome = 1;
    try {
      outcome = replay_aloud(script, arguments.behaviour);
    } catch (const std::exception& e) {
      std::cout << name_of(script) << ": " << e.what() << std::endl;
    }
    _exit(outcome);
  }
  int status = 0;
  waitpid(child, &status, 0);
  if (WIFSIGNALED(status) && WTERMSIG(status) == SIGALRM)
    std::cout << name_of(script) << ": not finished after " << arguments.limit << " s\n";
  else if (WIFSIGNALED(status))
    std::cout << name_of(script) << ": ended by signal " << WTERMSIG(status) << "\n";
  else if (WEXITSTATUS(status) > 1)
    std::cout << name_of(script) << ": ended with status " << WEXITSTATUS(status) << "\n";
  return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

}  // namespace

int main(int argc, char** argv) {
  const Arguments arguments = parse(argc, argv);
  int scripts = 0;
  int agreeing = 0;
  for (const std::string& file : arguments.files) {
    std::ifstream in(file);
    if (!in) usage("cannot read " + file);
    const int before = scripts;
    std::string line;
    for (int number = 1; std::getline(in, line); ++number) {
      if (line.empty()) continue;
      const json script = json::parse(line, nullptr, false);
      if (!script.is_object()) usage(file + ":" + std::to_string(number) + ": not a JSON object");
      ++scripts;
      agreeing += agrees(script, arguments) ? 1 : 0;
    }
    // A folder, too, reads as nothing.
    if (in.bad() || scripts == before) usage("no script in " + file);
  }
  std::cout << agreeing << "/" << scripts << " scripts agree\n";
  return scripts > 0 && agreeing == scripts ? 0 : 1;
}
