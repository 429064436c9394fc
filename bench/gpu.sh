#!/usr/bin/env bash
# Temper against PyTorch on the same GPU: the same fine-tunes with both, in turns, and one table. The work is done by
# compare_gpu.py, which needs nothing but Python, and gpu_peer.py, which needs torch and transformers;
# `bench/gpu.sh --help` lists the options.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)

if ! command -v python3 > /dev/null; then
  echo "gpu.sh: found no python3; install it (Debian: apt-get install python3 python3-venv)" >&2
  exit 2
fi
exec python3 -B "$here/compare_gpu.py" "$@"
