#!/usr/bin/env bash
# Installs what is needed, builds everything and runs all tests. `./test.sh asan-ubsan` does so under the sanitizers.
set -euo pipefail
cd "$(dirname "$0")"
preset=${1:-release}

launch/install-dependencies.sh
options=(-DBUILD_TESTING=ON)
# The GPU's code is built too, also where the quickstart has left it out; sanitizers cannot follow nvcc.
[[ $preset == *san* ]] || options+=(-DTEMPER_CUDA=AUTO)
# A first build as in the quickstart, which proves that files compile together; under the sanitizers each is alone.
[[ $preset != release || -e build/release/CMakeCache.txt ]] || options+=(-DTEMPER_FILES_IN_UNIT=8)
cmake --preset "$preset" "${options[@]}" --log-level=WARNING
cmake --build --preset "$preset"
ctest --preset "$preset" --no-tests=error --parallel "$(nproc)"
