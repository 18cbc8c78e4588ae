// The options of what tells about files and models: validate, schema, models.
// SPDX-License-Identifier: Apache-2.0
#include "sim/command_line/add_verbs.hpp"
#include "sim/command_line/checks.hpp"

#include <string>

namespace viosim {

void add_validate(CLI::App& app, ValidateArguments& arguments, int& code) {
  CLI::App* validate = app.add_subcommand(
      "validate",
      "Check scenario files and the recordings they name, and sweep files with the scenarios that "
      "they make; report every error");
  validate->add_option("FILE", arguments.files, "scenario and sweep files, JSON")
      ->required()
      ->check(named("file"));
  validate->callback([&] { code = validate_verb(arguments.files); });
}

void add_schema(CLI::App& app, SchemaOf& of, int& code) {
  CLI::App* schema = app.add_subcommand(
      "schema", "Print the JSON Schema of scenario files, or of sweep files, for editors");
  schema
      ->add_option_function<std::string>(
          "KIND",
          [&of](const std::string& text) {
            of = text == "sweep" ? SchemaOf::sweep : SchemaOf::scenario;
          },
          "scenario (default) or sweep")
      ->check(one_of({"scenario", "sweep"}));
  schema->callback([&] { code = schema_verb(of); });
}

void add_models(CLI::App& app, ModelsArguments& arguments, int& code) {
  CLI::App* models = app.add_subcommand(
      "models", "List every model with its parameters, units, defaults and sources");
  models->add_flag("--json", arguments.json, "Print them as JSON");
  models->callback([&] { code = models_verb(arguments.json); });
}

}  // namespace viosim
