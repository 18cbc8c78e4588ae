// ioasid_vectors: replays recorded answers of the kernel's allocator against this library.
// SPDX-License-Identifier: Apache-2.0
#include "tests/conformance/place.hpp"
#include "tests/conformance/script.hpp"
#include "tests/conformance/script_check.hpp"
#include "tests/conformance/script_read.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <iostream>
#include <new>
#include <stdexcept>
#include <string>
#include <string_view>
#include <sys/wait.h>
#include <system_error>
#include <unistd.h>
#include <vector>

namespace {

using nlohmann::json;

constexpr int exit_usage = 2;
// Of a script's process alone. Not 1: that is how a sanitizer ends what it has found something in.
constexpr int exit_no_memory = 3;
constexpr int exit_disagrees = 4;

constexpr const char* synopsis =
    "usage: ioasid_vectors [--behaviour linux_6_1|corrected] [--limit SECONDS] FILE...\n";
constexpr const char* help =
    "Replays scripts with the recorded answers of the kernel's allocator, one script in a line,\n"
    "prints each answer that disagrees, and last how many of how many scripts agree. An answer\n"
    "that disagrees is told with the script's name and the operation's JSON pointer in the "
    "script:\n"
    "/ops/0 is the first. What scripts say is printed as JSON in ASCII.\n"
    "  --behaviour  which allocator to be: linux_6_1 (unless told) or corrected\n"
    "  --limit      how long each script may take by itself, in whole seconds, 1 to 86400; 30 "
    "unless\n"
    "               told. One that takes longer is ended, and counted as one that disagrees.\n"
    "Exit status: 0 if all agree, 1 if one disagrees, 2 if a file or a script cannot be read, a\n"
    "script not be replayed for want of memory, or the answer not be written. The other files and\n"
    "scripts are replayed all the same.\n";

void complain(const std::string& what) { std::cerr << "ioasid_vectors: " << what << std::endl; }

[[noreturn]] void usage(const std::string& what) {
  complain(what);
  std::cerr << synopsis;
  std::exit(exit_usage);
}

constexpr unsigned limit_max = 86'400;  // a day

unsigned seconds_named(std::string_view text) {
  unsigned seconds = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), seconds);
  if (error != std::errc() || end != text.data() + text.size() || seconds == 0 ||
      seconds > limit_max)
    usage("--limit needs a whole number of seconds from 1 to " + std::to_string(limit_max) +
          ", not '" + std::string(text) + "'");
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

struct Setting {
  std::string_view name;
  void (*set)(Arguments& arguments, std::string_view value);
};
constexpr std::array settings{
    Setting{"--behaviour",
            [](Arguments& a, std::string_view value) { a.behaviour = behaviour_named(value); }},
    Setting{"--limit",
            [](Arguments& a, std::string_view value) { a.limit = seconds_named(value); }}};

const Setting& setting_named(std::string_view name) {
  const auto* const found = std::find_if(settings.begin(), settings.end(),
                                         [name](const Setting& s) { return s.name == name; });
  if (found == settings.end()) usage("unknown option " + std::string(name));
  return *found;
}

// What could not be written was not said.
int exit_unless_written(int status) {
  std::cout.flush();
  if (std::cout) return status;
  complain("cannot write to standard output");
  return exit_usage;
}

// --name value, or --name=value. Whether there is such an option is looked at first.
Arguments parse(int argc, char** argv) {
  Arguments arguments;
  for (int i = 1; i < argc; ++i) {
    const std::string_view word = argv[i];
    if (word == "--help" || word == "-h") {
      std::cout << synopsis << help;
      std::exit(exit_unless_written(0));
    }
    if (!word.starts_with("-")) {
      arguments.files.emplace_back(word);
      continue;
    }
    const auto equals = word.find('=');
    const Setting& setting = setting_named(word.substr(0, equals));
    const bool apart = equals == std::string_view::npos;
    if (apart && ++i == argc) usage(std::string(word) + " needs a value");
    setting.set(arguments, apart ? argv[i] : word.substr(equals + 1));
  }
  if (arguments.files.empty()) usage("no file given");
  return arguments;
}

// Prints what disagrees; 0 when nothing does.
int replay_aloud(const json& script, ioasid::Behaviour behaviour) {
  using conformance::printable;
  const auto disagreements = conformance::replay(script, behaviour);
  for (const auto& d : disagreements)
    std::cout << printable(script.at("name")) << " operation /ops/" << d.operation << " "
              << printable(d.op) << "\n  expected " << printable(d.expected) << "\n  got      "
              << printable(d.got) << "\n";
  std::cout.flush();
  return disagreements.empty() ? 0 : 1;
}

