#!/usr/bin/env bash
# A Slurm of its own on this machine: a controller, and a daemon for each of several nodes, which all are this host. It
# needs no privilege.
#
#   slurm.sh FOLDER up N     starts it, with nodes n1 ... nN of two processors; FOLDER/slurm.conf is for SLURM_CONF
#   slurm.sh FOLDER down     ends its jobs and its daemons
#
# Needs slurm-wlm and munge. Status 77: not to be had on this machine.
set -euo pipefail
folder=$1 verb=$2
shift 2
export SLURM_CONF=$folder/slurm.conf

configuration() {  # NODES
  local host port i
  host=$(hostname)
  # Ports of this user alone, it is hoped: daemons that find theirs taken end, and then up() says so.
  port=$((20000 + RANDOM % 1000 * 10))
  cat << T
ClusterName=tests
SlurmctldHost=$host(127.0.0.1)
SlurmctldPort=$port
SlurmUser=$(id -un)
SlurmdUser=$(id -un)
AuthType=auth/munge
AuthInfo=socket=$folder/munge.socket
MpiDefault=none
# Nodes on one host: no cgroups, processors that need not exist, and for each node folders and a port of its own.
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
SlurmdParameters=config_overrides
ReturnToService=2
KillWait=60
# PMIx makes a folder of its own in TmpFS, and two nodes would make the same one.
SlurmdSpoolDir=$folder/%n/spool
TmpFS=$folder/%n/tmp
StateSaveLocation=$folder/state
SlurmctldPidFile=$folder/slurmctld.pid
SlurmdPidFile=$folder/slurmd.%n.pid
SlurmctldLogFile=$folder/slurmctld.log
SlurmdLogFile=$folder/slurmd.%n.log
T
  for ((i = 1; i <= $1; ++i)); do
    echo "NodeName=n$i NodeHostname=$host NodeAddr=127.0.0.1 Port=$((port + i)) CPUs=2 RealMemory=2000"
  done
  echo "PartitionName=all Nodes=ALL Default=YES State=UP"
}

up() {
  local i
  for program in munged slurmctld slurmd srun; do command -v $program > /dev/null || exit 77; done
  mkdir -p "$folder/state"
  chmod 700 "$folder"
  (umask 077 && head -c 1024 /dev/urandom > "$folder/munge.key")
  configuration "$1" > "$SLURM_CONF"
  munged --force --key-file="$folder/munge.key" --socket="$folder/munge.socket" --pid-file="$folder/munged.pid" \
    --log-file="$folder/munged.log" --seed-file="$folder/munge.seed" < /dev/null > /dev/null 2>&1
  slurmctld -c < /dev/null > /dev/null 2>&1
  for ((i = 1; i <= $1; ++i)); do
    mkdir -p "$folder/n$i/spool" "$folder/n$i/tmp"
    slurmd -N "n$i" < /dev/null > /dev/null 2>&1
  done
  for ((i = 0; i < 150; ++i)); do
    [ "$(sinfo --noheader --Node --Format=StateCompact 2> /dev/null | tr -d ' ' | sort -u)" != idle ] || return 0
    sleep 0.2
  done
  tail -n 3 "$folder"/*.log >&2
  down
  exit 1
}

down() {
  local file pid i
  scancel --signal=KILL --full --user="$(id -un)" 2> /dev/null || true
  scancel --user="$(id -un)" 2> /dev/null || true
  # Slurm's daemons let their last job's steps go first.
  sleep 1
  for file in "$folder"/slurmd.*.pid "$folder/slurmctld.pid" "$folder/munged.pid"; do
    [ -f "$file" ] || continue
    pid=$(cat "$file")
    kill "$pid" 2> /dev/null || continue
    # Their folder may be removed once they write no more.
    for ((i = 0; i < 100; ++i)); do
      [ -d "/proc/$pid" ] && ! grep -q ') Z ' "/proc/$pid/stat" || break
      sleep 0.1
    done
  done
}

case $verb in
  up) up "$1" ;;
  down) down ;;
  *) exit 2 ;;
esac
