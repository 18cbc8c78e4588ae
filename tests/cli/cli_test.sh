#!/bin/sh
# The program as a user meets it: exit codes, last lines, messages for wrong input, the same bytes twice.
# SPDX-License-Identifier: Apache-2.0
# usage: cli_test.sh VIOSIM SOURCE_TREE
set -u
viosim=$1
tree=$2
. "$tree/tests/cli/expect.sh"

silent() { # FILE: nothing was written to it, but for what AddressSanitizer says about stacks that are not its own
  ! grep -qvE 'ASan is ignoring requested|^False positive error reports may|google/sanitizers/issues/189$' "$1"
}

traces=$tree/scenarios/traces
for trace in "$traces"/*.zst; do
  requests=$(zstd -dcq "$trace" 2>/dev/null | grep -c '"k":"req"') || requests=
  expect "replay of $trace" 0 "(100 %)" "$viosim" replay "$trace"
  [ -z "$requests" ] || expect "requests of $trace" 0 "agreement $requests/$requests (100 %)" "$viosim" replay "$trace"
done
if mkfifo pipe 2>/dev/null; then
  timeout 20 sh -c 'cat "$1" >pipe' sh "$traces/vtd_ext4_cm_strict.jsonl.zst" &
  expect "a recording from a pipe" 0 "(100 %)" "$viosim" replay pipe
  mkfifo silent
  expect "a recording that nobody writes" 2 "silent: cannot be opened: it is a pipe that nobody writes to" \
    "$viosim" replay silent
  expect "a scenario that nobody writes" 2 "silent: cannot open: it is a pipe that nobody writes to" \
    "$viosim" run silent
fi
exact=qemu-7.2-vtd-exact-mask
expect "exact page mask, ext4" 1 "(99.2665 %)" "$viosim" replay "$traces/vtd_ext4_cm_strict.jsonl.zst" --iommu $exact
expect "exact page mask, e1000e" 1 "(99.5601 %)" \
  "$viosim" replay "$traces/vtd_net_e1000e_strict.jsonl.zst" --iommu $exact
expect "unknown preset" 2 'did you mean "vtd"?' "$viosim" replay "$traces/vtd_ext4_cm_strict.jsonl.zst" --iommu vtdd

cat >v.jsonl <<'RECORDING'
{"k":"meta","format":"viommu-trace/1","name":"v","iommu":"virtio-iommu","records":0,"strict":1,"iotlb":null}
RECORDING
expect "virtio-iommu recording" 0 "Outcomes were not compared with the recorded ones." "$viosim" replay v.jsonl
expect "virtio-iommu recording, JSON" 0 '"agreement": null' "$viosim" replay v.jsonl --json

good=$tree/scenarios/one-device.json
expect "run" 0 "100,000 translations" "$viosim" run "$good" --out good
[ -f good/run.db ] || { echo "FAILED: run wrote no database"; failures=$((failures + 1)); }
# What the README shows of the first scenario is what the program prints, but for the times of this machine.
masked() { sed -E 's/in [0-9.]+ s, seed/in T s, seed/; s/\([0-9.]+ [MK]?\/s\)/(R)/g'; }
"$viosim" run "$tree/scenarios/nvme-random-4k.json" | masked >printed
sed -n '/^The run prints/,/^How to read it/p' "$tree/README.md" | sed '1,/^```$/d; /^```$/,$d' | masked >shown
cmp printed shown || { echo "FAILED: the README shows another output"; diff printed shown; failures=$((failures + 1)); }

expect "trace off" 0 "without a trace" "$viosim" run "$good" --out off --trace off
expect "validate" 0 "valid" "$viosim" validate "$tree"/scenarios/block-sequential.json "$good"
expect "version" 0 "viosim " "$viosim" --version
expect "models" 0 "iotlb.entries" "$viosim" models
expect "schema of sweeps" 0 'latin-hypercube' "$viosim" schema sweep
expect "schema of something else" 2 'KIND: read "sweeps"; expected "scenario" or "sweep"' "$viosim" schema sweeps
sweep=$tree/scenarios/sweeps/iotlb-and-walkers.json
expect "what a sweep would run" 0 "21 points, grid, 105 runs" "$viosim" sweep "$sweep" --dry-run
expect "sweep" 0 "105 runs in" "$viosim" sweep "$sweep" --out swept
expect "results" 0 "host0.acc[0].dma.p99" "$viosim" results swept/sweep.db --group-by walkers
expect "results of a misspelt parameter" 2 'did you mean "walkers"?' "$viosim" results swept/sweep.db --group-by walkrs
expect "an engine that is none" 2 '--engine: read "slrm"; expected "local" or "slurm"' \
  "$viosim" sweep "$sweep" --engine slrm
expect "a slice of no sweep" 2 "no.json" "$viosim" slice no.json . 0
expect "a slice of no directory" 2 "no.slices: there is no such directory; expected the directory sweep.slices" \
  "$viosim" slice "$sweep" no.slices 0
expect "a slice that is no number" 2 'NUMBER: read "x"' "$viosim" slice "$sweep" . x
expect "report of a sweep" 0 "wrote swept/sweep.html" "$viosim" report swept/sweep.db
expect "report of what is not there" 2 "none.db: there is no such file" "$viosim" report none.db
expect "report of a scenario" 2 "not an SQLite file" "$viosim" report "$sweep"
expect "report into a directory that is not there" 2 "no/such.html: cannot be written" \
  "$viosim" report swept/sweep.db --out no/such.html
expect "no jobs" 2 'read "0"; expected a whole number from 1 to 4096' "$viosim" sweep "$sweep" --jobs 0
expect "too many jobs" 2 'read "99999999999"; expected a whole number from 1 to 4096' \
  "$viosim" regress --jobs 99999999999
for pasid in -1 4294967296; do
  expect "PASID $pasid" 2 "read \"$pasid\"; expected a whole number from 0 to 4294967295" \
    "$viosim" trace show run.db --pasid $pasid
done
expect "schema" 0 '"additionalProperties": false' "$viosim" schema

# Messages stay short, and JSON is UTF-8.
printf '{"name": "n", "seed": %01000000d, "hosts": []}' 7 | tr 0 9 >digits.json
"$viosim" validate digits.json >output 2>&1
[ "$(wc -c <output)" -lt 400 ] || fail "a number of a million digits is repeated in the message"
expect "a directory that is not UTF-8" 2 "--out: " "$viosim" run "$good" --json --out "$(printf 'x\377')"

# What a scenario expects of its run, and what happens to it meanwhile.
expect "not as expected" 1 "NOT MET  host0.dev.aborted above 0: 0" \
  "$viosim" run "$good" --out wrong --set '/expect=[{"metric":"host0.dev.aborted","above":0}]'
[ -f wrong/run.db ] || { echo "FAILED: a run that is not as expected wrote no database"; failures=$((failures + 1)); }
expect "not as expected, JSON" 1 '"as_expected": false' \
  "$viosim" run "$good" --json --out wrong --set '/expect=[{"metric":"host0.dev.aborted","above":0}]'
expect "as expected" 0 "expected: 1 of 1 met" \
  "$viosim" run "$good" --out wrong --set '/expect=[{"metric":"host0.dev.aborted","equals":0}]'
expect "an event that does not happen" 1 "NOT MET  event 0 happens: it did not" "$viosim" run "$good" --out wrong \
  --set '/events=[{"when":{"metric":"host0.dev.faults","above":0},"stop":"host0.dev"}]'
cat >figures.json <<'SCENARIO'
{ "name": "figures", "duration": "1 us", "hosts": [{ "name": "h",
    "iommus": [{ "name": "i", "model": "vtd" }],
    "devices": [{ "name": "d", "count": 2, "model": "dma", "iommu": "i" }] }],
  "events": [{ "at": "1 us", "stop": "h.e[*]" }, { "at": "1 us", "stop": "h.i" }],
  "expect": [{ "metric": "h.i.iotlb.hitrate", "above": 0.5 }, { "metric": "h.d.aborted", "equals": 0 },
             { "metric": "h.d[0].dma.p99", "below": 5 }] }
SCENARIO
schema=$tree/scenarios/scenario.schema.json
expect "validate all there is" 0 "scenario.schema.json: passed over: a JSON Schema" "$viosim" validate "$good" "$schema"
expect "run a schema" 2 'scenario.schema.json: /$schema: a JSON Schema; expected a scenario' "$viosim" run "$schema"
expect "validate a schema" 2 'a JSON Schema; expected a scenario' "$viosim" validate "$schema"
for verb in run validate; do
  expect "unknown figure, $verb" 2 '/expect/0/metric: read "h.i.iotlb.hitrate"' "$viosim" $verb figures.json
  expect "its nearest name, $verb" 2 'did you mean "hit_rate"?' "$viosim" $verb figures.json
  expect "which of several, $verb" 2 'did you mean "d[*]"?' "$viosim" $verb figures.json
  expect "another dimension, $verb" 2 '/expect/2/below: read 5; expected a time such as "2 us"' \
    "$viosim" $verb figures.json
  expect "unknown component, $verb" 2 '/events/0/stop: read "h.e[*]"' "$viosim" $verb figures.json
  expect "what cannot be stopped, $verb" 2 '/events/1/stop: read "h.i", which is not a device' \
    "$viosim" $verb figures.json
done
grep -q ker_engine output && { echo "FAILED: a library speaks when a plan is refused"; failures=$((failures + 1)); }

# Software that tries again and again what never succeeds: a device that never answers invalidations.
cat >livelock.json <<'SCENARIO'
{ "name": "livelock", "duration": "10 ms", "hosts": [{ "name": "h", "kernel": { "tries": 3, "migrate_every": "50 us" },
    "iommus": [{ "name": "i", "model": "vtd", "invalidation": { "device_tlb_timeout": "20 us" } }],
    "devices": [{ "name": "d", "model": "dma", "iommu": "i", "requests": 100000, "interval": "100 ns",
                  "ats": { "misbehaviour": { "never_answer": true } } }] }] }
SCENARIO
aborts="an invalidation was submitted 3 times, and each time aborted by an invalidation time-out error (ITE)"
expect "a livelock" 1 "viosim: the run failed: $aborts" "$viosim" run livelock.json --out livelocked
expect "an expected livelock" 0 "expected: 1 of 1 met" "$viosim" run livelock.json --out livelocked \
  --set '/expect=[{"failure":"livelock","says":"device 01:00.0 does not answer"}]'
[ -f livelocked/run.db ] || fail "an expected livelock wrote no database"
expect "another failure expected" 1 "NOT MET" "$viosim" run livelock.json --out livelocked \
  --set '/expect=[{"failure":"stuck"}]'
expect "a livelock that says something else" 1 "NOT MET" "$viosim" run livelock.json --out livelocked \
  --set '/expect=[{"failure":"livelock","says":"caches absent pages"}]'
expect "a livelock expected of a run that ends" 1 "NOT MET" "$viosim" run "$good" --out livelocked \
  --set '/expect=[{"failure":"livelock"}]'

# Parts: found beside the scenario, changed beside their name, wrong where their text stands.
mkdir -p parted/parts
cat >parted/parts/small.json <<'PART'
{ "description": "d", "source": "s", "content": { "model": "vtd", "iotlb": { "entries": 16 } } }
PART
cat >parted/good.json <<'SCENARIO'
{ "name": "parted", "templates": { "d": { "model": "dma", "iommu": "i", "requests": 10 } }, "hosts": [{ "name": "h",
    "iommus": [{ "part": "small", "name": "i", "walkers": 3 }],
    "devices": [{ "template": "d", "name": "a" }, { "template": "d", "name": "b", "requests": 20 }] }],
  "expect": [{ "metric": "h.a.requests", "equals": 10 }, { "metric": "h.b.requests", "equals": 20 }] }
SCENARIO
expect "a scenario of parts" 0 "expected: 2 of 2 met" "$viosim" run parted/good.json --out parted/out
expect "validate a scenario of parts" 0 "valid" "$viosim" validate parted/good.json
expect "a value beside a part" 2 "/hosts/0/iommus/0/walkers" \
  "$viosim" run parted/good.json --set /hosts/0/iommus/0/walkers=x
(cd parted && expect "from its own folder" 0 "valid" "$viosim" validate good.json && exit "$failures") ||
  failures=$((failures + 1))
if command -v sqlite3 >/dev/null; then
  sqlite3 parted/out/run.db "SELECT value FROM manifest WHERE key = 'scenario'" >output
  grep -q '"entries": 16' output && ! grep -q '"part"' output ||
    { echo "FAILED: the manifest holds no resolved scenario"; failures=$((failures + 1)); }
  [ "$(sqlite3 parted/out/run.db 'SELECT sum(met) FROM expectation')" = 2 ] ||
    { echo "FAILED: the database does not hold what was expected"; failures=$((failures + 1)); }
fi
sed -i 's/"entries"/"entrys"/' parted/parts/small.json
expect "a mistake in a part" 2 \
  'parted/parts/small.json: /content/iotlb/entrys: unknown key "entrys"; did you mean "entries"?' \
  "$viosim" validate parted/good.json
expect "who uses the part" 2 "used by parted/good.json: /hosts/0/iommus/0" "$viosim" validate parted/good.json
sed -i 's/"model": "vtd"/"part": "small"/' parted/parts/small.json
expect "a part of itself" 2 'part "small" is made of itself' "$viosim" validate parted/good.json
rm parted/parts/small.json
expect "a part that is not there" 2 'parted/good.json: /hosts/0/iommus/0/part: read "small"' \
  "$viosim" validate parted/good.json

expect "missing file" 2 "cannot open" "$viosim" run nowhere.json
expect "directory" 2 "is a directory" "$viosim" run .
: >empty.json
expect "empty file" 2 "is empty" "$viosim" run empty.json
printf '{"name":"a","name":"b"}' >twice.json
expect "duplicate key" 2 'the key "name" appears twice' "$viosim" run twice.json
printf '{"name":"a","name":"b","bogus":1}' >twice.json
expect "a duplicate key and more" 2 'twice.json: /bogus: unknown key "bogus"' "$viosim" validate twice.json
printf '{"name":"\377"}' >latin.json
expect "not UTF-8" 2 "UTF-8" "$viosim" run latin.json
head -c 1000000000 /dev/zero | tr '\0' '[' >deep.json
expect "a gigabyte of [" 2 "deep.json" "$viosim" run deep.json
expect "a gigabyte of [ as a recording" 2 "deep.json" "$viosim" replay deep.json
rm -f deep.json
cat >many.json <<'SCENARIO'
{ "name": "x", "hosts": [{ "name": "h",
    "iommus": [{ "name": "i", "model": "vtd" }],
    "devices": [{ "name": "d", "model": "dma", "iommu": "j", "trafic": {}, "start": "-5 ns", "interval": "5",
                  "requests": 99999999999999999999 }] }] }
SCENARIO
expect "unknown key" 2 'did you mean "traffic"?' "$viosim" run many.json
expect "a ring that is not used" 2 "only the ring pattern has a ring" \
  "$viosim" run "$good" --set '/hosts/0/devices/0/traffic/ring=8 KiB'
expect "a skew that is not used" 2 "only the zipf pattern has a skew" \
  "$viosim" run "$good" --set /hosts/0/devices/0/traffic/skew=0.5
cat >lost.json <<'SCENARIO'
{ "name": "lost", "hosts": [{ "name": "h",
    "iommus": [{ "name": "i", "model": "vtd", "mode": "legacy" }, { "name": "j", "model": "vtd", "mode": "legacy" }],
    "devices": [{ "name": "a", "model": "recording", "iommu": "i", "trace": "one.jsonl.zst" },
                { "name": "b", "model": "recording", "iommu": "j", "trace": "two.jsonl.zst" }] }] }
SCENARIO
for verb in run validate; do
  expect "lost recording, $verb" 2 "one.jsonl.zst: cannot be opened" "$viosim" $verb lost.json
  expect "another one, $verb" 2 'named by /hosts/0/devices/1/trace of lost.json' "$viosim" $verb lost.json
done
sed 's/two.jsonl.zst//' lost.json >empty.json
expect "no recording" 2 'empty.json: /hosts/0/devices/1/trace: read ""; expected the path of a recording' \
  "$viosim" run empty.json
expect "speed of 0" 2 '/hosts/0/devices/0/speed: read 0; expected a whole number from 1 to 1000000' \
  "$viosim" run lost.json --set /hosts/0/devices/0/speed=0
expect "negative time" 2 "it must not be negative" "$viosim" run many.json
expect "missing unit" 2 "the unit is missing" "$viosim" run many.json
expect "out of range" 2 "expected a whole number from 0 to 18446744073709551615" "$viosim" run many.json
expect "bad reference" 2 'did you mean "i"?' "$viosim" run many.json
expect "bad pointer" 2 "/hosts/0/iommus/9" "$viosim" run "$good" --set /hosts/0/iommus/9/walkers=3
expect "too long" 2 "/duration: read" "$viosim" run "$good" --set '/duration=9007.199254740993 s'
expect "too late" 2 "/hosts/0/devices/0/start: read" \
    "$viosim" run "$good" --set '/hosts/0/devices/0/start=9007.199254740993 s'
expect "page requests without ATS" 2 "/hosts/0/devices/0/pri: read it without" \
  "$viosim" run "$tree/scenarios/page-faults.json" --set '/hosts/0/devices/0/pri={"credits":4}'
expect "beyond 2^53, by a link" 2 'one-device.json: a request of "host0.dev" would come after 9007.199254740992 s' \
  "$viosim" run "$good" --set '/hosts/0/devices/0/link/latency=9007 s' --out late
expect "beyond 2^53, by a start" 2 "/hosts/0/devices/0/requests: read" \
  "$viosim" run "$good" --set '/hosts/0/devices/0/start=9007.199254740992 s' --out late
sed -e 's/"name": "silence", *//' -e 's/quiet.dma.min/quiet.dma.mim/' "$tree/scenarios/noisy-neighbour.json" >after.json
expect "an event after none that there is" 2 'read "silence"; expected the name of an event' \
  "$viosim" validate after.json
