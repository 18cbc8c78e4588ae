#!/bin/sh
# Plays sbatch, squeue and scancel, by the name it is called with: tasks are processes here.
# SPDX-License-Identifier: Apache-2.0
# $FAKE_SLURM is its directory. There, if they exist: `refuse`, what sbatch or squeue says instead of working, once for
# each line; `task`, a script that is run in place of the one submitted, which is $FAKE_SCRIPT; `pending`, why
# tasks wait, a line for each squeue: none begins while there are lines.
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
  [ -s pending ] && echo "$job|$1|PENDING|WHY|$name" >"$job.$1"
  [ -s pending ] || echo "$job|$1|RUNNING|None|$name" >"$job.$1"
  (
    while [ -s pending ]; do sleep 0.1; done
    echo "$job|$SLURM_ARRAY_TASK_ID|RUNNING|None|$name" >"$job.$SLURM_ARRAY_TASK_ID"
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
  # Without --all those of hidden partitions are not shown; nor others than a variable asks for.
  case " $* " in *" --all "*) [ -z "$SQUEUE_PARTITION" ] || exit 0 ;; *) exit 0 ;; esac
  cat -- *[0-9].*[0-9] 2>/dev/null | sed "s/|WHY|/|$(head -n 1 pending 2>/dev/null)|/"
  [ -s pending ] && sed -i 1d pending
  exit 0
  ;;
scancel)
  [ -z "$SCANCEL_INTERACTIVE" ] || exec yes "Cancel job_id=$2 name=$1 partition=all [y/n]?"
  echo "$@" >>cancelled
  ;;
esac
