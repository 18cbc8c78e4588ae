#!/bin/sh
# A script that prints more than a pipe holds, to a reader that comes after the time limit.
# SPDX-License-Identifier: Apache-2.0
# usage: unread.sh IOASID_VECTORS
script=$(mktemp)
trap 'rm -f "$script"' EXIT
wrong='{"op":"alloc","set":"S","min":1,"max":9,"tok":1,"expect":{"r":1000}}'
printf '{"name":"endless","sets":["S"],"allocators":[],"ops":[%s' "$wrong" > "$script"
i=0
while [ $i -lt 2000 ]; do
  printf ',%s' "$wrong"
  i=$((i + 1))
done >> "$script"
printf ']}\n' >> "$script"
trap '' ALRM  # the program inherits that it is ignored
"$1" --limit 1 "$script" | { sleep 3; tail -n 2; }