expect "what such a scenario expects is looked at, too" 2 'host0.quiet.dma.mim' "$viosim" validate after.json
[ ! -e late/run.db ] || { echo "FAILED: a run beyond 2^53 left a database"; failures=$((failures + 1)); }
expect "unknown verb" 2 'did you mean "run"?' "$viosim" rum
"$viosim" "$(printf 'r\033[31mun')" >output 2>&1
grep -qF 'unknown verb "r\u001b[31mun"' output || fail "an unknown verb is printed with its escapes"
expect "an option before the verb" 2 '--json comes after the verb: viosim run --json' "$viosim" --json run "$good"
expect "an option before no verb" 2 '--iommu comes after the verb: viosim replay --iommu' "$viosim" --iommu=vtd
# The limit is in blocks of 512 or 1024 bytes.
(ulimit -f 64 && expect "a limit on the size of files" 2 'bytes here (ulimit -f)' \
  "$viosim" run "$tree/scenarios/nvme-random-4k.json" --out limited && exit "$failures") || failures=$((failures + 1))
expect "no verb" 2 'no verb; expected one of run, replay' "$viosim"
expect "an option without its value" 2 '--set: read nothing after it' "$viosim" run "$good" --set
expect "an option given twice" 2 '--out: read twice' "$viosim" run "$good" --out a --out b
expect "empty directory of a run" 2 '--out: read ""; expected the name of a directory' "$viosim" run "$good" --out ''
expect "empty directory of a replay" 2 '--out: read ""; expected the name of a directory' \
  "$viosim" replay "$traces/vtd_ext4_cm_strict.jsonl.zst" --out ''
