# What find_package(ioasid) reads: the library, and the threads that it needs.
# SPDX-License-Identifier: Apache-2.0
include(CMakeFindDependencyMacro)
find_dependency(Threads)
include(${CMAKE_CURRENT_LIST_DIR}/ioasidTargets.cmake)
