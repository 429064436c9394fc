#!/bin/sh
# Builds the fuzzer of the GGUF reader, what reads GGUF with AddressSanitizer and UndefinedBehaviorSanitizer and the rest
# from a finished build, one without TEMPER_FILES_IN_UNIT, and runs it.
# Usage, from the root of the checkout: tests/fuzz/run_gguf_fuzz.sh BUILD_FOLDER SECONDS SEED FILE.gguf...
set -e
build=$1
shift
mkdir -p "$build/fuzz"
flags="-std=c++20 -O1 -g1 -ffp-contract=off -fsanitize=address,undefined -fno-sanitize-recover=all -I. -I$build/generated"
for source in model/gguf/gguf_file.cpp model/gguf/gguf_metadata.cpp model/gguf/ggml_type.cpp model/gguf/dequantize.cpp \
  model/huggingface/gguf_model.cpp model/huggingface/gguf_config.cpp model/huggingface/gguf_rope.cpp \
  model/huggingface/gguf_form.cpp model/huggingface/gguf_architecture.cpp model/huggingface/weight_files.cpp \
  data/tokenizer/ggml_vocabulary.cpp runtime/inputs/model_tokenizer.cpp base/mapped_file.cpp; do
  echo "#include \"$source\""
done > "$build/fuzz/gguf_unit.cpp"
# shellcheck disable=SC2086
for source in "$build/fuzz/gguf_unit.cpp" tests/fuzz/gguf_fuzz.cpp; do
  ${COMPILER:-c++} $flags -c "$source" -o "$build/fuzz/$(basename "$source" .cpp).o"
done
c++ -fsanitize=address,undefined "$build/fuzz/gguf_fuzz.o" "$build/fuzz/gguf_unit.o" "$build/libtemper_data.a" \
  "$build/libtemper_model.a" "$build/libtemper_base.a" -o "$build/fuzz/gguf_fuzz" -licuuc -licui18n -licudata -lfmt -lcrypto \
  -lxxhash -lz
cd "$build/fuzz"
exec ./gguf_fuzz "$@"
