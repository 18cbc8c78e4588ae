# Installs the build into an empty folder and uses what is there.
# SPDX-License-Identifier: Apache-2.0
# usage: cmake -D BUILD=build/release -D PREFIX=folder -D BINDIR=bin -D DATADIR=share -P install_test.cmake
file(REMOVE_RECURSE ${PREFIX})
execute_process(COMMAND ${CMAKE_COMMAND} --install ${BUILD} --prefix ${PREFIX} OUTPUT_QUIET COMMAND_ERROR_IS_FATAL ANY)

foreach(file IN ITEMS ${BINDIR}/viosim ${DATADIR}/viosim/scenarios/README.md ${DATADIR}/doc/viosim/README.md
    ${DATADIR}/doc/viosim/LICENSE)
  if(NOT EXISTS ${PREFIX}/${file})
    message(FATAL_ERROR "the installation lacks ${file}")
  endif()
endforeach()

execute_process(COMMAND ${PREFIX}/${BINDIR}/viosim --version COMMAND_ERROR_IS_FATAL ANY)
file(REMOVE_RECURSE ${PREFIX})
