#!/bin/sh
# Does a command end with that status, and does it say so? ctest alone looks at one of both.
# SPDX-License-Identifier: Apache-2.0
# usage: ends_with.sh STATUS PATTERN COMMAND...
status=$1 pattern=$2
shift 2
said=$("$@" 2>&1)
got=$?
printf '%s\n' "$said"
[ "$got" -eq "$status" ] || { echo "ended with $got, expected $status"; exit 1; }
printf '%s\n' "$said" | grep -Eq -e "$pattern" || { echo "did not say: $pattern"; exit 1; }