// Whoever started the program may have had the alarm ignored or blocked.
void end_after(unsigned seconds) {
  std::signal(SIGALRM, SIG_DFL);
  sigset_t alarms;
  sigemptyset(&alarms);
  sigaddset(&alarms, SIGALRM);
  sigprocmask(SIG_UNBLOCK, &alarms, nullptr);
  alarm(seconds);
}

// In a process of its own: how it ends. The space takes want of memory for a refusal, as the kernel
// does, and what comes of that is no answer to compare: it must not get to know.
[[noreturn]] void replay_and_exit(const json& script, const Arguments& arguments) {
  end_after(arguments.limit);
  std::set_new_handler([] { _exit(exit_no_memory); });
  int outcome = exit_disagrees;
  try {
    if (replay_aloud(script, arguments.behaviour) == 0) outcome = 0;
  } catch (const std::exception& e) {
    std::cout << conformance::printable(script.at("name")) << ": " << e.what() << std::endl;
  }
  _exit(outcome);
}

// A script that hangs or crashes must not take the others with it: each has a process of its own,
// which an alarm ends. Throws std::bad_alloc when memory is short there.
bool agrees(const json& script, const Arguments& arguments) {
  std::cout.flush();
  const pid_t child = fork();
  if (child < 0) {
    std::perror("ioasid_vectors: fork");
    std::exit(exit_usage);
  }
  if (child == 0) replay_and_exit(script, arguments);
  int status = 0;
  while (waitpid(child, &status, 0) != child) {
    if (errno == EINTR) continue;
    std::perror("ioasid_vectors: waitpid");
    std::exit(exit_usage);
  }
  if (WIFEXITED(status) && WEXITSTATUS(status) == exit_no_memory) throw std::bad_alloc();
  const std::string name = conformance::printable(script.at("name"));
  if (WIFSIGNALED(status) && WTERMSIG(status) == SIGALRM)
    std::cout << name << ": not finished after " << arguments.limit << " s\n";
  else if (WIFSIGNALED(status))
    std::cout << name << ": ended by signal " << WTERMSIG(status) << "\n";
  else if (WEXITSTATUS(status) != 0 && WEXITSTATUS(status) != exit_disagrees)
    std::cout << name << ": ended with status " << WEXITSTATUS(status) << "\n";
  return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

// The script in a line. Throws std::exception with what is wrong with it.
json script_in(const std::string& line) {
  json script = conformance::read_script(line);
  conformance::check_script(script);
  return script;
}

struct Tally {
  int scripts = 0;
  int agreeing = 0;
  bool unreadable = false;  // something was
};

// A line without a script is let pass.
void replay_line(const std::string& line, const Arguments& arguments, Tally& tally) {
  if (line.find_first_not_of(" \t\r") == std::string::npos) return;
  ++tally.scripts;
  tally.agreeing += agrees(script_in(line), arguments) ? 1 : 0;
}

constexpr const char* no_memory =
    "memory is short: the script was not replayed to its end (is there a limit, ulimit -v?)";

// What of a file could be read.
enum class Reading { on, ended, failed };

// A folder can be opened, but not read. Throws std::bad_alloc where the line is too long.
Reading read_line(std::istream& in, std::string& line) {
  try {
    return std::getline(in, line) ? Reading::on : Reading::ended;
  } catch (const std::ios_base::failure&) {
    return Reading::failed;
  }
}

void replay_file(const std::string& file, const Arguments& arguments, Tally& tally) {
  const int before = tally.scripts;
  const auto refuse = [&](const std::string& what) {
    complain(what);
    tally.unreadable = true;
  };
  std::ifstream in(file);
  if (!in) return refuse("cannot read " + file);
  in.exceptions(std::ios_base::badbit);  // else want of memory would be the end
  std::string line;
  auto reading = Reading::on;
  for (int number = 1; reading == Reading::on; ++number) {
    const std::string place = file + ":" + std::to_string(number) + ": ";
    try {
      reading = read_line(in, line);
      if (reading == Reading::on) replay_line(line, arguments, tally);
    } catch (const std::bad_alloc&) {
      refuse(place + no_memory);
    } catch (const std::exception& e) {
      refuse(place + e.what());
    }
  }
  if (reading == Reading::failed) return refuse("cannot read " + file);
  if (tally.scripts == before) refuse("no script in " + file);
}

}  // namespace

int main(int argc, char** argv) {
  // Whoever started the program may have had it ignored; then nobody learns how a script ended.
  std::signal(SIGCHLD, SIG_DFL);
  const Arguments arguments = parse(argc, argv);
  Tally tally;
  for (const std::string& file : arguments.files) replay_file(file, arguments, tally);
  std::cout << tally.agreeing << "/" << tally.scripts << " scripts agree\n";
  if (tally.unreadable) return exit_unless_written(exit_usage);
  return exit_unless_written(tally.agreeing == tally.scripts ? 0 : 1);
}
