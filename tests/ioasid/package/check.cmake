# Installs the library to a scratch place and builds and runs the example of its README against it, as a program and inside
# a shared object.
# Called with BUILD, SCRATCH, README, COMPILER, CONFIG and GENERATOR set; with SOURCE instead of BUILD the
# library is taken out of the project and built by itself first.
file(REMOVE_RECURSE ${SCRATCH})
# The project's own: the machine may have no other.
set(ENV{CMAKE_GENERATOR} ${GENERATOR})
file(READ ${README} text)
string(REGEX MATCH "```cpp\n(.*)\n```" fenced "${text}")
if(NOT fenced)
  message(FATAL_ERROR "${README} has no example")
endif()
string(REGEX REPLACE "\n```.*" "" example "${CMAKE_MATCH_1}")
file(WRITE ${SCRATCH}/example.cpp "${example}\n")

function(run)
  execute_process(COMMAND ${ARGN} RESULT_VARIABLE result OUTPUT_VARIABLE output ERROR_VARIABLE output)
  if(NOT result EQUAL 0)
    message(FATAL_ERROR "${ARGN}\n${output}")
  endif()
  set(output "${output}" PARENT_SCOPE)
endfunction()
if(SOURCE)
  set(BUILD ${SCRATCH}/alone-build)
  file(COPY ${SOURCE}/ DESTINATION ${SCRATCH}/alone/ioasid)
  run(${CMAKE_COMMAND} -S ${SCRATCH}/alone/ioasid -B ${BUILD} -DCMAKE_CXX_COMPILER=${COMPILER})
  run(${CMAKE_COMMAND} --build ${BUILD})
endif()
run(${CMAKE_COMMAND} --install ${BUILD} --config ${CONFIG} --component ioasid --prefix ${SCRATCH}/installed)
run(${CMAKE_COMMAND} -S ${CMAKE_CURRENT_LIST_DIR} -B ${SCRATCH}/build -DEXAMPLE=${SCRATCH}/example.cpp
  -DCMAKE_PREFIX_PATH=${SCRATCH}/installed -DCMAKE_CXX_COMPILER=${COMPILER} -DCMAKE_CXX_FLAGS=${FLAGS})
run(${CMAKE_COMMAND} --build ${SCRATCH}/build)
# The README says what the example prints.
string(REGEX MATCH "prints `([^`]*)`" said "${text}")
set(said "${CMAKE_MATCH_1}")
foreach(program example example_shared)
  run(${SCRATCH}/build/${program})
  if(NOT output STREQUAL "${said}\n")
    message(FATAL_ERROR "${program} printed\n${output}instead of\n${said}")
  endif()
endforeach()
