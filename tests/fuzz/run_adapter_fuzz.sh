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
. tests/fuzz/build_unit.sh
build_unit adapter model/adapters/lora.cpp model/adapters/peft_config.cpp model/adapters/peft_folder.cpp \
  model/adapters/python_pattern.cpp model/adapters/target_modules.cpp model/huggingface/safetensors.cpp \
  model/huggingface/json_object.cpp base/mapped_file.cpp
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
