#!/usr/bin/env bash
# Several hosts on one machine, made of Linux namespaces: each has a name, a network card on a common switch, /dev/shm and
# a folder own/ of its own; files and processes are otherwise shared. mpirun enters them without sshd.
#
#   hosts.sh FOLDER up N          makes h1 ... hN (192.0.2.1 ...), FOLDER/hostfile and FOLDER/enter for mpirun
#   hosts.sh FOLDER on HOST CMD   runs a command there
#   hosts.sh FOLDER down          ends them and what runs on them
#
# Needs root (CAP_SYS_ADMIN, CAP_NET_ADMIN) and iproute2. Status 77: not to be had on this machine.
set -euo pipefail
folder=$1 verb=$2
shift 2

keeper() { cat "$folder/$1.pid"; }
enter() {  # HOST COMMAND...
  local host=$1
  shift
  exec nsenter --target "$(keeper "$host")" --mount --uts --net --ipc -- "$@"
}

up() {
  unshare --mount --net true 2> /dev/null && command -v ip > /dev/null || exit 77
  mkdir -p "$folder"
  echo "127.0.0.1 localhost" > "$folder/names"
  : > "$folder/hostfile"
  for ((i = 1; i <= $1; ++i)); do
    echo "192.0.2.$i h$i" >> "$folder/names"
    echo "h$i slots=2" >> "$folder/hostfile"
  done
  # What mpirun starts its daemons with, in place of ssh: HOST COMMAND, the command for a shell.
  printf '#!/bin/sh\nhost=$1\nshift\nexec %q %q on "$host" sh -c "$*"\n' "$(realpath "$0")" "$folder" > "$folder/enter"
  chmod +x "$folder/enter"

  # A namespace lives as long as a process in it; all streams away, or whoever reads our output waits for these.
  unshare --net sleep infinity < /dev/null > /dev/null 2>&1 &
  echo $! > "$folder/switch.pid"
  for ((i = 1; i <= $1; ++i)); do
    mkdir -p "$folder/own"
    unshare --mount --propagation private --uts --net --ipc sleep infinity < /dev/null > /dev/null 2>&1 &
    echo $! > "$folder/h$i.pid"
  done
  # Until unshare has become what it runs, these are still the namespaces of this machine.
  for file in "$folder"/*.pid; do
    until [ "$(cat "/proc/$(cat "$file")/comm")" = sleep ]; do sleep 0.05; done
  done
  local switch
  switch=$(cat "$folder/switch.pid")
  nsenter --target "$switch" --net ip link add switch type bridge || { down; exit 77; }
  nsenter --target "$switch" --net ip link set switch up
  for ((i = 1; i <= $1; ++i)); do
    nsenter --target "$switch" --net ip link add "h$i" type veth peer name card netns "$(keeper "h$i")" || { down; exit 77; }
    nsenter --target "$switch" --net ip link set "h$i" master switch up
    nsenter --target "$(keeper "h$i")" --mount --uts --net --ipc sh -e -c "
      hostname h$i
      mount --bind '$folder/names' /etc/hosts
      mount -t tmpfs tmpfs /dev/shm
      mount -t tmpfs tmpfs '$folder/own'
      ip link set lo up
      ip address add 192.0.2.$i/24 dev card
      ip link set card up"
  done
}

down() {
  local file space pid
  for file in "$folder"/h*.pid; do
    [ -f "$file" ] || continue
    # Whatever still runs on the host is in its network.
    space=$(readlink "/proc/$(cat "$file")/ns/net" || true)
    for pid in /proc/[0-9]*; do
      [ -z "$space" ] || [ "$(readlink "$pid/ns/net" 2> /dev/null)" != "$space" ] || kill -KILL "${pid#/proc/}" || true
    done
  done
  [ ! -f "$folder/switch.pid" ] || kill -KILL "$(cat "$folder/switch.pid")" 2> /dev/null || true
  rm -f "$folder"/*.pid
}

case $verb in
  up) up "$1" ;;
  on) enter "$@" ;;
  down) down ;;
  *) exit 2 ;;
esac
