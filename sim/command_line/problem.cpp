// What is wrong with a command line, said so that one can mend it.
// SPDX-License-Identifier: Apache-2.0
#include "sim/command_line/problem.hpp"

#include "core/base/error.hpp"
#include "sim/json/value.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <string_view>
#include <vector>

namespace viosim {
namespace {

std::string did_you_mean(std::string_view text, const std::vector<std::string>& names) {
  const std::string_view nearest = nearest_name(text, {names.begin(), names.end()});
  return nearest.empty() ? "" : fmt::format("; did you mean \"{}\"?", nearest);
}

// With their dashes.
std::vector<std::string> option_names(const CLI::App& verb) {
  std::vector<std::string> names;
  for (const CLI::Option* option : verb.get_options()) {
    for (const std::string& name : option->get_lnames()) names.push_back("--" + name);
    for (const std::string& name : option->get_snames()) names.push_back("-" + name);
  }
  return names;
}

// The first option that the verb does not know; CLI11 complains about missing arguments first.
std::string unknown_option(const CLI::App& verb, const std::vector<std::string_view>& words) {
  const std::vector<std::string> names = option_names(verb);
  for (const std::string_view word : words) {
    if (word == "--") break;
    const std::string_view name = word.substr(0, word.find('='));
    if (!name.starts_with('-') || name.size() < 2) continue;
    if (std::find(names.begin(), names.end(), name) != names.end()) continue;
    const std::string hint = did_you_mean(name, names);
    return fmt::format(
        "unknown option \"{}\"{}", name,
        hint.empty() ? fmt::format("; expected one of {}", fmt::join(names, ", ")) : hint);
  }
  return {};
}

// The verb that knows this option: the one that is written after it, or the first that does. Empty when none does.
std::string verb_with_option(const CLI::App& app, const std::vector<std::string_view>& words) {
  std::string first;
  const std::string_view option = words.front().substr(0, words.front().find('='));
  for (const CLI::App* verb : app.get_subcommands({})) {
    const std::vector<std::string> names = option_names(*verb);
    if (std::find(names.begin(), names.end(), option) == names.end()) continue;
    const bool written = std::find(words.begin(), words.end(), verb->get_name()) != words.end();
    if (written || first.empty()) first = verb->get_name();
    if (written) break;
  }
  return first;
}

// What a verb lacks, or has too much of.
std::string arguments_problem(const CLI::App& verb, const std::vector<std::string_view>& words,
                              const CLI::ParseError& error) {
  if (const auto inner = verb.get_subcommands(); !inner.empty())
    return arguments_problem(*inner.front(), {words.begin() + 1, words.end()}, error);
  if (const auto choices = verb.get_subcommands({}); !choices.empty()) {
    std::vector<std::string> names;
    names.reserve(choices.size());
    for (const CLI::App* choice : choices) names.push_back(choice->get_name());
    const std::string_view first = words.empty() ? "" : words.front();
    return fmt::format("{}: read {}; expected one of {}{}", verb.get_name(),
                       first.empty() ? "nothing after it" : quote_short(first),
                       fmt::join(names, ", "), did_you_mean(first, names));
  }
  if (std::string problem = unknown_option(verb, words); !problem.empty()) return problem;
  const std::string what = error.what();
  const std::string name = what.substr(0, what.find(' '));
  for (const CLI::Option* option : verb.get_options()) {
    if (option->get_name() == name)
      return fmt::format("{}: read nothing; expected {}", name, option->get_description());
  }
  // "The following argument was not expected: b"; of several, the last comes first.
  const std::string extras = what.substr(what.find(": ") + 2);
  return fmt::format("read \"{}\"; expected nothing more after the arguments of {}", extras,
                     verb.get_name());
}

}  // namespace

std::string command_line_problem(const CLI::App& app, const CLI::ParseError& error, int argc,
                                 char** argv) {
  const std::string_view what = error.what();
  const std::string_view option = what.substr(0, what.find(':'));
  if (what.find(" required") != std::string_view::npos && what.ends_with(" missing"))
    return fmt::format("{}: read nothing after it; expected a value", option);
  if (what.find("At Most 1") != std::string_view::npos)
    return fmt::format("{}: read twice; expected at most once", option);
  const std::vector<std::string_view> words(argv + std::min(argc, 1), argv + argc);
  const auto is = [&](CLI::ExitCodes kind) {
    return error.get_exit_code() == static_cast<int>(kind);
  };
  const std::string_view first = words.empty() ? "" : words.front();
  if (first.starts_with('-')) {
    if (const std::string verb = verb_with_option(app, words); !verb.empty()) {
      const std::string_view name = first.substr(0, first.find('='));
      return fmt::format("{} comes after the verb: viosim {} {}", name, verb, first);
    }
  }
  if (const auto verbs = app.get_subcommands(); !verbs.empty()) {
    const std::vector<std::string_view> rest(words.begin() + 1, words.end());
    // What follows an unknown option was taken for an argument of the verb.
    if (is(CLI::ExitCodes::ValidationError) && !what.starts_with('-')) {
      const std::string problem = unknown_option(*verbs.front(), rest);
      return problem.empty() ? error.what() : problem;
    }
    if (!is(CLI::ExitCodes::RequiredError) && !is(CLI::ExitCodes::ExtrasError)) return error.what();
    return arguments_problem(*verbs.front(), rest, error);
  }
  if (first.starts_with('-')) {
    const std::string problem = unknown_option(app, words);
    return problem.empty() ? error.what() : problem;
  }
  std::vector<std::string> names;
  for (const CLI::App* verb : app.get_subcommands({})) names.push_back(verb->get_name());
  if (words.empty()) return fmt::format("no verb; expected one of {}", fmt::join(names, ", "));
  return fmt::format("unknown verb {}; expected one of {}{}", quote_short(first),
                     fmt::join(names, ", "), did_you_mean(first, names));
}

}  // namespace viosim