expect "empty name of an IOMMU" 2 '--iommu: read ""; expected the name of a configuration; `viosim models` lists them' \
  "$viosim" replay "$traces/vtd_ext4_cm_strict.jsonl.zst" --iommu ''
expect "empty scenario" 2 'SCENARIO: read ""; expected the name of a file' "$viosim" run ''
expect "empty recording" 2 'TRACE: read ""; expected the name of a file' "$viosim" replay ''
expect "empty file to validate" 2 'FILE: read ""; expected the name of a file' "$viosim" validate ''
expect "unknown mode" 2 'expected "full" or "off"' "$viosim" run "$good" --trace loud
expect "negative seed" 2 "whole number" "$viosim" run "$good" --seed -1
expect "seed beyond 64 bits" 2 "whole number" "$viosim" run "$good" --seed 18446744073709551616
expect "unwritable directory" 2 "/proc/nowhere" "$viosim" run "$good" --out /proc/nowhere

expect "an argument that is missing" 2 'SCENARIO: read nothing; expected a scenario file, JSON' "$viosim" run
expect "an argument too many" 2 'read "b"; expected nothing more' "$viosim" run a b
expect "an option that is unknown" 2 'unknown option "--sed"; did you mean "--seed"?' "$viosim" run a --sed 3
expect "an option of another verb" 2 'unknown option "--seed"; expected one of' "$viosim" schema --seed 3
expect "an option instead of a verb" 2 'unknown option "--versoin"; did you mean "--version"?' "$viosim" --versoin
expect "a wrong value from --set" 2 'expected a whole number from 1 to 4096 (from --set)' \
    "$viosim" run "$good" --set /hosts/0/devices/0/outstanding=0
