// Numbers as people read them.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace viosim {

// "12,345,678"
std::string grouped(std::uint64_t number);

// "1 map", "2,000 maps": a regular noun.
std::string counted(std::uint64_t number, std::string_view noun);

// "3.2 M/s"
std::string rate_text(double per_second);

}  // namespace viosim
