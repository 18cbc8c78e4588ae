// Everything of the library.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "ioasid/space.hpp"
