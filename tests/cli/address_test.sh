#!/bin/sh
# The same scenario and seed give the same bytes with and without address randomisation.
# SPDX-License-Identifier: Apache-2.0
# usage: address_test.sh VIOSIM SOURCE_TREE      exit code 77: this system does not allow to switch it off
set -u
viosim=$1
tree=$2
. "$tree/tests/cli/expect.sh"

if ! setarch -R true 2>/dev/null; then
  echo "skipped: setarch -R is refused here, so addresses are random in every run"
  exit 77
fi
contents() { sqlite3 "$1/run.db" .dump | grep -v 'INSERT INTO wall'; }
sixteen=$tree/scenarios/sixteen-tenants.json
expect "memory as it comes" 0 "wrote" "$viosim" run "$sixteen" --out random
expect "memory not randomised" 0 "wrote" setarch -R "$viosim" run "$sixteen" --out fixed
contents random >random.sql
contents fixed >fixed.sql
[ "$(wc -l <random.sql)" -gt 100 ] || fail "there is nothing to compare"
cmp -s random.sql fixed.sql || fail "a run depends on where its memory lies"

[ "$failures" -eq 0 ] && echo "a run does not depend on where its memory lies"
exit "$failures"
