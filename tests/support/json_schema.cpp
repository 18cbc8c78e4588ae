// The validator is valijson's.
// SPDX-License-Identifier: Apache-2.0
#include "tests/support/json_schema.hpp"

#include <nlohmann/json.hpp>
// Its headers are not as strict as ours.
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wconversion"
#pragma GCC diagnostic ignored "-Wshadow"
#include <valijson/adapters/nlohmann_json_adapter.hpp>
#include <valijson/schema.hpp>
#include <valijson/schema_parser.hpp>
#include <valijson/validator.hpp>
#pragma GCC diagnostic pop

namespace viosim::test {

struct JsonSchema::Parts {
  nlohmann::json document;
  valijson::Schema schema;
  // Strong types: a text "1" is no number.
  valijson::Validator validator{valijson::Validator::kStrongTypes};
};

JsonSchema::JsonSchema(const std::string& text) : parts_(std::make_unique<Parts>()) {
  parts_->document = nlohmann::json::parse(text);
  valijson::SchemaParser parser(valijson::SchemaParser::kDraft7);
  parser.populateSchema(valijson::adapters::NlohmannJsonAdapter(parts_->document), parts_->schema);
}

JsonSchema::~JsonSchema() = default;

bool JsonSchema::accepts(const std::string& document) {
  const nlohmann::json target = nlohmann::json::parse(document);
  return parts_->validator.validate(parts_->schema, valijson::adapters::NlohmannJsonAdapter(target),
                                    nullptr);
}

}  // namespace viosim::test
