# Installs the build into an empty folder and uses what is there.
# SPDX-License-Identifier: Apache-2.0
# usage: cmake -D SOURCE=. -D BUILD=build/release -D PREFIX=folder -D BINDIR=bin -D DATADIR=share -P install_test.cmake
file(REMOVE_RECURSE ${PREFIX})
execute_process(COMMAND ${CMAKE_COMMAND} --install ${BUILD} --prefix ${PREFIX} OUTPUT_QUIET COMMAND_ERROR_IS_FATAL ANY)

# Every scenario, part, trace and sweep of the source tree, and what else there is to find.
file(GLOB_RECURSE scenarios RELATIVE ${SOURCE} ${SOURCE}/scenarios/*.json ${SOURCE}/scenarios/*.zst ${SOURCE}/scenarios/*.md)
list(LENGTH scenarios count)
if(count LESS 50)
  message(FATAL_ERROR "the source tree has only ${count} scenarios, parts, traces and sweeps")
endif()
list(TRANSFORM scenarios PREPEND ${DATADIR}/viosim/)
foreach(file IN ITEMS ${BINDIR}/viosim ${DATADIR}/doc/viosim/README.md ${DATADIR}/doc/viosim/LICENSE ${scenarios})
  if(NOT EXISTS ${PREFIX}/${file})
    message(FATAL_ERROR "the installation lacks ${file}")
  endif()
endforeach()

# Every link of the introduction leads somewhere, and every command in it runs from where it stands.
set(doc ${PREFIX}/${DATADIR}/doc/viosim)
file(READ ${doc}/README.md text)
# Brackets hold the items of a CMake list together.
string(REPLACE "](" "@(" text "${text}")
string(REGEX REPLACE "[][]" "" text "${text}")
string(REGEX MATCHALL "@\\([^)]*\\)" links "${text}")
list(LENGTH links count)
if(count LESS 4)
  message(FATAL_ERROR "the installed README.md has only ${count} links")
endif()
foreach(link IN LISTS links)
  string(REGEX REPLACE "@\\((.*)\\)" "\\1" link "${link}")
  if(NOT EXISTS ${doc}/${link})
    message(FATAL_ERROR "the installed README.md points at ${link}, which is not there")
  endif()
endforeach()
string(REGEX MATCHALL "\n    viosim [^\n#]*" commands "${text}")
list(LENGTH commands count)
if(count LESS 5)
  message(FATAL_ERROR "the installed README.md has only ${count} commands")
endif()
foreach(command IN LISTS commands)
  string(STRIP "${command}" command)
  string(REPLACE "viosim sweep" "viosim sweep --dry-run" command "${command}")
  separate_arguments(command UNIX_COMMAND "${command}")
  list(POP_FRONT command)
  execute_process(COMMAND ${PREFIX}/${BINDIR}/viosim ${command} WORKING_DIRECTORY ${doc} OUTPUT_QUIET COMMAND_ERROR_IS_FATAL ANY)
endforeach()

execute_process(COMMAND ${PREFIX}/${BINDIR}/viosim --version COMMAND_ERROR_IS_FATAL ANY)
# A scenario with a part and a trace finds both where they were installed.
execute_process(COMMAND ${PREFIX}/${BINDIR}/viosim run ${PREFIX}/${DATADIR}/viosim/scenarios/recorder-iommu.json --out ${PREFIX}/out
  OUTPUT_VARIABLE output COMMAND_ERROR_IS_FATAL ANY)
if(NOT output MATCHES "45,538 translations" OR NOT EXISTS ${PREFIX}/out/run.db)
  message(FATAL_ERROR "the installed recorder-iommu.json did not run as it should: ${output}")
endif()
file(REMOVE_RECURSE ${PREFIX})
