#!/bin/sh
# Sweeps, their results and reports as a user meets them: options, tables on the terminal, messages for wrong input.
# SPDX-License-Identifier: Apache-2.0
# usage: sweep_test.sh VIOSIM SOURCE_TREE
set -u
viosim=$1
tree=$2
. "$tree/tests/cli/expect.sh"

good=$tree/scenarios/one-device.json
sweep=$tree/scenarios/sweeps/iotlb-and-walkers.json
expect "a run" 0 "wrote" "$viosim" run "$good" --out good
expect "a sweep" 0 "105 runs in" "$viosim" sweep "$sweep" --out swept

# An option that may be repeated takes one word each time: what follows is the verb's, also when another option comes
# after that.
run=good/run.db
swept=swept/sweep.db
expect "run --set" 0 "seed 3" "$viosim" run --set /seed=3 "$good" --trace off --out set
expect "run --set twice" 0 "seed 4" \
  "$viosim" run --set /seed=3 --set /seed=4 "$good" --trace off --out set
expect "run --set=" 0 "seed 3" "$viosim" run --set=/seed=3 "$good" --trace off --out set
expect "regress --set" 2 "no.records" "$viosim" regress --set /seed=3 no.records --json
expect "sweep --sbatch" 0 "105 runs" "$viosim" sweep --sbatch=--mem=10 "$sweep" --engine slurm --dry-run
expect "results --metric" 0 "host0.dmar0.iotlb.hit_rate" \
  "$viosim" results --metric host0.dmar0.iotlb.hit_rate "$swept" --csv
expect "results --group-by" 0 "walkers" "$viosim" results --group-by walkers "$swept" --latencies
expect "results --group-by=" 0 "walkers" "$viosim" results --group-by=walkers "$swept" --latencies
expect "results --group-by a list" 0 "walkers,entries" \
  "$viosim" results --group-by walkers,entries "$swept" --csv
for filter in "--component host0.dev" "--kind translate" "--pasid 5" "--guest host0.vm"; do
  # Words of their own: an option and its value. There is no guest in this run, and no such PASID.
  case $filter in
    --guest*) code=2 text='--guest' ;;
    --pasid*) code=0 text='' ;;
    *) code=0 text=host0.dev ;;
  esac
  expect "trace show $filter" $code "$text" "$viosim" trace show $filter "$run" --limit 1
  expect "trace export $filter" $code "$text" "$viosim" trace export $filter "$run" --format csv
done
# Those are all: the next one that is added is to be added here.
repeatable=$(for verb in run replay check "trace show" "trace export" diff regress validate schema sweep slice \
  results report models; do
  "$viosim" $verb --help | tr -s ' \n' ' ' | sed 's/ --\([a-z]\)/\n--\1/g' |
    sed -n 's/^\(--[a-z-]*\).*may be repeated.*/\1/p'
done | sort | uniq -c | tr -s ' \n' ' ')
[ "$repeatable" = " 2 --component 1 --group-by 2 --guest 2 --kind 1 --metric 2 --pasid 1 --sbatch 2 --set " ] ||
  fail "options that may be repeated:$repeatable"

# A run that failed is done again by the program as it was called, although another file has taken its place meanwhile.
cat >slow.json <<END
{ "name": "slow", "scenario": "$good", "set": { "/expect": [], "/hosts/0/devices/0/requests": 4000000000 },
  "limits": { "wall": "2 s" } }
END
mkdir bin
ln -s kept bin/called
for call in "$PWD/bin/called" bin/../bin/called called; do
  cp "$viosim" bin/kept
  (PATH=$PWD/bin:$PATH && exec "$call" sweep slow.json --out slow) >output 2>&1 &
  sleep 1
  rm bin/kept
  cp /bin/true bin/kept
  wait $! && fail "a run of a sweep by $call that takes too long did not fail"
  "$viosim" results slow/sweep.db >output 2>&1
  grep -qF " $PWD/bin/called run /" output || fail "replay of a run by $call: $(grep ' run ' output)"
done

# What belongs to the sweep is not handed on to sbatch, however it is written.
for own in --array=1-5:--array -a1-5:--array -Ha1-5:--array --arr=1:--array --output=x:--output -o:--output \
  --error=x:--error --job-name=x:--job-name -Jx:--job-name --requeue:--requeue --no-requeue:--no-requeue \
  --parsable:--parsable --chdir=/:--chdir --open-mode=append:--open-mode --ntasks=2:--ntasks -n2:--ntasks \
  --cpus-per-task=2:--cpus-per-task --partition=x:--partition --wait:--wait --wrap=x:--wrap --test-only:--test-only \
  -Q:--quiet --clusters=x:--clusters; do
  given=${own%:*}
  expect "sbatch $given" 2 "--sbatch: read \"$given\"; ${own##*:}" \
    "$viosim" sweep "$sweep" --engine slurm --dry-run --sbatch="$given"
done
for given in script.sh --; do
  expect "sbatch '$given'" 2 'expected an option such as --time=30' \
    "$viosim" sweep "$sweep" --engine slurm --dry-run --sbatch="$given"
