#!/bin/sh
# Builds the fuzzer of chat templates and conversations with AddressSanitizer and UndefinedBehaviorSanitizer and runs it:
#   tests/fuzz/run_chat_fuzz.sh SECONDS SEED TEMPLATE.jinja... ROWS.jsonl...
# Its objects stay in build/fuzz/chat.
set -eu
root=$(cd "$(dirname "$0")/../.." && pwd)
build=$root/build/fuzz/chat
mkdir -p "$build"
flags="-std=c++20 -O1 -g1 -fno-omit-frame-pointer -I$root -fsanitize=address,undefined -fno-sanitize-recover=all"
objects=""
for source in "$root"/data/jinja/*.cpp "$root/data/chat/json_value.cpp" "$root/data/chat/conversation.cpp" \
  "$root/data/chat/chat_row.cpp" "$root/data/tokenizer/utf8.cpp" "$root/base/name_list.cpp" "$root/tests/fuzz/chat_fuzz.cpp"; do
  object="$build/$(basename "$source" .cpp).o"
  # shellcheck disable=SC2086
  if [ ! -e "$object" ] || [ "$source" -nt "$object" ]; then ${CXX:-g++} $flags -c "$source" -o "$object"; fi
  objects="$objects $object"
done
# shellcheck disable=SC2086
${CXX:-g++} -fsanitize=address,undefined $objects -o "$build/chat_fuzz" -lfmt -licuuc -licui18n -licudata
cd "$build"
exec ./chat_fuzz "$@"
