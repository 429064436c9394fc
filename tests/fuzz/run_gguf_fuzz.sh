#!/bin/sh
# Builds the fuzzer of the GGUF reader, what reads GGUF with AddressSanitizer and UndefinedBehaviorSanitizer and the rest
# from a finished build, one without TEMPER_FILES_IN_UNIT, and runs it.
# Usage, from the root of the checkout: tests/fuzz/run_gguf_fuzz.sh BUILD_FOLDER SECONDS SEED FILE.gguf...
set -e
build=$1
shift
. tests/fuzz/build_unit.sh
build_unit gguf model/gguf/gguf_file.cpp model/gguf/gguf_metadata.cpp model/gguf/ggml_type.cpp model/gguf/dequantize.cpp \
  model/huggingface/gguf_model.cpp model/huggingface/gguf_config.cpp model/huggingface/gguf_rope.cpp \
  model/huggingface/gguf_form.cpp model/huggingface/gguf_architecture.cpp model/huggingface/weight_files.cpp \
  data/tokenizer/ggml_vocabulary.cpp runtime/inputs/model_tokenizer.cpp base/mapped_file.cpp
c++ -fsanitize=address,undefined "$build/fuzz/gguf_fuzz.o" "$build/fuzz/gguf_unit.o" "$build/libtemper_data.a" \
  "$build/libtemper_model.a" "$build/libtemper_tensor.a" "$build/libtemper_base.a" -o "$build/fuzz/gguf_fuzz" -ldnnl -lhwy \
  -lgomp -licuuc -licui18n -licudata -lfmt -lcrypto -lxxhash -lz
cd "$build/fuzz"
exec ./gguf_fuzz "$@"
