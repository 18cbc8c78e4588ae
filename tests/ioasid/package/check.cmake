# Installs the library to a scratch place and builds and runs the example of its README against it, as a program and inside
# a shared object; the library as a folder of another project, too.
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
  # As a folder of a project that has no version.
  file(WRITE ${SCRATCH}/alone/CMakeLists.txt "cmake_minimum_required(VERSION 3.22)\nproject(theirs LANGUAGES CXX)\n"
    "add_subdirectory(ioasid)\nadd_executable(example ${SCRATCH}/example.cpp)\n"
    "target_link_libraries(example PRIVATE ioasid::ioasid)\n"
    "target_compile_options(example PRIVATE -Wall -Wextra -Wnon-virtual-dtor -Werror)\n")
  run(${CMAKE_COMMAND} -S ${SCRATCH}/alone -B ${SCRATCH}/folder-build -DCMAKE_CXX_COMPILER=${COMPILER}
    -DCMAKE_UNITY_BUILD=ON -DCMAKE_UNITY_BUILD_BATCH_SIZE=0)
  run(${CMAKE_COMMAND} --build ${SCRATCH}/folder-build)
endif()
run(${CMAKE_COMMAND} --install ${BUILD} --config ${CONFIG} --component ioasid --prefix ${SCRATCH}/installed)
run(${CMAKE_COMMAND} -S ${CMAKE_CURRENT_LIST_DIR} -B ${SCRATCH}/build -DEXAMPLE=${SCRATCH}/example.cpp
  -DCMAKE_PREFIX_PATH=${SCRATCH}/installed -DCMAKE_CXX_COMPILER=${COMPILER} -DCMAKE_CXX_FLAGS=${FLAGS})
run(${CMAKE_COMMAND} --build ${SCRATCH}/build)
# The README says what the example prints.
string(REGEX MATCH "prints `([^`]*)`" said "${text}")
set(said "${CMAKE_MATCH_1}")
set(programs ${SCRATCH}/build/example ${SCRATCH}/build/example_shared)
if(SOURCE)
  list(APPEND programs ${SCRATCH}/folder-build/example)
endif()
foreach(program ${programs})
  run(${program})
  if(NOT output STREQUAL "${said}\n")
    message(FATAL_ERROR "${program} printed\n${output}instead of\n${said}")
  endif()
endforeach()
