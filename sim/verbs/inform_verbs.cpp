// `viosim validate`, `schema` and `models`.
// SPDX-License-Identifier: Apache-2.0
#include "sim/check/invariants.hpp"
#include "sim/json/json.hpp"
#include "sim/scenario/document_schema.hpp"
#include "sim/sweep/worker.hpp"
#include "sim/verbs/presets.hpp"
#include "sim/verbs/verbs.hpp"

#include <fmt/format.h>

namespace viosim {
namespace {

// A scenario describes its hosts itself, a sweep names the file that does.
bool is_sweep(const std::filesystem::path& file) {
  if (!std::filesystem::is_regular_file(file)) return false;  // a pipe is read once
  std::vector<Problem> repeated;  // whoever reads the file for what it is tells of them
  const Value document = read_json_file(file, repeated);
  const Value::Object* const object = document.if_object();
  return object != nullptr && find(*object, "scenario") != nullptr &&
         find(*object, "hosts") == nullptr;
}

// Its scenario at each point, and what it keeps.
void validate_sweep(const std::filesystem::path& file) {
  Experiment experiment(file);
  experiment.check_each_value();
  experiment.check_each_point();
  check_limits(experiment);
  check_selection(experiment);
}

// What a scenario names must be readable too.
void validate(const std::filesystem::path& file) {
  if (is_sweep(file)) return validate_sweep(file);
  const LoadedScenario loaded = load_with_recordings(file);
  check_plan(loaded.scenario, loaded.recordings);
}

struct Model {
  std::string_view name;
  std::string_view sentence;
  std::vector<ParameterRow> parameters;
};

std::vector<Model> models() {
  return {
      {"iommu vtd", VtdIommu::alternative.sentence, parameter_table<VtdIommu>()},
      {"iommu riscv", RiscvIommu::alternative.sentence, parameter_table<RiscvIommu>()},
      {"device dma", DmaDevice::alternative.sentence, parameter_table<DmaDevice>()},
      {"device recording", RecordedDevice::alternative.sentence, parameter_table<RecordedDevice>()},
      {"device accelerator", AcceleratorDevice::alternative.sentence,
       parameter_table<AcceleratorDevice>()},
      {"host memory", "The memory behind the IOMMUs.", parameter_table<MemoryParams>()},
      {"host kernel", "The host's kernel: fault handling and page migration.",
       parameter_table<HostKernelParams>()},
      {"host software", "What drives accelerators, and runs processes and guests.",
       parameter_table<HostParams>()},
      {"guest", "A virtual machine, or many alike.", parameter_table<GuestConfig>()},
      {"processes", "Processes that use accelerators, on a host or in a guest.",
       parameter_table<ProcessesConfig>()}};
}

// What injections, "defects" and "expect" name.
struct Vocabulary {
  std::string_view name;
  std::string_view sentence;
  struct Word {
    std::string name;
    std::string sentence;
    std::string more;  // what `more` of the vocabulary says
  };
  std::vector<Word> words;
  std::string_view more = "source";
};

template <class E>
std::vector<Vocabulary::Word> words_of() {
  std::vector<Vocabulary::Word> words;
  for (const auto& choice : choices(E{}))
    words.push_back({std::string(choice.name), std::string(choice.sentence), {}});
  return words;
}

std::vector<Vocabulary> vocabularies() {
  std::vector<Vocabulary::Word> effects;
  for (const Alternative& effect : Effect::alternatives())
    effects.push_back({std::string(effect.name), std::string(effect.sentence), {}});
  std::vector<Vocabulary::Word> steps;
  for (const NamedPoint& step : named_steps())
    steps.push_back({step.name, std::string(step.sentence), {}});
  std::vector<Vocabulary::Word> defects;
  for (const auto& defect : choices(Defect{})) {
    defects.push_back({std::string(defect.name), std::string(defect.sentence),
                       std::string(source_of(defect.value))});
  }
  std::vector<Vocabulary::Word> invariants;
  for (const check::InvariantInfo& one : check::invariants()) {
    invariants.push_back(
        {check::name_of(one.invariant), std::string(one.sentence), std::string(one.bug_class)});
  }
  return {{"injections", "What an injection does.", std::move(effects)},
          {"messages", "What is dropped, delayed, duplicated, reordered.", words_of<Message>()},
          {"steps", "What is skipped or swapped.", std::move(steps)},
          {"misdeeds", "How a function misbehaves.", words_of<Misdeed>()},
          {"numbers", "What an allocator gives.", words_of<OddId>()},
          {"defects", "Bugs that real kernels and hypervisors had.", std::move(defects)},
          {"invariants", "What each run is held against, with the class of bug that violates it.",
           std::move(invariants), "bug_class"}};
}

std::string text_of(const Vocabulary& vocabulary) {
  std::string text = fmt::format("{}: {}\n", vocabulary.name, vocabulary.sentence);
  for (const Vocabulary::Word& word : vocabulary.words) {
    text += fmt::format("  {}: {}{}{}\n", word.name, word.sentence, word.more.empty() ? "" : " ",
                        word.more.empty() ? "" : fmt::format("[{}]", word.more));
  }
  return text + '\n';
}

Value to_json(const Vocabulary& vocabulary) {
  Value::Object object;
  add(object, "vocabulary", vocabulary.name);
  add(object, "description", vocabulary.sentence);
  Value::Array words;
  for (const Vocabulary::Word& one : vocabulary.words) {
    Value::Object word;
    add(word, "name", one.name);
    add(word, "description", one.sentence);
    if (!one.more.empty()) add(word, vocabulary.more, one.more);
    words.emplace_back(std::move(word));
  }
  add(object, "words", std::move(words));
  return Value(std::move(object));
}

Value to_json(const Model& model) {
  Value::Object object;
  add(object, "model", model.name);
  add(object, "description", model.sentence);
  Value::Array parameters;
  for (const ParameterRow& row : model.parameters) {
    Value::Object parameter;
    add(parameter, "name", row.name);
    add(parameter, "type", row.type);
    add(parameter, "default", row.default_text);
    add(parameter, "description", row.sentence);
    add(parameter, "source", row.source);
    parameters.emplace_back(std::move(parameter));
  }
  add(object, "parameters", std::move(parameters));
  return Value(std::move(object));
}

}  // namespace

int validate_verb(const std::vector<std::filesystem::path>& files) {
  std::vector<Problem> problems;
  for (const std::filesystem::path& file : files) {
    try {
      validate(file);
      fmt::print("{}: valid\n", file.string());
    } catch (const SchemaGiven&) {
      // It lies among the scenarios that name it, and *.json means these.
      if (files.size() == 1) throw;
      fmt::print("{}: passed over: a JSON Schema, no scenario\n", file.string());
    } catch (const ConfigError& error) {
      problems.insert(problems.end(), error.problems().begin(), error.problems().end());
    }
  }
  if (!problems.empty()) throw ConfigError(std::move(problems));
  return 0;
}

int schema_verb(SchemaOf of) {
  const Value schema = of == SchemaOf::sweep ? sweep_schema() : scenario_schema();
  fmt::print("{}\n", to_text(schema, Layout::indented));
  return 0;
}

int models_verb(bool json) {
  if (json) {
    Value::Array all;
    for (const Model& model : models()) all.push_back(to_json(model));
    for (const Vocabulary& vocabulary : vocabularies()) all.push_back(to_json(vocabulary));
    fmt::print("{}\n", to_text(Value(std::move(all)), Layout::indented));
    return 0;
  }
  for (const Model& model : models())
    fmt::print("{}: {}\n{}\n", model.name, model.sentence, plain_table(model.parameters));
  for (const Vocabulary& vocabulary : vocabularies()) fmt::print("{}", text_of(vocabulary));
  fmt::print("IOMMUs that `viosim replay --iommu` knows by name:\n");
  for (const IommuPreset& preset : iommu_presets())
    fmt::print("  {}: {}\n", preset.name, preset.sentence);
  return 0;
}

}  // namespace viosim
