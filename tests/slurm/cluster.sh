# A Slurm cluster of its own on loopback, as whoever runs this: no systemd, no cgroups, nothing outside $cluster.
# SPDX-License-Identifier: Apache-2.0
#
# shellcheck shell=sh disable=SC2154
# To be sourced. Sets $cluster, a directory, and exports SLURM_CONF.
PATH=$PATH:/usr/sbin:/sbin

# Everything that a cluster is made of, or the name of what is missing.
missing_of_slurm() {
  for tool in munged slurmctld slurmd sbatch squeue scancel sinfo; do
    command -v "$tool" >/dev/null || { echo "$tool"; return 0; }
  done
}

# first_port COUNT: the first of so many ports that nobody listens on, below those that the system hands out.
first_port() {
  port=$((10000 + $$ % 180 * 100))
  while :; do
    used=0
    for i in $(seq "$port" $((port + $1 - 1))); do
      grep -qi ":$(printf %04X "$i") [0-9A-F]*:0000 0A" /proc/net/tcp /proc/net/tcp6 2>/dev/null && used=1
    done
    [ $used = 1 ] || break
    port=$((port + 100))
    [ $port -lt 30000 ] || port=10000
  done
  echo $port
}

# write_configuration NODES CPUS: of each node. A node that is gone is noticed after some 10 s; what a job leaves is
# killed after 2.
write_configuration() {
  me=$(id -un) host=$(uname -n) ports=$(first_port $(($1 + 1)))
  cat >"$SLURM_CONF" <<CONFIGURATION
ClusterName=viosim
SlurmctldHost=$host(127.0.0.1)
SlurmctldPort=$ports
SlurmUser=$me
SlurmdUser=$me
AuthType=auth/munge
AuthInfo=socket=$cluster/munge/socket
CredType=cred/munge
StateSaveLocation=$cluster/state
SlurmctldPidFile=$cluster/slurmctld.pid
SlurmctldLogFile=$cluster/slurmctld.log
SlurmdPidFile=$cluster/%n/pid
SlurmdLogFile=$cluster/%n/log
SlurmdSpoolDir=$cluster/%n/spool
PlugStackConfig=/dev/null
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
MpiDefault=none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
SchedulerParameters=defer,batch_sched_delay=0,sched_interval=1,sched_min_interval=0,bf_interval=1
SlurmdParameters=config_overrides
ReturnToService=2
SlurmdTimeout=5
KillWait=2
MessageTimeout=5
CONFIGURATION
  for i in $(seq 1 "$1"); do
    echo "NodeName=n$i NodeHostname=$host NodeAddr=127.0.0.1 Port=$((ports + i)) CPUs=$2 RealMemory=1000 State=UNKNOWN"
  done >>"$SLURM_CONF"
  echo "PartitionName=all Nodes=n[1-$1] Default=YES State=UP" >>"$SLURM_CONF"
}

# start_munge: with a key and a socket of its own, so that a system's munge is left alone.
start_munge() {
  mkdir -m 755 "$cluster/munge"
  dd if=/dev/urandom of="$cluster/munge/key" bs=128 count=1 2>/dev/null
  chmod 400 "$cluster/munge/key"
  munged --key-file="$cluster/munge/key" --socket="$cluster/munge/socket" --pid-file="$cluster/munge/pid" \
    --log-file="$cluster/munge/log" --seed-file="$cluster/munge/seed" --num-threads=2
}

# start_cluster NODES CPUS: returns when all nodes are idle.
start_cluster() {
  cluster=$(mktemp -d /tmp/viosim-slurm-XXXXXX)
  chmod 755 "$cluster"
  export SLURM_CONF="$cluster/slurm.conf"
  write_configuration "$1" "$2"
  start_munge || return 1
  mkdir "$cluster/state"
  slurmctld -f "$SLURM_CONF" || return 1
  for i in $(seq 1 "$1"); do
    mkdir -p "$cluster/n$i/spool"
    slurmd -f "$SLURM_CONF" -N "n$i" || return 1
  done
  for _ in $(seq 1 150); do
    [ "$(sinfo -h -N -t idle -o %N 2>/dev/null | wc -l)" = "$1" ] && return 0
    sleep 0.2
  done
  echo "the cluster does not come up:"
  sinfo
  tail -n 20 "$cluster"/*.log "$cluster"/*/log
  return 1
}

# processes_at DIR: those that have files open there, as Slurm's daemons have their logs.
processes_at() {
  # A process of somebody else, or one that has ended, shows nothing.
  find /proc/[0-9]*/fd -lname "$1/*" 2>/dev/null | cut -d / -f 3 | sort -u
}

# processes_with VARIABLE: those of our cluster that have been given this, as "NAME=value"; without it all.
processes_with() {
  # Those that have ended meanwhile are not there, and others' are not shown.
  grep -lzxF -- "SLURM_CONF=$SLURM_CONF" /proc/[0-9]*/environ 2>/dev/null |
    xargs -r grep -lzxF -- "${1:-SLURM_CONF=$SLURM_CONF}" 2>/dev/null | cut -d / -f 3
}

# tasks_on NODE: the processes of its tasks.
tasks_on() { processes_with "SLURMD_NODENAME=$1"; }

# task_on NODE: the process of one of its tasks; of none of its runs.
task_on() {
  for process in $(tasks_on "$1"); do
    parent=$(sed -n 's/^PPid:\t//p' "/proc/$process/status" 2>/dev/null)
    [ "$(cat "/proc/$parent/comm" 2>/dev/null)" = slurmstepd ] || continue
    echo "$process"
    return 0
  done
}

# kill_node NODE: as when its power fails: its daemon, its tasks, and what watches over these.
kill_node() {
  dying=$(tasks_on "$1")
  # The lists are split into words on purpose. What watches may be gone already.
  # shellcheck disable=SC2046,SC2086
  kill -9 $(cat "$cluster/$1/pid") $dying \
    $(printf '/proc/%s/status\n' $dying | xargs -r sed -n 's/^PPid:\t//p' 2>/dev/null | grep -vx '[01]') 2>/dev/null
  :
}

# guard_cluster: stops it when this shell has ended, however that happened.
guard_cluster() {
  ( while kill -0 $$ && [ -d "$cluster" ]; do sleep 1; done
    stop_cluster ) >/dev/null 2>&1 &
}

# stop_cluster: nothing of it is left afterwards.
stop_cluster() {
  [ -n "${cluster:-}" ] || return 0
  # shellcheck disable=SC2086
  for _ in 1 2 3 4 5; do
    left="$(processes_at "$cluster") $(processes_with)"
    [ "$left" != " " ] || break
    kill -9 $left 2>/dev/null
    sleep 0.1
  done
  rm -rf "$cluster"
  cluster=
}
