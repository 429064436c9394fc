#!/bin/sh
# Builds the fuzzer of pictures and what reads them with AddressSanitizer and UndefinedBehaviorSanitizer and runs it, in
# build/fuzz/pictures:
#   tests/fuzz/run_picture_fuzz.sh SECONDS SEED tests/data/pictures/picture_cases.json [PNG | JPEG | TIFF | DICOM | NIfTI ...]
set -eu
root=$(cd "$(dirname "$0")/../.." && pwd)
cases=$(realpath "$3")
seconds=$1
seed=$2
shift 3
cd "$root"
build=$root/build/fuzz/pictures
. tests/fuzz/build_unit.sh
# shellcheck disable=SC2046
build_unit picture $(ls data/pictures/*.cpp) data/tokenizer/base64.cpp base/mapped_file.cpp base/regular_file.cpp
mkdir -p "$build/$seed"
c++ -fsanitize=address,undefined "$build/fuzz/picture_fuzz.o" "$build/fuzz/picture_unit.o" -o "$build/$seed/picture_fuzz" \
  -ldcmjpeg -ldcmdata -loflog -lofstd -ltiff -ljpeg -lpng -lz -lfmt -lpthread
cd "$build/$seed"
# A reader may ask for more memory than there is: it is refused, as it would be without the sanitizer.
ASAN_OPTIONS=allocator_may_return_null=1 exec ./picture_fuzz "$seconds" "$seed" "$cases" "$@"
