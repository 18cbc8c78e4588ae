# Sets up a machine and builds viosim: what scenarios/run.sh, tests/run.sh and .ci/run have in common.
# SPDX-License-Identifier: Apache-2.0
#
# shellcheck shell=sh disable=SC2034,SC2154
# POSIX sh, to be sourced with `root` set to the top of the tree. Every stage that has something to do
# says so in one line; what the tools print goes to $log, which is named when a stage fails.
# CMAKE_BUILD_PARALLEL_LEVEL, VIOSIM_WERROR, VIOSIM_BUILDS and CMAKE_CXX_COMPILER_LAUNCHER are honoured when set.

# Debian's names. libboost-dev is the version that SimGrid is built with: never another beside it.
build_packages="g++ cmake ninja-build pkg-config libsimgrid-dev libboost-dev libfmt-dev
  nlohmann-json3-dev libcli11-dev libsqlite3-dev libzstd-dev libxxhash-dev"
test_packages="sqlite3 zstd catch2 librapidcheck-dev libvalijson-dev"
check_packages="libbenchmark-dev clang libclang-rt-dev clang-format clang-tidy python3
  slurmctld slurmd slurm-client munge"
browser_packages="chromium poppler-utils"
# Node.js from elsewhere has npm in it, and conflicts with Debian's.
command -v npm >/dev/null || browser_packages="$browser_packages nodejs npm"

# Where builds are. .ci/run has its own, so that what it chooses is not left in those of users.
builds=${VIOSIM_BUILDS:-$root/build}
log=$root/build/setup.log
# What ccache must not mind when headers are precompiled.
export CCACHE_SLOPPINESS="${CCACHE_SLOPPINESS:-pch_defines,time_macros}"
hint=  # what else to say when the configuration fails

say() { printf 'viosim: %s\n' "$*" >&2; }

die() {
  say "$@"
  exit 1
}

# fail_with_log WHAT: the end of the log, then what failed and where the rest of the log is.
fail_with_log() {
  tail -n 20 "$log" >&2
  die "$1; the whole log is in $log"
}

start_log() {
  if ! mkdir -p "$root/build" 2>/dev/null || ! [ -w "$root/build" ]; then
    die "cannot write to $root/build: copy the tree to a folder of your own"
  fi
  : >"$log"
}

# missing_packages NAME...: those that are not installed.
missing_packages() {
  for package in "$@"; do
    case $(dpkg-query -W -f '${Status}' "$package" 2>/dev/null) in
      *" installed") ;;
      *) printf '%s ' "$package" ;;
    esac
  done
}

# as_root COMMAND...: runs it as root, asking sudo when we are somebody else.
as_root() {
  if [ "$(id -u)" -eq 0 ]; then
    env DEBIAN_FRONTEND=noninteractive "$@"
  else
    sudo env DEBIAN_FRONTEND=noninteractive "$@"
  fi
}

# install_packages NAME...: installs what is missing; does not touch apt when nothing is. --no-remove:
# a machine with a conflicting package keeps it, and its owner is told.
install_packages() {
  if ! command -v apt-get >/dev/null || ! command -v dpkg-query >/dev/null; then
    have_tools || die "this system has no apt-get. Install the equivalents of these Debian packages," \
      "then run this again:" "$@"
    hint=" (it needs, by their Debian names: $*)"
    return 0
  fi
  missing=$(missing_packages "$@")
  [ -n "$missing" ] || return 0
  if [ "$(id -u)" -ne 0 ] && ! command -v sudo >/dev/null; then
    die "packages are missing, and without root or sudo they cannot be installed. As root, run:" \
      "apt-get install --no-install-recommends $missing"
  fi
  say "installing ${missing% }"
  # The lists are split into words on purpose.
  # shellcheck disable=SC2086
  { as_root apt-get update && as_root apt-get install -y --no-install-recommends --no-remove \
    -o DPkg::Lock::Timeout=120 $missing; } >>"$log" 2>&1 || fail_with_log "apt could not install: $missing"
}

# On other systems: whether the programs of a build are there; CMake says what else is missing.
have_tools() {
  for tool in cmake ninja pkg-config c++; do
    command -v "$tool" >/dev/null || return 1
  done
}

