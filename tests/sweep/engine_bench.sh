#!/bin/sh
# How fast the local engine is: 10,000 tiny runs, and how busy four jobs are where runs take 100 ms and more.
# SPDX-License-Identifier: Apache-2.0
# usage: sh engine_bench.sh VIOSIM SOURCE_TREE      needs sqlite3
set -eu
viosim=$1
tree=$2
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# sweep NAME FROM TO COUNT REPLICATES: as many runs of so many requests as COUNT x REPLICATES.
sweep() {
  cat >"$work/$1.json" <<SWEEP
{ "name": "$1", "scenario": "$tree/scenarios/one-device.json", "set": { "/expect": [] },
  "axes": [ { "name": "requests", "pointer": "/hosts/0/devices/0/requests",
              "range": { "from": $2, "to": $3, "count": $4 } } ],
  "replicates": $5, "keep": ["host0.dev", "host0.dmar0.iotlb"] }
SWEEP
  "$viosim" sweep "$work/$1.json" --jobs 4 --out "$work/$1" >"$work/$1.log"
  # of the line "10,000 runs in 11.4 s, ..."
  seconds=$(sed -n 's/^.* runs\{0,1\} in \([0-9.]*\) s.*/\1/p' "$work/$1.log")
}

sweep tiny 10 1000 100 100
echo "10,000 runs of 10 to 1,000 requests, four jobs: $seconds s (at most 15 on four cores)"
sweep long 4000000 6000000 5 16
sqlite3 "$work/long/sweep.db" "SELECT printf(
  '%d runs of %.0f to %.0f ms, four jobs: %s s, runs were going on for %.1f %% of four times that (at least 90 %%)',
  count(*), 1000 * min(seconds), 1000 * max(seconds), '$seconds', 100 * sum(seconds) / (4 * $seconds)) FROM wall"
