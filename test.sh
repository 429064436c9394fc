#!/usr/bin/env bash
# Installs what is needed, builds everything and runs all tests. `./test.sh asan-ubsan` does so under the sanitizers.
set -euo pipefail
cd "$(dirname "$0")"
preset=${1:-release}

launch/install-dependencies.sh
cmake --preset "$preset" -DBUILD_TESTING=ON --log-level=WARNING
cmake --build --preset "$preset"
ctest --preset "$preset" --no-tests=error
