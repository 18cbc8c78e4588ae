#!/bin/sh
# Runs ioasid_bench, and looks at its line: are all keys there, and do the figures agree with one another?
# SPDX-License-Identifier: Apache-2.0
# usage: check_line.sh THREADS PROGRAM [ARGUMENT...]
threads=$1
shift
line=$("$@") || exit 1
printf '%s\n' "$line"
printf '%s\n' "$line" | tr -d '{}"' | tr , '\n' | awk -F: -v threads="$threads" '
  function near(what, got, expected, part) {
    if (got < expected * (1 - part) || got > expected * (1 + part)) {
      printf "%s: %g, expected about %g\n", what, got, expected
      bad = 1
    }
  }
  { value[$1] = $2; keys = keys " " $1 }
  END {
    expected = " op live threads seconds holes find_pct ops ns_per_op mops_per_s cpu_ns_per_op bytes_per_live_id"
    if (keys != expected) { print "keys:" keys ", expected:" expected; exit 1 }
    near("threads", value["threads"], threads, 0)
    # What is printed has two or three decimals.
    near("ns_per_op * mops_per_s", value["ns_per_op"] * value["mops_per_s"], 1000 * threads, 0.02)
    near("mops_per_s", value["mops_per_s"], value["ops"] / value["seconds"] / 1e6, 0.05)
    # A thread has no more processor time than time.
    if (value["cpu_ns_per_op"] <= 0 || value["cpu_ns_per_op"] > value["ns_per_op"] * 1.1) {
      print "cpu_ns_per_op: not from 0 to ns_per_op"
      bad = 1
    }
    exit bad
  }'
