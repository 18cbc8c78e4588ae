// ensure(): silent when it holds, and names the place of the call when it does not.
// SPDX-License-Identifier: Apache-2.0
#include "core/base/error.hpp"

#include "tests/support/catch.hpp"

#include <string>

using namespace viosim;

TEST_CASE("a condition that holds changes nothing", "[base][error]") {
  CHECK_NOTHROW(ensure(true, "never said"));
}

TEST_CASE("a condition that does not hold names itself and the line of the call", "[base][error]") {
  const int line = __LINE__ + 2;
  try {
    ensure(false, "the queue is bounded");
    FAIL("ensure let a broken condition pass");
  } catch (const InternalError& error) {
    const std::string text = error.what();
    CHECK(text.find("the queue is bounded (") == 0);
    CHECK(text.find("error_test.cpp:" + std::to_string(line)) != std::string::npos);
  }
}
