// How a described struct is read and written, declared for headers of structs that many files read. What a
// scenario's take to compile is as much as the rest of such a file, so one source file does it for all:
//
//   extern template const KeyedType& reflect::object<Scenario>();  // in the struct's header
//   template const KeyedType& reflect::object<Scenario>();         // in one source file, after json.hpp
//
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/base/fields.hpp"

namespace viosim {

class KeyedType;

namespace reflect {
template <Described T>
const KeyedType& object();
}  // namespace reflect

}  // namespace viosim
