#!/bin/sh
# Builds the fuzzer of tokenizer.json with AddressSanitizer and UndefinedBehaviorSanitizer and runs it:
#   tests/fuzz/run_tokenizer_fuzz.sh SECONDS SEED TOKENIZER.json...
# COMPILER=c++ SANITIZE=address,undefined change the build; its objects stay in build/fuzz.
set -eu
root=$(cd "$(dirname "$0")/../.." && pwd)
build=$root/build/fuzz
mkdir -p "$build"
flags="-std=c++20 -O1 -g1 -fno-omit-frame-pointer -I$root"
[ "${SANITIZE-address,undefined}" = "" ] || flags="$flags -fsanitize=${SANITIZE-address,undefined} -fno-sanitize-recover=all"
ls "$root"/data/tokenizer/*.cpp "$root"/base/error*.cpp "$root"/base/digest.cpp "$root"/base/mapped_file.cpp \
   "$root"/base/nearest_name.cpp "$root"/base/name_list.cpp "$root"/base/regular_file.cpp "$root/tests/fuzz/tokenizer_fuzz.cpp" 2>/dev/null |
  while read -r source; do
    object=$build/$(basename "$source" .cpp).o
    [ "$object" -nt "$source" ] || echo "$source $object"
  done | xargs -r -n 2 -P 2 sh -c "${COMPILER:-c++} $flags -c \"\$0\" -o \"\$1\""
${COMPILER:-c++} $flags "$build"/*.o -lfmt -lxxhash -lcrypto -licuuc -licui18n -licudata -lpthread -o "$build/tokenizer_fuzz"
exec "$build/tokenizer_fuzz" "$@"