expect "a number beyond 64 bits" 2 'read 18446744073709551616; expected' \
    "$viosim" run "$good" --set /seed=18446744073709551616
expect "a recording as a scenario" 2 'Recordings are played by `viosim replay`' \
    "$viosim" run "$traces/vtd_ext4_cm_strict.jsonl.zst"
expect "a scenario as a recording" 2 'a recording begins with a line such as {"k": "meta"' "$viosim" replay "$good"
expect "a file as a directory" 2 'empty.json: is a file; expected a directory for run.db' \
    "$viosim" run "$good" --out empty.json
ln -s nowhere dangling
expect "a link to nothing as a directory" 2 'dangling: is a link to what is not there; expected a directory' \
    "$viosim" run "$good" --out dangling
if [ "$(id -u)" -ne 0 ]; then
  mkdir -m 555 readonly
  expect "a directory that is read-only" 2 'run.db.partial: the run database cannot be made: Permission denied' \
    "$viosim" run "$good" --out readonly
fi
if [ -c /dev/full ]; then
  expect "standard output on a full disk" 2 'standard output cannot be written: No space left on device' \
    sh -c '"$1" schema >/dev/full' sh "$viosim"
  expect "standard error on a full disk" 0 'exit 2' \
    sh -c '"$1" run nowhere.json 2>/dev/full; echo "exit $?"' sh "$viosim"
