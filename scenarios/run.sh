#!/bin/sh
# Runs a scenario, from an empty Debian machine if need be: installs what is missing, builds, runs.
# SPDX-License-Identifier: Apache-2.0
# usage: sh scenarios/run.sh [SCENARIO [OPTION...]]      the options are those of `viosim run`
# SCENARIO is a file, or the name of one in this folder without its ".json".
set -eu
root=$(CDPATH='' cd -- "$(dirname -- "$0")/.." && pwd -P)
main_scenario=$root/scenarios/nvme-random-4k.json
. "$root/tests/setup.sh"

[ $# -gt 0 ] || set -- "$main_scenario"
if [ ! -e "$1" ] && [ -f "$root/scenarios/$1.json" ]; then
  named=$root/scenarios/$1.json
  shift
  set -- "$named" "$@"
elif [ ! -e "$1" ] && [ "${1#-}" = "$1" ]; then
  names=$(printf '%s\n' "$root"/scenarios/*.json | sed -n '/\.schema\.json$/d; s|.*/\(.*\)\.json$|\1|p' | tr '\n' ' ')
  die "there is no file $1, and no scenario of that name; there are: $names"
fi
start_log
# shellcheck disable=SC2086
install_packages $build_packages
if [ ! -f "$builds/release/CMakeCache.txt" ]; then
  configure release -DBUILD_TESTING=OFF
else
  configure release
fi
build release viosim
exec "$builds/release/sim/viosim" run "$@"