# The memory that a build may use, in MiB: what is free, or what the container allows if that is less.
free_memory() {
  free=$(awk '/^MemAvailable:/ { print int($2 / 1024) }' /proc/meminfo 2>/dev/null)
  free=${free:-1024}
  limit=$(cat /sys/fs/cgroup/memory.max 2>/dev/null || echo max)
  if [ "$limit" != max ] && [ $((limit / 1048576)) -lt "$free" ]; then
    free=$((limit / 1048576))
  fi
  echo "$free"
}

# How many compilers at once: one for each core, and at least 1 GiB of memory for each.
job_count() {
  if [ -n "${CMAKE_BUILD_PARALLEL_LEVEL:-}" ]; then
    echo "$CMAKE_BUILD_PARALLEL_LEVEL"
    return 0
  fi
  cores=$(nproc 2>/dev/null || echo 1)
  fitting=$(($(free_memory) / 1024))
  [ "$fitting" -ge 1 ] || fitting=1
  [ "$cores" -le "$fitting" ] && echo "$cores" || echo "$fitting"
}

# configure PRESET [OPTION...]: quick when nothing changed. A tree that was moved or copied with its
# build folder starts afresh, because CMake refuses such a folder. A first build for users compiles
# several files as one, which takes two thirds of the time; a folder that is there keeps its way.
configure() {
  preset=$1
  shift
  cache=$builds/$preset/CMakeCache.txt
  if [ ! -f "$cache" ]; then
    say "configuring (preset $preset)"
  elif ! grep -qxF "CMAKE_HOME_DIRECTORY:INTERNAL=$root" "$cache"; then
    say "configuring afresh (preset $preset): $builds/$preset belongs to another tree"
    rm -rf "$builds/$preset"
  fi
  if [ "$preset" = release ] && [ ! -f "$cache" ]; then
    set -- -DVIOSIM_UNITY=ON "$@"
  fi
  (cd "$root" && cmake --preset "$preset" -B "$builds/$preset" \
    ${VIOSIM_WERROR:+"-DVIOSIM_WERROR=$VIOSIM_WERROR"} "$@") \
    >>"$log" 2>&1 || fail_with_log "cmake could not configure the build$hint"
}

# build PRESET [TARGET...]: everything without a target. Silent when it is up to date. Asking ninja beforehand does not
# tell: the step that looks which commit is built runs each time, and only then is it known whether anything follows.
build() {
  preset=$1
  shift
  count=$(job_count)
  { ninja -C "$builds/$preset" -j "$count" "$@" 2>&1 || echo "$failure_mark"; } |
    log_build "building ${*:-everything} (preset $preset, $count at a time)" || fail_with_log "the build failed"
}

failure_mark="ninja: it failed"

# log_build TEXT: what ninja prints goes to the log; the text is said when a first step is done. Fails with ninja.
log_build() {
  text=$1
  failed=
  while IFS= read -r line; do
    printf '%s\n' "$line" >>"$log"
    case $line in
      "$failure_mark") failed=yes ;;
      "["*/write_commit.cmake) ;;
      "["*)
        [ -z "$text" ] || say "$text"
        text=
        ;;
    esac
  done
  [ -z "$failed" ]
}

# install_browser_driver: the npm module with which the browser test drives Chromium, as tests/report locks it.
install_browser_driver() {
  lock=$root/tests/report/package-lock.json
  cmp -s "$lock" "$root/build/node/package-lock.json" && [ -d "$root/build/node/node_modules" ] && return 0
  say "installing the module that drives the browser"
  mkdir -p "$root/build/node"
  cp "$root/tests/report/package.json" "$lock" "$root/build/node/"
  npm ci --prefix "$root/build/node" --ignore-scripts --no-audit --no-fund >>"$log" 2>&1 || {
    rm -rf "$root/build/node"
    fail_with_log "npm could not install what tests/report/package-lock.json names"
  }
}

# run_tests PRESET [CTEST_OPTION...]: prints ctest's closing lines, and what failing tests printed.
run_tests() {
  preset=$1
  shift
  report=$builds/$preset/tests.log
  say "testing (preset $preset)"
  if ctest --test-dir "$builds/$preset" -j "$(job_count)" --no-tests=error --output-on-failure "$@" \
    >"$report" 2>&1; then
    sed -n '/tests passed/,$p' "$report" | sed '/^$/d'
  else
    grep -vE '^ +Start |  Passed  ' "$report"
    die "tests failed; this output is also in $report"
  fi
}
