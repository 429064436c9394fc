#!/usr/bin/env bash
# Temper against a PyTorch DDP program: the same image classifier trained with both, in turns, and one table. The work is
# done by compare_images.py; `bench/against_images.sh --help` lists the options.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)

if ! command -v python3 > /dev/null; then
  echo "against_images.sh: found no python3; install it (Debian: apt-get install python3 python3-venv)" >&2
  exit 2
fi
# mpirun refuses to run as root unless it is told to.
if ((EUID == 0)); then
  export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1
fi
exec python3 "$here/compare_images.py" "$@"
