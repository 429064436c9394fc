#!/usr/bin/env bash
# Installs what Temper needs to build, test and run on Debian 12. Runs nothing if all of it is there already.
set -euo pipefail

packages=(
  g++ cmake ninja-build ccache pkg-config git
  libopenmpi-dev openmpi-bin libhdf5-openmpi-dev
  libdnnl-dev libhwy-dev libcli11-dev libtomlplusplus-dev nlohmann-json3-dev
  libfmt-dev libicu-dev libxxhash-dev libssl-dev zlib1g-dev
  libpng-dev libjpeg62-turbo-dev libtiff-dev libdcmtk-dev
  libgtest-dev libbenchmark-dev
  python3 python3-pip unzip ca-certificates
)

missing=()
for package in "${packages[@]}"; do
  status=$(dpkg-query --show --showformat='${Status}' "$package" 2>/dev/null || true)
  [[ $status == "install ok installed" ]] || missing+=("$package")
done
if ((${#missing[@]} == 0)); then
  echo "All packages that Temper needs are installed."
  exit 0
fi

as_root=()
if ((EUID != 0)); then
  command -v sudo > /dev/null || {
    echo "Installing packages needs root: run this as root, or install sudo. Missing: ${missing[*]}" >&2
    exit 1
  }
  as_root=(sudo)
fi
echo "Installing: ${missing[*]}"
export DEBIAN_FRONTEND=noninteractive
"${as_root[@]}" apt-get update -qq
"${as_root[@]}" apt-get install -y -qq --no-install-recommends "${missing[@]}"