fi
expect "standard error that is closed" 0 'exit 2' sh -c '"$1" run nowhere.json 2>&-; echo "exit $?"' sh "$viosim"
cat >bypassed.jsonl <<'RECORDING'
{"k":"meta","format":"viommu-trace/1","name":"b","iommu":"virtio-iommu","records":1,"strict":1,"iotlb":null}
{"t":5,"k":"req","sid":256,"iova":"0xfee00000","w":1,"r":"bypass"}
RECORDING
expect "a request that was not translated" 0 "aborted  bypassed" "$viosim" replay bypassed.jsonl
{
  printf '{"k":"meta","format":"viommu-trace/1","name":"u","iommu":"intel-vtd","records":1,"strict":1,'
  echo '"caching_mode":false,"scalable_mode":false,"iotlb":{"capacity":4}}'
  echo '{"t":5,"k":"req","sid":256,"iova":"0xfee00000","r":"pt"}'
} >untranslated.jsonl
expect "what is not compared is said" 0 "recorded as not translated: 1 request" "$viosim" replay untranslated.jsonl
expect "nothing to compare" 0 "agreement 0/0 (nothing to compare)" "$viosim" replay untranslated.jsonl
cat >early.json <<'SCENARIO'
{ "name": "early", "duration": "4 ns", "hosts": [{ "name": "h",
    "iommus": [{ "name": "i", "model": "vtd", "mode": "legacy" }],
    "devices": [{ "name": "d", "model": "recording", "iommu": "i", "trace": "bypassed.jsonl" }] }] }
