#!/bin/sh
# What ioasid_vectors says of scripts that make no sense, line by line: expected.txt.
# SPDX-License-Identifier: Apache-2.0
# usage: check.sh IOASID_VECTORS
cd "$(dirname "$0")" || exit 1
said=$(mktemp)
trap 'rm -f "$said" "$said.jsonl"' EXIT
"$1" scripts.jsonl > "$said" 2>&1
got=$?
[ "$got" -eq 2 ] || { echo "ended with $got, expected 2"; exit 1; }
diff expected.txt "$said" || exit 1
# What follows a NUL byte is not passed over.
printf '{"name":"n","sets":[],"allocators":[],"ops":[]}\0 more\n' > "$said.jsonl"
"$1" "$said.jsonl" 2>&1 | grep -q 'jsonl:1: a NUL byte in column 48$' || { echo "the NUL byte was not told"; exit 1; }
# Nor does a value that hardly ends overrun anybody's stack.
{
  printf '{"name":"n","sets":[],"allocators":[],"ops":[{"op":"free","id":1,"expect":{"calls":'
  head -c 300000 /dev/zero | tr '\0' '['
  head -c 300000 /dev/zero | tr '\0' ']'
  printf '}}]}\n'
} > "$said.jsonl"
"$1" "$said.jsonl" 2>&1 | grep -q 'jsonl:1: nested more than 20 levels deep$' ||
  { echo "the depth was not told"; exit 1; }
# What a script says is printed in ASCII: no terminal takes a part of it for a command.
"$1" escapes.jsonl 2>&1 | grep -qF '"\u001b[31m\u0085" operation /ops/0 {"expect"' ||
  { echo "the name was not quoted"; exit 1; }
