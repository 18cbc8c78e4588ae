#!/bin/bash
# Sweeps on a real Slurm of three nodes: the rows are those of a local sweep, whatever dies on the way.
# SPDX-License-Identifier: Apache-2.0
# usage: slurm_test.sh VIOSIM SOURCE_TREE      exit code 77: Slurm is not installed
set -um # each background command gets a process group, and may be interrupted
viosim=$1
tree=$2
. "$tree/tests/slurm/cluster.sh"

missing=$(missing_of_slurm)
if [ -n "$missing" ]; then
  echo "SKIPPED: $missing is not installed: sweeps on a cluster are NOT TESTED here." \
    "apt-get install slurmctld slurmd slurm-client munge"
  [ "${CI:-}" = true ] && exit 1  # where everything is tested, it is a fault
  exit 77
fi
work=$(mktemp -d)
cluster=
trap 'stop_cluster; rm -rf "$work"' EXIT
cd "$work" || exit 1
failures=0

fail() {
  echo "FAILED: $*"
  failures=$((failures + 1))
}

# sweep_file NAME LENGTHS REPLICATES: runs of some milliseconds each, in 10 x LENGTHS points.
sweep_file() {
  cat >"$1.json" <<SWEEP
{ "name": "$1", "scenario": "$tree/scenarios/one-device.json", "set": { "/expect": [] },
  "axes": [ { "name": "requests", "pointer": "/hosts/0/devices/0/requests",
              "range": { "from": 1000, "to": 150000, "count": $2 } },
            { "name": "read", "pointer": "/hosts/0/iommus/0/walk_read",
              "range": { "from": "20 ns", "to": "2 us", "count": 10, "scale": "logarithmic" } } ],
  "replicates": $3, "keep": ["host0.dev", "host0.dmar0.iotlb"], "limits": { "wall": "60 s" } }
SWEEP
}

# wait_until SECONDS COMMAND...
wait_until() {
  local end=$((SECONDS + $1))
  shift
  until "$@" >/dev/null 2>&1; do
    [ $SECONDS -lt $end ] || return 1
    sleep 0.05
  done
}

on_cluster() { # NAME OUT [OPTION...]: in the background; its output goes to OUT.log
  timeout 200 "$viosim" sweep "$1.json" --out "$2" --engine slurm --poll 1 --sbatch=--mem=10 "${@:3}" >>"$2.log" 2>&1 &
}

has_parts() { [ "$(ls "$1" | grep -c 'part$')" -ge "$2" ]; } # DIR COUNT
has_task() { [ -n "$(task_on "$1")" ]; }
kill_task_on() { kill -9 "$(task_on "$1")"; }  # it may end by itself meanwhile
no_task_is_left() { [ -z "$(squeue -h)" ]; }

contents() { sqlite3 "$1/sweep.db" .dump | grep -v '^INSERT INTO wall'; }

expect_same_rows() { # WHAT RUNS LOCAL OTHER
  [ "$(sqlite3 "$4/sweep.db" 'SELECT count(*) FROM run')" = "$2" ] || fail "$1: there are not $2 runs"
  cmp <(contents "$3") <(contents "$4") || fail "$1: other rows than those of a local sweep"
  [ ! -e "$4/sweep.slices" ] || fail "$1: slices are left"
}

expect_said() { # WHAT FILE TEXT...
  for text in "${@:3}"; do
    grep -qF -- "$text" "$2" && continue
    fail "$1: expected: $text"
    cat "$2"
  done
}

# A task dies, and so does another node, while 2,000 runs are done.
test_deaths() {
  "$viosim" sweep long.json --out local >local.log || fail "the local sweep"
  on_cluster long deaths --slice 50  # 40 tasks, 12 at a time: all nodes are busy after the first 12
  wait_until 30 has_task n3 || fail "no task on n3"
  wait_until 30 has_parts deaths/sweep.slices 12 || fail "not all nodes have begun"
  wait_until 10 kill_task_on n1 || fail "no task on n1"
  wait_until 10 has_task n3 || fail "no task on n3 any more"
  kill_node n3
  wait %% || fail "a sweep with deaths: exit code $?"
  expect_said "deaths" deaths.log "has lost its task (" "2,000 runs in"
  expect_same_rows "deaths" 2000 local deaths
  wait_until 20 no_task_is_left || fail "tasks are left"
}

# Ctrl-C: nothing goes on in the cluster, and what is done is kept.
test_interruption() {
  on_cluster short interrupted --slice 60
  wait_until 30 has_parts interrupted/sweep.slices 1 || fail "nothing is done"
  kill -INT %%
  wait %%
  [ $? = 130 ] || fail "an interrupted sweep does not end by its signal"
  expect_said "interruption" interrupted.log "--resume goes on"
  wait_until 20 no_task_is_left || fail "tasks go on after an interruption"
  [ ! -e interrupted/sweep.db ] || fail "an interrupted sweep has a result"
  "$viosim" sweep short.json --out interrupted --resume >refused.log 2>&1 && fail "another engine goes on"
  expect_said "another engine" refused.log "expected --engine slurm --resume"
  on_cluster short interrupted --slice 60 --resume
  wait %% || fail "an interrupted sweep is not resumed"
  expect_same_rows "interruption" 1200 plain interrupted
}

# The machine that has submitted dies with all that it had itself; its tasks go on without it.
test_death_of_submitter() {
  mkdir shared
  on_cluster short dead --slice 60 --shared shared
  wait_until 30 has_task n1 || fail "no task runs"
  kill -9 -- "-$(jobs -p %%)"
  wait %%
  rm -rf dead
  no_task_is_left && fail "tasks have died with the sweep"
  on_cluster short dead --slice 60 --shared shared --resume
  wait %% || fail "a sweep is not resumed after its death"
  expect_said "death" dead.log "in Slurm's queue"
  expect_same_rows "death" 1200 plain dead
  [ ! -e shared/sweep.slices ] || fail "death: slices are left"
}

# What Slurm says is shown.
test_refusals() {
  on_cluster short refused --partition nowhere
  wait %%
  [ $? = 2 ] || fail "a wrong partition is not exit code 2"
  expect_said "a wrong partition" refused.log "invalid partition specified: nowhere"
  [ ! -e refused/sweep.slices ] || fail "a refused sweep leaves slices"
}

sweep_file long 50 4
sweep_file short 10 12
start_cluster 3 4 || exit 1
guard_cluster
"$viosim" sweep short.json --out plain >plain.log || fail "the short local sweep"
for test in deaths interruption death_of_submitter refusals; do
  begin=$SECONDS
  "test_$test"
  echo "$test: $((SECONDS - begin)) s"
done
exit $((failures > 0))
