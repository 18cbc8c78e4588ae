#!/bin/sh
# Runs all tests, from an empty Debian machine if need be: installs what is missing, builds, runs ctest.
# SPDX-License-Identifier: Apache-2.0
# usage: sh tests/run.sh [CTEST_OPTION...]      for instance: sh tests/run.sh -R histogram
set -eu
root=$(CDPATH='' cd -- "$(dirname -- "$0")/.." && pwd -P)
. "$root/tests/setup.sh"

start_log
# shellcheck disable=SC2086
install_packages $build_packages $test_packages
configure release -DBUILD_TESTING=ON
build release
run_tests release "$@"
