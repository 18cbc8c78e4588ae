// The front door: described structs from JSON, to JSON, and explained.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "sim/json/parse.hpp"
#include "sim/json/reflect.hpp"
#include "sim/json/table.hpp"

namespace viosim {

// Reports everything that is wrong at `where`; the result counts only when nothing was.
template <class T>
T read(const Value& value, const Where& where) {
  T object{};
  json_type<T>().read(value, where, &object);
  return object;
}

// The same for a whole document: throws ConfigError with every problem found.
template <class T>
T read_document(const Value& document, const std::string& file) {
  std::vector<Problem> problems;
  T object = read<T>(document, Where(problems, file));
  if (!problems.empty()) throw ConfigError(std::move(problems));
  return object;
}

// Every field, defaults included, in the order of declaration; read() gives back an equal object.
template <class T>
Value write(const T& object) {
  return json_type<T>().write(&object);
}

// JSON Schema (draft 7, the one that editors know best) of a document that holds a T.
template <class T>
Value schema(std::string_view title) {
  return document_schema(json_type<T>(), reflect::fresh<T>(), title);
}

// One row per parameter, those of nested structs included.
template <class T>
std::vector<ParameterRow> parameter_table() {
  return rows_of(json_type<T>(), reflect::fresh<T>());
}

}  // namespace viosim
