#!/bin/sh
# Makes reports of a run, a sweep, violations and a long trace, and has a browser look at them.
# SPDX-License-Identifier: Apache-2.0
# usage: sh browser_test.sh VIOSIM SAMPLES ROOT      SCREENSHOTS=DIR keeps a picture of each view
set -eu
viosim=$1
samples=$2
root=$3

# missing WHAT: a machine without a browser is no fault; where everything is tested, it is.
missing() {
  echo "report.browser: SKIPPED, nothing was tested: there is no $1. See tests/report/README.md" >&2
  [ "${CI:-}" = true ] && exit 1
  exit 77
}
command -v node >/dev/null || missing node
browser=$(command -v chromium || command -v google-chrome) || missing chromium
command -v pdftoppm >/dev/null || missing "pdftoppm (poppler-utils)"
modules=$root/build/node
[ -d "$modules/node_modules/playwright-core" ] || missing "playwright-core in $modules"

out=$(mktemp -d)
trap 'rm -rf "$out"' EXIT
"$samples" "$out"
"$viosim" run "$root/scenarios/viommu-hotplug.json" --out "$out/run" >/dev/null
"$viosim" sweep "$root/tests/report/sweep.json" --out "$out/sweep" >/dev/null || [ $? -eq 1 ]
"$viosim" sweep "$root/tests/report/drawn.json" --out "$out/drawn" >/dev/null
"$viosim" sweep "$root/tests/report/undecided.json" --out "$out/undecided" >/dev/null
"$viosim" sweep "$root/tests/report/names.json" --out "$out/names" >/dev/null
"$viosim" sweep "$root/tests/report/long_names.json" --out "$out/long_names" >/dev/null
"$viosim" run "$root/scenarios/one-device.json" --set /hosts/0/name=__proto__ \
  --set /hosts/0/devices/0/name=constructor --set /expect=[] --out "$out/named" >/dev/null
"$viosim" run "$root/scenarios/one-device.json" --trace off --out "$out/checked" >/dev/null
"$viosim" run "$root/scenarios/one-device.json" --checks off --trace off --out "$out/unchecked" >/dev/null
for run in checked unchecked named; do mv "$out/$run/run.db" "$out/$run/$run.db"; done
for sweep in drawn undecided names long_names; do mv "$out/$sweep/sweep.db" "$out/$sweep/$sweep.db"; done
for page in run/run sweep/sweep drawn/drawn undecided/undecided names/names long_names/long_names checked/checked \
  unchecked/unchecked named/named killed violations old capped long near words curves gaps failed many; do
  "$viosim" report "$out/$page.db" --out "$out/$(basename "$page").html" >/dev/null
done
echo "long.db: $(wc -c <"$out/long.db") bytes, its report: $(wc -c <"$out/long.html") bytes"
node "$root/tests/report/browser_test.mjs" "$modules" "$browser" "$out"
