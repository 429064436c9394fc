#!/bin/sh
# Builds the fuzzer of the GGUF reader with AddressSanitizer and UndefinedBehaviorSanitizer, and runs it.
# Usage, from the root of the checkout: tests/fuzz/run_gguf_fuzz.sh BUILD_FOLDER SECONDS SEED FILE.gguf...
set -e
build=$1
shift
mkdir -p "$build/fuzz"
flags="-std=c++20 -O1 -g -ffp-contract=off -fsanitize=address,undefined -fno-sanitize-recover=all -I. -I$build/generated"
objects=""
for source in base/build_id.cpp base/digest.cpp base/mapped_file.cpp base/nearest_name.cpp base/regular_file.cpp \
  base/partial_file.cpp data/tokenizer/*.cpp model/gguf/*.cpp model/huggingface/*.cpp \
  runtime/inputs/model_tokenizer.cpp tests/fuzz/gguf_fuzz.cpp; do
  object="$build/fuzz/$(echo "$source" | tr / _).o"
  if [ ! -e "$object" ] || [ "$source" -nt "$object" ]; then
    # shellcheck disable=SC2086
    ${CXX:-ccache g++} $flags -c "$source" -o "$object"
  fi
  objects="$objects $object"
done
# shellcheck disable=SC2086
g++ -fsanitize=address,undefined $objects -o "$build/fuzz/gguf_fuzz" -licuuc -licui18n -licudata -lfmt -lcrypto -lxxhash -lz
cd "$build/fuzz"
exec ./gguf_fuzz "$@"
