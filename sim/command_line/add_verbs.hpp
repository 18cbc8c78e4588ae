// The verbs with their options. What a verb was told is kept in `arguments`, which must live as long as `app` does;
// it is carried out when the command line is parsed, and leaves its exit code in `code`.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "sim/verbs/verbs.hpp"

#include <CLI/CLI.hpp>

#include <filesystem>
#include <vector>

namespace viosim {

struct CheckArguments {
  std::filesystem::path database;
  bool json = false;
};
struct ValidateArguments {
  std::vector<std::filesystem::path> files;
};
struct ModelsArguments {
  bool json = false;
};

void add_progress(CLI::App& verb, ProgressMode& mode);  // an option of several verbs

void add_run(CLI::App& app, RunArguments& arguments, int& code);
void add_replay(CLI::App& app, ReplayArguments& arguments, int& code);
void add_check(CLI::App& app, CheckArguments& arguments, int& code);
void add_trace(CLI::App& app, TraceArguments& arguments, int& code);
void add_diff(CLI::App& app, DiffArguments& arguments, int& code);
void add_regress(CLI::App& app, RegressArguments& arguments, int& code);
void add_validate(CLI::App& app, ValidateArguments& arguments, int& code);
void add_schema(CLI::App& app, SchemaOf& of, int& code);
void add_sweep(CLI::App& app, SweepArguments& arguments, int& code);
void add_slice(CLI::App& app, SliceArguments& arguments, int& code);
void add_results(CLI::App& app, ResultsArguments& arguments, int& code);
void add_report(CLI::App& app, ReportArguments& arguments, int& code);
void add_models(CLI::App& app, ModelsArguments& arguments, int& code);

}  // namespace viosim
