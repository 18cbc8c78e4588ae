#!/bin/sh
# What ioasid_vectors does with little memory.
# SPDX-License-Identifier: Apache-2.0
# usage: check.sh IOASID_VECTORS
cd "$(dirname "$0")" || exit 1
said=$(mktemp)
trap 'rm -f "$said" "$said.jsonl"' EXIT
ulimit -v 100000  # KB

# Twenty million messages are not kept.
"$1" long_run.jsonl > "$said" 2>&1 || { cat "$said"; exit 1; }

# That a script takes more is told, neither as an answer that disagrees nor as the end of all: the next one is replayed.
why='memory is short: the script was not replayed to its end (is there a limit, ulimit -v?)'
"$1" short_of.jsonl > "$said" 2>&1
[ $? -eq 2 ] || { echo "did not end with 2"; exit 1; }
printf '%s\n' "ioasid_vectors: short_of.jsonl:1: $why" '1/2 scripts agree' | diff - "$said" || exit 1

# Nor is a line that does not fit the end of the file.
head -c 120000000 /dev/zero | tr '\0' ' ' > "$said.jsonl"
"$1" "$said.jsonl" > "$said" 2>&1
[ $? -eq 2 ] || { echo "did not end with 2"; exit 1; }
grep -qF "jsonl:1: $why" "$said" || { cat "$said"; exit 1; }
