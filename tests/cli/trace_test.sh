#!/bin/sh
# Looking at runs, comparing them, and having no room for one: exit codes, messages, whole files.
# SPDX-License-Identifier: Apache-2.0
# usage: trace_test.sh VIOSIM SOURCE_TREE
set -u
viosim=$1
tree=$2
. "$tree/tests/cli/expect.sh"

one=$tree/scenarios/one-device.json
timeout 60 "$viosim" run "$one" --out a >/dev/null
timeout 60 "$viosim" run "$one" --out b >/dev/null
timeout 60 "$viosim" run "$one" --out c --set '/hosts/0/iommus/0/walk_read=81 ns' >/dev/null
timeout 60 "$viosim" run "$one" --out off --trace off >/dev/null

expect "show" 0 "1 of 100,128 events" "$viosim" trace show a/run.db --kind walk --limit 1
expect "show in columns" 0 "host0.dmar0" "$viosim" trace show a/run.db --component host0.dmar0 --until '1 us'
expect "show of a run without a trace" 2 "holds no trace" "$viosim" trace show off/run.db
grep -q "with --trace full" output || fail "how to get a trace is not said"
expect "the same of an export" 2 "holds no trace" "$viosim" trace export off/run.db --format csv --out off.csv
[ ! -e off.csv ] || fail "an export of nothing leaves a file"
expect "the same of a check" 2 "holds no trace" "$viosim" check off/run.db
cat >quiet.json <<QUIET
{ "name": "quiet", "duration": "1 us", "hosts": [{
  "name": "h", "iommus": [{ "name": "i", "model": "vtd", "mode": "legacy" }],
  "devices": [{ "name": "d", "model": "recording", "iommu": "i",
                "trace": "$tree/scenarios/traces/vtd_ext4_cm_strict.jsonl.zst" }] }] }
QUIET
timeout 60 "$viosim" run quiet.json --out quiet >/dev/null
expect "a traced run in which nothing happened" 0 "0 events, 0 violations" "$viosim" check quiet/run.db
timeout 60 "$viosim" run "$tree/scenarios/defects/i04-foreign-free.json" --out foreign >/dev/null
expect "who asks, and the error" 0 "asked by host0.high.vfio, -EACCES" "$viosim" check foreign/run.db
expect "the same in a trace" 0 "host0.high.vfio  -EACCES" "$viosim" trace show foreign/run.db --kind free
timeout 60 "$viosim" run "$tree/scenarios/defects/i11-late-response.json" --out late >/dev/null
expect "a trace is held against what its scenario allows" 0 "10 ms are allowed" "$viosim" check late/run.db
expect "violations that the scenario expects" 0 "as the scenario expects" "$viosim" check late/run.db
timeout 60 "$viosim" run "$tree/scenarios/defects/i11-late-response.json" --set '/expect=[]' --out surprise >/dev/null
expect "one that it does not" 1 "expected no violation of I11: " "$viosim" check surprise/run.db
expect "the same as JSON" 1 '"as_expected": false' "$viosim" check surprise/run.db --json
timeout 60 "$viosim" run "$one" --set '/expect=[{"violation":"I3"}]' --out none >/dev/null
expect "one that is missing" 1 "expected violation of I3: none" "$viosim" check none/run.db
expect "what an older trace cannot tell" 0 "viosim 0.1.0, which wrote it, told nothing of device_look_up" \
  "$viosim" check "$tree/tests/record/old/format-1.db"
grep -q "allocate, free, table_write, bind" output || fail "which kinds an older trace has not is not told"
expect "unknown kind" 2 'did you mean "walk"?' "$viosim" trace show a/run.db --kind wolk
expect "unknown component" 2 '--component: read "host0.dmar1"' "$viosim" trace show a/run.db --component host0.dmar1
expect "a time without unit" 2 'expected a time such as' "$viosim" trace show a/run.db --from 5
expect "no verb of trace" 2 'expected one of show, export' "$viosim" trace
expect "unknown verb of trace" 2 'did you mean "show"?' "$viosim" trace shoe
expect "nothing in this window" 0 "no event is of this selection; the run's events" \
  "$viosim" trace export a/run.db --format perfetto --from '9000 s' --out nothing.json
expect "nothing of what is shown" 0 "go from " "$viosim" trace show a/run.db --until '1 ps'
expect "events that are there" 0 "events" "$viosim" trace show a/run.db
grep -q "no event is" output && fail "a trace with events is called empty"
expect "no format" 2 '--format: read nothing' "$viosim" trace export a/run.db
expect "unknown format" 2 'expected "jsonl" or "csv" or "perfetto"' "$viosim" trace export a/run.db --format xml
expect "unknown option of trace" 2 'unknown option "--formats"' "$viosim" trace export a/run.db --formats csv
expect "an export over the run itself" 2 'is the run database' \
  "$viosim" trace export a/run.db --format csv --out a/run.db
expect "an export into nowhere" 2 'no/x.csv: cannot be written: No such file' \
  "$viosim" trace export a/run.db --format csv --out no/x.csv
for format in jsonl csv perfetto; do
  "$viosim" trace export a/run.db --format $format --out "a.$format" || fail "export as $format"
