#!/bin/sh
# build_unit NAME SOURCE...: compiles these sources as one, and tests/fuzz/NAME_fuzz.cpp, with AddressSanitizer and
# UndefinedBehaviorSanitizer into $build/fuzz. Read by the scripts of fuzzers that take the rest from a finished build.
build_unit() {
  name=$1
  shift
  mkdir -p "$build/fuzz"
  flags="-std=c++20 -O1 -g1 -ffp-contract=off -fsanitize=address,undefined -fno-sanitize-recover=all -I. -I$build/generated"
  for source in "$@"; do echo "#include \"$source\""; done > "$build/fuzz/${name}_unit.cpp"
  for source in "$build/fuzz/${name}_unit.cpp" "tests/fuzz/${name}_fuzz.cpp"; do
    # shellcheck disable=SC2086
    ${COMPILER:-c++} $flags -c "$source" -o "$build/fuzz/$(basename "$source" .cpp).o"
  done
}
