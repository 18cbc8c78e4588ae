// Lays out parameter tables.
// SPDX-License-Identifier: Apache-2.0
#include "sim/json/table.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace viosim {
namespace {

// A bar would end the cell of a Markdown table.
std::string cell(std::string_view text) {
  std::string escaped;
  for (const char c : text) {
    if (c == '|') escaped += '\\';
    escaped += c;
  }
  return escaped;
}

std::string code(std::string_view text) {
  return text.empty() ? std::string() : fmt::format("`{}`", cell(text));
}

// The width of the widest text that `column` gives.
template <class Column>
std::size_t width(const std::vector<ParameterRow>& rows, Column column) {
  std::size_t widest = 0;
  for (const ParameterRow& row : rows) widest = std::max(widest, (row.*column).size());
  return widest;
}

}  // namespace

std::vector<ParameterRow> rows_of(const JsonType& type, const void* defaults) {
  std::vector<ParameterRow> rows;
  const JsonType::Inside inside = type.inside(defaults);
  if (inside.type != nullptr) inside.type->add_rows("", inside.defaults, rows);
  return rows;
}

std::string markdown_table(const std::vector<ParameterRow>& rows) {
  std::string out = "| parameter | type | default | meaning | source |\n|---|---|---|---|---|\n";
  for (const ParameterRow& row : rows) {
    const bool value = row.default_text != "required" && row.default_text != "none";
    out += fmt::format("| {} | {} | {} | {} | {} |\n", code(row.name), cell(row.type),
                       value ? code(row.default_text) : row.default_text, cell(row.sentence),
                       cell(row.source));
  }
  return out;
}

std::string plain_table(const std::vector<ParameterRow>& rows, std::size_t indent) {
  const std::size_t names = width(rows, &ParameterRow::name);
  const std::size_t types = width(rows, &ParameterRow::type);
  const std::size_t defaults = width(rows, &ParameterRow::default_text);
  std::string out;
  for (const ParameterRow& row : rows) {
    std::string line = fmt::format("{:{}}{:{}}  {:{}}  {:{}}  {}", "", indent, row.name, names,
                                   row.type, types, row.default_text, defaults, row.sentence);
    if (!row.source.empty()) line += fmt::format(" [{}]", row.source);
    line.erase(line.find_last_not_of(' ') + 1);
    out += line + '\n';
  }
  return out;
}

Value document_schema(const JsonType& type, const void* defaults, std::string_view title) {
  Value::Object schema;
  add(schema, "$schema", "http://json-schema.org/draft-07/schema#");
  add(schema, "title", title);
  for (Value::Member& member : type.schema(defaults)) schema.push_back(std::move(member));
  return Value(std::move(schema));
}

}  // namespace viosim
