#!/bin/sh
# Plays sbatch, squeue and scancel, by the name it is called with: tasks are processes here.
# SPDX-License-Identifier: Apache-2.0
# $FAKE_SLURM is its directory. There, if they exist: `refuse`, what sbatch or squeue says instead of working, once for
# each line; `task`, a script that is run in place of the one submitted, which is $FAKE_SCRIPT.
cd "$FAKE_SLURM" || exit 1

# refused NAME: the next line of `refuse`, if it is for this command.
refused() {
  [ -s refuse ] && head -n 1 refuse | grep -q "^$1" || return 1
  head -n 1 refuse >&2
  sed -i 1d refuse
}

numbers() { # "0-3,7": each on a line
  echo "$1" | tr , '\n' | while IFS=- read -r first last; do seq "$first" "${last:-$first}"; done
}

start() { # INDEX LOG
  script=$PWD/$job.sh
  export SLURM_ARRAY_TASK_ID="$1" SLURM_JOB_ID="$job" FAKE_SCRIPT="$script"
  echo "$job|$1|RUNNING|None|$name" >"$job.$1"
  (
    if [ -e task ]; then sh ./task; else sh "$script"; fi >"$2" 2>&1
    code=$?
    state=COMPLETED
    [ $code = 0 ] || state=FAILED
    echo "$job|$SLURM_ARRAY_TASK_ID|$state|None|$name" >"$job.$SLURM_ARRAY_TASK_ID"
  ) >/dev/null 2>&1 &
  echo $! >"$job.$1.pid"
}

case ${0##*/} in
sbatch)
  refused sbatch && exit 1
  for word in "$@"; do
    case $word in
    --array=*) array=${word#*=} ;;
    --output=*) output=${word#*=} ;;
    --job-name=*) name=${word#*=} ;;
    esac
  done
  echo "$@" >>submitted
  job=$(wc -l <submitted)
  cat >"$job.sh"
  for index in $(numbers "$array"); do start "$index" "${output%/*}/${job}_$index.log"; done
  echo "$job"
  ;;
squeue)
  refused squeue && exit 1
  cat -- *[0-9].*[0-9] 2>/dev/null
  exit 0
  ;;
scancel)
  echo "$@" >>cancelled
  ;;
esac
