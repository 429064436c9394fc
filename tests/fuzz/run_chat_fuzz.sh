#!/bin/sh
# Builds the fuzzer of chat templates and conversations with AddressSanitizer and UndefinedBehaviorSanitizer and runs it:
#   tests/fuzz/run_chat_fuzz.sh SECONDS SEED TEMPLATE.jinja... ROWS.jsonl...
# COMPILER="ccache g++" changes the build; its objects stay in build/fuzz/chat, each of several sources.
set -eu
root=$(cd "$(dirname "$0")/../.." && pwd)
build=$root/build/fuzz/chat
mkdir -p "$build"
flags="-std=c++20 -O1 -g1 -fno-omit-frame-pointer -I$root -fsanitize=address,undefined -fno-sanitize-recover=all"
unite() { # NAME SOURCE...
  name=$1
  shift
  for source in "$@"; do echo "#include \"$source\""; done > "$build/$name.new"
  cmp -s "$build/$name.new" "$build/$name.cpp" || cp "$build/$name.new" "$build/$name.cpp"
  if [ ! -e "$build/$name.o" ] || [ -n "$(find "$root/data/jinja" "$root/data/chat" "$root/data/tables" "$root/tests/fuzz" \
    "$build/$name.cpp" -newer "$build/$name.o" \( -name '*.cpp' -o -name '*.h' \))" ]; then
    # shellcheck disable=SC2086
    ${COMPILER:-c++} $flags -c "$build/$name.cpp" -o "$build/$name.o"
  fi
}
cd "$root"
# shellcheck disable=SC2046
unite jinja $(ls data/jinja/[a-m]*.cpp)
# shellcheck disable=SC2046
unite more_jinja $(ls data/jinja/[n-z]*.cpp)
unite chat data/chat/json_value.cpp data/chat/conversation.cpp data/chat/chat_row.cpp data/tokenizer/utf8.cpp \
  base/name_list.cpp base/nearest_name.cpp data/tables/conversation_reader.cpp data/tables/json_text.cpp data/tables/table.cpp tests/fuzz/chat_fuzz.cpp
# shellcheck disable=SC2086
${COMPILER:-c++} -fsanitize=address,undefined "$build/jinja.o" "$build/more_jinja.o" "$build/chat.o" -o "$build/chat_fuzz" \
  -lfmt -licuuc -licui18n -licudata
cd "$build"
exec ./chat_fuzz "$@"
