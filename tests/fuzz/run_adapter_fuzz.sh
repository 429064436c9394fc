#!/bin/sh
# Builds the fuzzer of adapters' folders, what reads them with AddressSanitizer and UndefinedBehaviorSanitizer and the rest
# from a finished build, one without TEMPER_FILES_IN_UNIT and without CUDA, and runs it.
# Usage, from the root of the checkout:
#   tests/fuzz/run_adapter_fuzz.sh BUILD_FOLDER SECONDS SEED tests/fixtures/*-adapter
set -e
build=$1
seconds=$2
seed=$3
shift 3
root=$(pwd)
mkdir -p "$build/fuzz"
flags="-std=c++20 -O1 -g1 -ffp-contract=off -fsanitize=address,undefined -fno-sanitize-recover=all -I. -I$build/generated"
for source in model/adapters/lora.cpp model/adapters/peft_config.cpp model/adapters/peft_folder.cpp \
  model/adapters/python_pattern.cpp model/adapters/target_modules.cpp model/huggingface/safetensors.cpp \
  model/huggingface/json_object.cpp base/mapped_file.cpp; do
  echo "#include \"$source\""
done > "$build/fuzz/adapter_unit.cpp"
# shellcheck disable=SC2086
for source in "$build/fuzz/adapter_unit.cpp" tests/fuzz/adapter_fuzz.cpp; do
  ${COMPILER:-c++} $flags -c "$source" -o "$build/fuzz/$(basename "$source" .cpp).o"
done
c++ -fsanitize=address,undefined "$build/fuzz/adapter_fuzz.o" "$build/fuzz/adapter_unit.o" "$build/libtemper_model.a" \
  "$build/libtemper_tensor.a" "$build/libtemper_base.a" -o "$build/fuzz/adapter_fuzz" -ldnnl -lhwy -lgomp -licuuc -licui18n \
  -licudata -lfmt -lcrypto -lxxhash -lz -lpthread
for folder in "$@"; do
  case $folder in
    /*) set -- "$@" "$folder" ;;
    *) set -- "$@" "$root/$folder" ;;
  esac
  shift
done
cd "$build/fuzz"
exec ./adapter_fuzz "$seconds" "$seed" "$@"
