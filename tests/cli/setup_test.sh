#!/bin/sh
# The two commands are quiet when there is nothing to do, and say so when there is.
# SPDX-License-Identifier: Apache-2.0
# usage: setup_test.sh SOURCE_TREE
set -u
tree=$1
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
echo two >tree/build/release/source
expect "a changed source" 0 "viosim: building program" build
rm tree/build/release/source
expect "a build that fails" 1 "viosim: the build failed; the whole log is in" build

[ "$failures" -eq 0 ] && echo "the commands say what they do"
exit "$failures"
