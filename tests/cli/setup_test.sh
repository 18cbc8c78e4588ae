#!/bin/sh
# The two commands are quiet when there is nothing to do, and say so when there is.
# SPDX-License-Identifier: Apache-2.0
# usage: setup_test.sh SOURCE_TREE
set -u
tree=$1
unset VIOSIM_BUILDS
. "$tree/tests/cli/expect.sh"

# A tree with the shape of ours: a step that always runs and mostly changes nothing, and a file that is made from its
# result and from a source.
mkdir -p tree/tests tree/build/release
cp "$tree/tests/setup.sh" tree/tests
cat >tree/build/release/write_commit.cmake <<'SCRIPT'
[ -f header ] || echo commit >header
SCRIPT
cat >tree/build/release/build.ninja <<NINJA
rule look
  command = sh $work/tree/build/release/write_commit.cmake
  description = cd there && sh $work/tree/build/release/write_commit.cmake
  restat = 1
rule make
  command = cat source header >\$out
build header: look always
build always: phony
build program: make header | source
NINJA
cat >build.sh <<'SCRIPT'
root=$1/tree
. "$root/tests/setup.sh"
start_log
build release program
echo "over"
SCRIPT
build() { sh -eu build.sh "$work"; }

echo one >tree/build/release/source
expect "a first build" 0 "viosim: building program" build
[ -f tree/build/release/program ] || fail "a first build made nothing"
build >output 2>&1
[ "$(cat output)" = over ] || fail "a build with nothing to do said: $(cat output)"
grep -q write_commit.cmake tree/build/setup.log || fail "the step that always runs did not run: nothing was tested"
sleep 0.01
# What somebody else builds elsewhere leaves this build alone.
cp -r tree/build elsewhere
rm elsewhere/release/program
export VIOSIM_BUILDS="$work/elsewhere"
expect "a build elsewhere" 0 "viosim: building program" build
unset VIOSIM_BUILDS
[ -f elsewhere/release/program ] || fail "a build elsewhere made nothing there"

# A scenario by its file, by its name, and none.
mkdir -p tree/scenarios tree/build/release/sim bin
cp "$tree/scenarios/run.sh" tree/scenarios
touch tree/scenarios/named.json tree/scenarios/nvme-random-4k.json tree/scenarios/all.schema.json here.json
for tool in cmake ninja apt-get; do printf '#!/bin/sh\n' >bin/$tool; done
printf '#!/bin/sh\necho install ok installed\n' >bin/dpkg-query
printf '#!/bin/sh\necho viosim "$@"\n' >tree/build/release/sim/viosim
chmod +x bin/* tree/build/release/sim/viosim
run_sh() { PATH="$work/bin:$PATH" sh tree/scenarios/run.sh "$@"; }
expect "a scenario by its name" 0 "viosim run $work/tree/scenarios/named.json --trace off" run_sh named --trace off
expect "a scenario by its file" 0 "viosim run here.json" run_sh here.json
expect "a scenario that is not there" 1 "no scenario of that name; there are: named nvme-random-4k" run_sh nowhere
expect "the main scenario" 0 "viosim run $work/tree/scenarios/nvme-random-4k.json" run_sh

echo two >tree/build/release/source
expect "a changed source" 0 "viosim: building program" build
rm tree/build/release/source
expect "a build that fails" 1 "viosim: the build failed; the whole log is in" build

[ "$failures" -eq 0 ] && echo "the commands say what they do"
exit "$failures"