done
expect "what sbatch may be given" 0 "105 runs" "$viosim" sweep "$sweep" --engine slurm --dry-run --sbatch=--time=30 \
  --sbatch=--mem --sbatch=4G --sbatch=-t30 --sbatch=-H --sbatch=--wait-all-nodes=1 --sbatch=--export=NONE

for given in SBATCH_WAIT SBATCH_CLUSTERS; do
  expect "$given" 2 "--engine slurm: read the environment variable $given as \"1\"; expected it not to be set" \
    env "$given=1" "$viosim" sweep "$sweep" --engine slurm --dry-run
  expect "$given without Slurm" 0 "105 runs" env "$given=1" "$viosim" sweep "$sweep" --dry-run
done

# Texts of users do not speak to the terminal. In CSV they are as they were given.
cat >escapes.json <<SWEEP
{ "name": "escapes", "scenario": "$good", "set": { "/expect": [], "/hosts/0/devices/0/requests": 9 },
  "axes": [{ "name": "d", "pointer": "/description",
             "values": ["\u001b[31mred", "two\nlines", "\u009b2J", "\u202eabc", "a\tb", "c\rr",
                        "\u00e9t\u00e9 \u20ac"] }],
  "keep": ["host0.dev.dma"] }
SWEEP
expect "a sweep of escapes" 0 "7 runs" "$viosim" sweep escapes.json --out escaped
for table in "sweep escapes.json --dry-run" "results escaped/sweep.db"; do
  for text in '\u001b[31mred' 'two\nlines' '\u009b2J' '\u202eabc' 'a\tb' 'été €'; do
    expect "$text in $table" 0 "$text" "$viosim" $table
  done
  LC_ALL=C grep -q "$(printf '[\001-\010\013-\037\177]')" output && fail "control characters in $table"
done
expect "escapes in CSV" 0 "$(printf '\033[31mred')" "$viosim" results escaped/sweep.db --csv
expect "a carriage return in CSV" 0 "$(printf '"c\rr"')" "$viosim" results escaped/sweep.db --csv

# A sweep that is done is asked for its verdict again.
cat >unmet.json <<SWEEP
{ "name": "unmet", "scenario": "$good", "replicates": 2,
  "set": { "/expect": [{ "metric": "host0.dev.dma.count", "equals": 1 }], "/hosts/0/devices/0/requests": 9 } }
SWEEP
expect "expectations that are not met" 1 "2 runs in" "$viosim" sweep unmet.json --out unmet
expect "the same, resumed" 1 "nothing is left to do: 2 runs, 0 failed, 2 not as expected" \
  "$viosim" sweep unmet.json --out unmet --resume
expect "the same, its results" 0 "2 runs were not as expected by the scenario" "$viosim" results unmet/sweep.db
expect "more jobs than files may be open" 2 \
  "--jobs: read 200; expected at most 32: this process may have 64 open files" \
  sh -c 'ulimit -n 64; "$1" sweep escapes.json --out many --jobs 200' sh "$viosim"
if [ "$(id -u)" -ne 0 ]; then
  mkdir -m 555 locked
  expect "a directory that may not be written to" 2 "the directory for the journal of a sweep cannot be used" \
    "$viosim" sweep escapes.json --out locked
fi

# What is refused, and why.
expect "a parameter twice" 2 '--group-by: read "walkers" more than once; expected each parameter once' \
  "$viosim" results "$swept" --group-by walkers,entries,walkers
sed 's/"keep"/"limits": { "wall": "0 s" }, "keep"/' escapes.json >limits.json
expect "no time" 2 '/limits/wall: read "0 s"; expected a time such as "30 s" (it must be above 0)' \
  "$viosim" sweep limits.json --dry-run
sed 's/"keep"/"limits": { "wall": "-1 s" }, "keep"/' escapes.json >limits.json
expect "less than no time" 2 '/limits/wall: read "-1 s"; expected a time such as "30 s" (it must not be negative)' \
  "$viosim" sweep limits.json --dry-run
mkdir elsewhere
expect "a directory without slices" 2 "elsewhere: holds no slices of a sweep; expected the directory sweep.slices" \
  "$viosim" slice "$sweep" elsewhere 0
head -c 5000 "$swept" >cut.db
for verb in results report; do
  expect "$verb of a result that is cut off" 2 "cut.db: the result of a sweep is damaged" "$viosim" $verb cut.db
done
head -c 5000 "$run" >cut.db
expect "report of a run that is cut off" 2 "cut.db: the run database is damaged" "$viosim" report cut.db
expect "report of no database" 2 "limits.json: this is not an SQLite file; expected a run database (run.db) or the" \
  "$viosim" report limits.json
: >empty.db
expect "report of an empty file" 2 "empty.db: this is not an SQLite file" "$viosim" report empty.db
for open in /dev/stdin /dev/fd/0 /proc/self/fd/0; do
  [ -e "$open" ] || continue
  expect "report of $open" 2 "$open: read without --out; expected --out FILE.html" \
    sh -c '"$1" report "$2" <"$3"' sh "$viosim" "$open" "$swept"
  expect "report of $open with --out" 0 "wrote page.html" \
    sh -c '"$1" report "$2" --out page.html <"$3"' sh "$viosim" "$open" "$swept"
done

[ "$failures" -eq 0 ] && echo "sweeps, results and reports say what they should"
exit "$failures"
