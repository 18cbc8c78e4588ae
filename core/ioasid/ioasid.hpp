// Everything of the library.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "ioasid/backends.hpp"
#include "ioasid/references.hpp"
#include "ioasid/sets.hpp"
#include "ioasid/space.hpp"
#include "ioasid/vcmd.hpp"
