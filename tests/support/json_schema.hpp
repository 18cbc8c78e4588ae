// A JSON Schema as a validator that is not ours reads it.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <string>

namespace viosim::test {

class JsonSchema {
 public:
  explicit JsonSchema(const std::string& text);
  ~JsonSchema();
  bool accepts(const std::string& document);

 private:
  // The validator's headers take longest of all to compile: one file includes them.
  struct Parts;
  std::unique_ptr<Parts> parts_;
};

}  // namespace viosim::test
