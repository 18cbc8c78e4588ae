# Writes which commit is built into a header: at every build, and only if it has changed.
# SPDX-License-Identifier: Apache-2.0
# usage: cmake -D SOURCE=folder -D HEADER=commit.hpp -P write_commit.cmake
find_program(git git)
if(git)
  execute_process(COMMAND ${git} -C ${SOURCE} describe --always --abbrev=12 --dirty=-modified --exclude=*
    OUTPUT_VARIABLE commit OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_QUIET RESULT_VARIABLE failed)
endif()
if(NOT git OR NOT failed EQUAL 0)
  set(commit unknown)
endif()
set(text "// Written by the build.\n#pragma once\n#define VIOSIM_COMMIT \"${commit}\"\n")
if(EXISTS ${HEADER})
  file(READ ${HEADER} before)
endif()
if(NOT "${before}" STREQUAL "${text}")
  file(WRITE ${HEADER} "${text}")
endif()