SCENARIO
expect "a duration before the first record" 0 "h.d did nothing: its first record would come at 5 ns" \
  "$viosim" run early.json
expect "a trace of no events" 0 "run.db with 0 trace events" "$viosim" run early.json

# Ctrl-C ends a run as it ends any program, without a word from the libraries beneath.
timeout --preserve-status -k 5 -s INT 1 env --default-signal=INT \
  "$viosim" run "$tree/scenarios/page-faults.json" --set '/duration=9000 s' --trace off --out interrupted >output 2>&1
got=$?
[ "$got" -eq 130 ] || { echo "FAILED: an interrupted run: exit code $got, expected 130"; failures=$((failures + 1)); }
silent output || { echo "FAILED: an interrupted run says:"; head -5 output; failures=$((failures + 1)); }

# How far a long run is goes to a terminal, and nowhere else unless asked for; it is gone before the summary.
long=--set=/hosts/0/devices/0/requests=50000000
endless=--set=/hosts/0/devices/0/requests=0\ --set=/duration=9000s
expect_line() { # WHAT yes|no FILE
  if grep -q '% *[,:].* simulated, [0-9,]* requests, ' "$3"; then shown=yes; else shown=no; fi
  [ "$shown" = "$2" ] || fail "$1: progress shown: $shown, expected $2"
}
timeout 2 "$viosim" run "$good" $endless --trace off --out long >printed 2>progress
silent progress || fail "a run writes to standard error, which is a file"
"$viosim" run "$good" $long --trace off --out long --progress always >printed 2>progress
expect_line "--progress always" yes progress
[ -z "$(tail -c 1 progress | tr -d '\r')" ] || fail "progress is not taken away"
expect_line "standard output with --progress always" no printed
expect "unknown mode of progress" 2 'read "on"; expected "auto" or "always" or "never"' \
  "$viosim" run "$good" --progress on
