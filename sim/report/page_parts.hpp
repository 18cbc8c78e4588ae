// What the build puts in from page/ and vendor/ (embed.cmake).
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string_view>

namespace viosim::report {

struct PageParts {
  std::string_view
      html;  // with {{title}}, {{policy}}, {{style}}, {{vendor}}, {{script}} and {{data}}
  std::string_view style;
  std::string_view vendor;
  std::string_view script;
  // SHA-256, hexadecimal
  std::string_view style_hash;
  std::string_view vendor_hash;
  std::string_view script_hash;
};
const PageParts& page_parts();

}  // namespace viosim::report