done
[ "$(wc -l <a.jsonl)" = 100128 ] || fail "JSON lines: $(wc -l <a.jsonl) lines"
[ "$(wc -l <a.csv)" = 100129 ] || fail "CSV: $(wc -l <a.csv) lines"
"$viosim" trace export a/run.db --format perfetto --until '1 ps' >empty.json
if command -v python3 >/dev/null; then
  python3 -c 'import json; [json.load(open(f)) for f in ("a.perfetto", "empty.json")]' || fail "an export is no JSON"
fi
[ ! -c /dev/full ] || expect "an export to a full disk" 2 'cannot be written: No space left on device' \
  sh -c '"$1" trace export a/run.db --format csv >/dev/full' sh "$viosim"

expect "runs alike" 0 "equal: 100,128 events" "$viosim" diff a/run.db b/run.db
expect "a run without a trace" 0 "equal: no events compared, 49 metrics" "$viosim" diff a/run.db off/run.db
expect "one nanosecond" 1 "scenario one-device, event 1 " "$viosim" diff a/run.db c/run.db
expect "its component and kind" 1 "component host0.dmar0, kind walk: other time, duration" \
  "$viosim" diff a/run.db c/run.db
expect "what kind of difference" 1 "only timing moved" "$viosim" diff a/run.db c/run.db
expect "as JSON" 1 '"only_timing": true' "$viosim" diff a/run.db c/run.db --json
expect "a run and the same without its trace" 0 'note: events are not compared: one run has no trace' \
  "$viosim" diff a/run.db off/run.db
expect "a run that is not there" 2 'there is no such file' "$viosim" diff a/run.db d/run.db
# Figures that the older program had not are told; the events are the same.
expect "an old format" 1 'note: format 1 against 4' "$viosim" diff "$tree/tests/record/old/format-1.db" a/run.db

mkdir -p records/one
printf '{ "scenario": "%s" }\n' "$one" >records/one/record.json
expect "no record yet" 1 'there is no run.db; --update records one' "$viosim" regress records
grep -q '1 record: 1 missing' output || fail "a record that is not there is not called missing"
expect "no record yet, as JSON" 1 '"outcome": "missing"' "$viosim" regress records --json
expect "the first record" 0 'Records: 1 of 1 changed' "$viosim" regress records --update
expect "nothing to update" 0 'no record has changed' "$viosim" regress records --update
expect "a record held" 0 '1 record: 1 same' "$viosim" regress records
expect "a record not held" 1 'scenario one-device, event 1 ' \
  "$viosim" regress records --set '/hosts/0/iommus/0/walk_read=81 ns'
expect "a record of what no record says" 2 '--update excludes --set' \
  "$viosim" regress records --update --set '/hosts/0/iommus/0/walk_read=81 ns'
expect "a record of a run that fails" 1 'the run is not as its scenario expects' \
  "$viosim" regress records --set '/expect=[{"violation":"I3"}]'
expect "the same as JSON" 1 '"not_met"' "$viosim" regress records --set '/expect=[{"violation":"I3"}]' --json
expect "no records" 2 'holds no records' "$viosim" regress a
expect "no directory" 2 'nowhere: cannot be read as a directory' "$viosim" regress nowhere

# A run that had no room for all of its trace.
cat >part.json <<'END'
{ "name": "part", "hosts": [{ "name": "host0", "iommus": [{ "name": "dmar0", "model": "vtd" }],
  "devices": [{ "name": "acc", "model": "accelerator", "iommu": "dmar0" }],
  "processes": [{ "name": "app", "count": 4, "devices": ["acc"], "rounds": 2000,
    "work": { "requests": 64, "outstanding": 2, "traffic": { "window": "64 KiB", "request": "4 KiB" } } }] }] }
END
expect "no more than 500 KiB" 2 'part/run.db.partial: ' \
  sh -c 'ulimit -c 0; ulimit -f 1000; timeout 60 "$1" run part.json --out part' sh "$viosim"
expect "what is not asked of half a run" 0 'I11, I22, I33, I34 are asked at the end of a run only; let it come' \
  "$viosim" check part/run.db.partial
expect "half a run as JSON" 0 '"complete": false' "$viosim" check part/run.db.partial --json
expect "two halves alike" 0 'note: neither run has finished' "$viosim" diff part/run.db.partial part/run.db.partial

# A disk that is full: half a megabyte, where mounting one is allowed.
mkdir small
if unshare -rm sh -c 'mount -t tmpfs -o size=512k none small' 2>/dev/null; then
  expect "a full disk" 2 'run.db.partial: ' unshare -rm sh -c '
    mount -t tmpfs -o size=512k none small
    "$1" run "$2" --out small/out
    code=$?
    [ ! -e small/out/run.db ] || echo "a whole run on a full disk"
    "$1" trace show small/out/run.db.partial --limit 1
    exit "$code"' sh "$viosim" "$tree/scenarios/sixteen-tenants.json"
  grep -qi 'full' output || fail "a full disk is not called full: $(cat output)"
  ! grep -q 'a whole run' output || fail "a run is called whole on a full disk"
else
  echo "no full disk: mounting one is not allowed here"
fi

if [ "$failures" -ne 0 ]; then
  echo "$failures failed"
  exit 1
fi