if script -qec true /dev/null >/dev/null 2>&1; then
  terminal() { # COMMAND: on a terminal of 70 columns, its output to `output`
    timeout 60 env TERM=xterm script -qec "stty cols 70; $1" /dev/null </dev/null >output 2>&1
  }
  run_long="'$viosim' run '$good' $long --trace off --out long"
  run_endless="timeout --foreground -s INT 2 env --default-signal=INT"
  run_endless="$run_endless '$viosim' run '$good' $endless --trace off --out long"
  terminal "$run_long"
  expect_line "on a terminal" yes output
  tr '\r' '\n' <output | awk 'length > 69 && /simulated,/ { bad = 1 } END { exit bad }' ||
    fail "progress is wider than the terminal"
  # What is left of the line when the summary begins: blanks, and the cursor in the first column.
  grep -q "$(printf '\r  *\r')one-device: " output || fail "the summary follows progress"
  terminal "$run_endless --progress never"
  expect_line "on a terminal, --progress never" no output
  terminal "$run_long --set '/hosts/0/devices/0/start=8990 s'"
  grep -q "$(printf '\r  *\r')viosim: " output || fail "an error follows progress"
  terminal "$run_endless"
  expect_line "interrupted on a terminal" yes output
  grep -q "$(printf '\r  *\r')\$" output || fail "an interrupted run leaves progress"
fi

# An interrupt ends a run as it ends other programs, and does not where it is to be ignored.
if env --default-signal=INT true 2>/dev/null; then
  env --default-signal=INT "$viosim" run "$good" $endless --trace off --out long >/dev/null 2>&1 &
  run=$!
  sleep 1
  kill -INT "$run"
  wait "$run"
  [ $? -eq 130 ] || fail "an interrupted run does not end by the signal"
  env --ignore-signal=INT "$viosim" run "$good" $endless --trace off --out long >/dev/null 2>&1 &
  run=$!
  sleep 1
  kill -INT "$run"
  sleep 1
  kill -0 "$run" 2>/dev/null || fail "an interrupt that is to be ignored ends a run"
  kill -KILL "$run"
  wait "$run" 2>/dev/null
fi

head -c 100000 "$traces/vtd_nvme_rand4k_lazy.jsonl.zst" >cut.jsonl.zst
expect "truncated recording" 2 "truncated" "$viosim" replay cut.jsonl.zst --out cut
[ ! -e cut/run.db ] || { echo "FAILED: a truncated recording left a database"; failures=$((failures + 1)); }

# The same scenario and seed give the same bytes; address_test.sh says: wherever the program's memory lies.
sixteen=$tree/scenarios/sixteen-tenants.json
expect "first run" 0 "wrote" "$viosim" run "$sixteen" --out first
expect "second run" 0 "wrote" "$viosim" run "$sixteen" --out second
"$viosim" run "$sixteen" --out first --json | grep -vE 'wall_seconds|database' >first.json
"$viosim" run "$sixteen" --out second --json | grep -vE 'wall_seconds|database' >second.json
cmp -s first.json second.json || { echo "FAILED: two runs differ in their figures"; failures=$((failures + 1)); }
if command -v sqlite3 >/dev/null; then
  for run in first second; do
    sqlite3 "$run/run.db" ".dump" | grep -v 'INSERT INTO wall' >"$run.sql"
  done
  cmp -s first.sql second.sql || { echo "FAILED: two runs differ in their databases"; failures=$((failures + 1)); }
fi
expect "another seed" 0 "seed 8" "$viosim" run "$sixteen" --out other --seed 8
"$viosim" run "$sixteen" --out other --seed 8 --json | grep -vE 'wall_seconds|database|"seed"' >other.json
if cmp -s first.json other.json; then
  echo "FAILED: another seed gives the same figures"
  failures=$((failures + 1))
fi

[ "$failures" -eq 0 ] && echo "the command line does what it should"
exit "$failures"
