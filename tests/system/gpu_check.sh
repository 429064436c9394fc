#!/usr/bin/env bash
# What only a GPU can tell: the tests of the CUDA device, whole runs, their bits, compute-sanitizer, and the benchmark.
#
#   tests/system/gpu_check.sh                     everything, in a checkout whose build has CUDA
#   tests/system/gpu_check.sh tests training      only these parts of: tests training sanitizer bench
#   tests/system/gpu_check.sh bundle FOLDER       gathers what a bare machine needs
#
# TEMPER_BUILD_DIR names the build; the default is build/release. The exit status is 0 only if nothing failed; what was
# skipped, and why, stands in the table at the end. Without a GPU it says so, and that is no failure.
#
# How to take it along to a machine that has an NVIDIA driver and little else (no MPI, HDF5, ICU, oneDNN or CUDA
# toolkit; Python with torch and transformers only if speeds are to be compared):
#
#   cmake --preset release && cmake --build --preset release      # here, with the CUDA toolkit
#   tests/system/gpu_check.sh bundle /tmp/temper-bundle
#   tar -C /tmp -czf temper-bundle.tar.gz temper-bundle           # about a gigabyte: cuBLASLt and NCCL are in it
#   scp temper-bundle.tar.gz there:
#   tar -xzf temper-bundle.tar.gz && temper-bundle/run.sh         # there; the arguments are those above
#
# There it needs bash, awk, sed and coreutils, and a C library at least as new as the one it was built with.
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
build=${TEMPER_BUILD_DIR:-$root/build/release}
build_remedy="build it (cmake --preset release && cmake --build --preset release), or name a build by TEMPER_BUILD_DIR"

stop() { # stop MESSAGE: wrong use, or something is missing
  echo "gpu_check.sh: $1" >&2
  exit 2
}

# ---- the bundle ------------------------------------------------------------------------------------------------------

# Belongs to the machine that it runs on: the C library in its parts, which go together, and the driver.
not_taken='^(ld-linux.*|lib(c|m|mvec|pthread|dl|rt|resolv|util|anl|nsl|nss_.*|thread_db|BrokenLocale)|libcuda|libnvidia-.*)\.so'

take_libraries() { # take_libraries FOLDER FILE...: what the files are linked with
  local into=$1 file name
  shift
  for file in "$@"; do ldd "$file"; done |
    awk '$2 == "=>" && $3 == "not" { print "not found here, so not taken: " $1 > "/dev/stderr" }
         $2 == "=>" && $3 ~ /^\// { print $3 }' | sort -u |
    while read -r file; do
      name=$(basename "$file")
      [[ $name =~ $not_taken || -e $into/$name ]] || cp -L "$file" "$into/$name"
    done
}

take_loaded_library() { # take_loaded_library FOLDER NAME-PATTERN CACHE-ENTRY: one that the program loads by itself
  local into=$1 pattern=$2 entry=$3 found=0 folder file
  folder=$(dirname "$(sed -n "s/^$entry:[A-Z]*=//p" "$build/CMakeCache.txt")")
  for file in "$folder"/*; do
    [[ $(basename "$file") =~ $pattern ]] || continue
    cp -L "$file" "$into/"
    take_libraries "$into" "$file"
    found=1
  done
  ((found)) || echo "not taken: found no $pattern in $folder ($entry of $build/CMakeCache.txt)" >&2
}

# A program runs with the libraries of the bundle, and so do the programs that it starts. Nothing else does: Python, say,
# is to have those of its machine.
write_starter() { # write_starter FILE PROGRAM UP: UP is the way from FILE's folder to the bundle
  mkdir -p "$(dirname "$1")"
  cat > "$1" << END
#!/bin/sh
here=\$(cd "\$(dirname "\$0")/$3" && pwd) || exit 1
export LD_LIBRARY_PATH="\$here/lib\${LD_LIBRARY_PATH:+:\$LD_LIBRARY_PATH}"
# PMIx looks for its compression where it was installed, and can do without.
export OPAL_PREFIX="\$here/openmpi" PMIX_MCA_pcompress_base_silence_warning=1
# One machine, perhaps without ssh, and no fabric; a container may forbid what the single copy needs.
export OMPI_MCA_plm=isolated OMPI_MCA_pml=ob1 OMPI_MCA_btl=self,vader,tcp OMPI_MCA_btl_vader_single_copy_mechanism=none
exec "\$here/programs/$2" "\$@"
END
  chmod +x "$1"
}

ompi_path() { ompi_info --parsable --path "$1" | sed -n "s/^path:$1://p"; }

take_openmpi() { # take_openmpi FOLDER
  local into=$1 prefix plugins data
  command -v ompi_info > /dev/null || stop "found no ompi_info; the bundle needs Open MPI's programs and plug-ins"
  prefix=$(ompi_path prefix)
  plugins=$(ompi_path pkglibdir)
  data=$(ompi_path pkgdatadir)
  [[ $plugins == "$prefix"/* && $data == "$prefix"/* ]] ||
    stop "Open MPI has its plug-ins in $plugins, outside of its prefix $prefix; the bundle could not move them"
  cp -L "$prefix/bin/orterun" "$into/programs/mpirun"
  cp -L "$prefix/bin/orted" "$into/programs/orted"
  mkdir -p "$into/openmpi/${plugins#"$prefix"/}" "$into/openmpi/${data#"$prefix"/}"
  cp -rL "$data/." "$into/openmpi/${data#"$prefix"/}"
  local plugin
  for plugin in "$plugins"/*.so; do
    # Those of fabrics would bring a dozen libraries along that ask for their hardware.
    case $(basename "$plugin") in
    *ucx* | *ofi* | *psm* | *openib* | *monitoring* | *debugger*) ;;
    *) cp -L "$plugin" "$into/openmpi/${plugins#"$prefix"/}" ;;
    esac
  done
  take_libraries "$into/lib" "$into/programs/mpirun" "$into/programs/orted" \
    "$into/openmpi/${plugins#"$prefix"/}"/*.so
  write_starter "$into/bin/mpirun" mpirun ..
  write_starter "$into/bin/orted" orted ..
}

take_sanitizer() { # take_sanitizer FOLDER
  local program folder
  program=$(sanitizer_program) || program=""
  # The toolkit's bin/ has a script; the program lies in a folder of its own, with its libraries.
  for folder in "$(dirname "$(readlink -f "${program:-/none/none}")")"{,/../compute-sanitizer}; do
    if compgen -G "$folder/libsanitizer-collection.so*" > /dev/null; then
      cp -rL "$folder" "$1/compute-sanitizer"
      return
    fi
  done
  echo "not taken: compute-sanitizer, which is not installed here; that part will be skipped" >&2
}

bundle() { # bundle FOLDER
  local into=$1 file shared
  for file in temper tests/gpu/gpu_tests; do
    [[ -x $build/$file ]] || stop "found no $build/$file; $build_remedy"
  done
  [[ ! -e $into || -z $(ls -A "$into") ]] || stop "$into: is there already and not empty"
  mkdir -p "$into/lib" "$into/programs"
  into=$(cd "$into" && pwd)
  cp -L "$build/temper" "$build/tests/gpu/gpu_tests" "$into/programs/"
  take_libraries "$into/lib" "$into/programs"/*
  take_loaded_library "$into/lib" '^libcublasLt\.so\.[0-9]+$' CUDA_cublasLt_LIBRARY
  take_loaded_library "$into/lib" '^libnccl\.so\.[0-9]+$' TEMPER_NCCL_LIBRARY
  take_openmpi "$into"
  # Laid out as a checkout with a build, so that every script finds its way.
  write_starter "$into/build/release/temper" temper ../..
  write_starter "$into/build/release/tests/gpu/gpu_tests" gpu_tests ../../../..
  mkdir -p "$into/tests/system"
  cp "$root/tests/system/gpu_check.sh" "$into/tests/system/"
  cp -r "$root/bench" "$into/bench"
  rm -rf "$into/bench/__pycache__"
  if [[ -d $root/models/all-MiniLM-L6-v2 ]]; then
    mkdir -p "$into/models"
    cp -rL "$root/models/all-MiniLM-L6-v2" "$into/models/"
  else
    echo "not taken: models/all-MiniLM-L6-v2, which quickstart.sh fetches; without it the benchmark has no model" >&2
  fi
  shared=${TEMPER_SHARED_DIR:-$root/../shared}
  if [[ -d $shared/fixtures ]]; then
    mkdir -p "$into/shared"
    cp -rL "$shared/fixtures" "$into/shared/"
  else
    echo "not taken: fixtures, of which there are none in $shared; their tests will be skipped" >&2
  fi
  take_sanitizer "$into"
  cat > "$into/run.sh" << 'END'
#!/usr/bin/env bash
# tests/system/gpu_check.sh with the programs, libraries and fixtures of this bundle, on a machine that has none of them.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
export PATH="$here/bin:$PATH" TEMPER_BUILD_DIR="$here/build/release"
[[ -n ${TEMPER_SHARED_DIR:-} || ! -d $here/shared ]] || export TEMPER_SHARED_DIR="$here/shared"
exec "$here/tests/system/gpu_check.sh" "$@"
END
  chmod +x "$into/run.sh"
  echo "$into: $(du -sh "$into" | cut -f1), $(find "$into/lib" -type f | wc -l) libraries; start it there by run.sh"
}

# ---- checks ----------------------------------------------------------------------------------------------------------

logs=""
limit=1200 # seconds of a program; whatever takes longer hangs
failures=0
summary=()

note_result() { # note_result RESULT SECONDS NAME NOTE
  summary+=("$(printf '%-8s %7s  %-46s %s' "$1" "$2" "$3" "$4")")
  printf '%-8s %s%s\n' "$1" "$3" "${4:+: $4}"
}

skip() { note_result skipped - "$1" "$2"; } # skip NAME REASON

# check NAME COMMAND...: the command's output goes to a log, its status decides. What it writes to $remark goes into the
# table.
check() {
  local name=$1 began=$SECONDS status=0
  shift
  log=$logs/${name//[^A-Za-z0-9]/-}.log
  remark=""
  printf '%-8s %s\n' running "$name"
  "$@" > "$log" 2>&1 || status=$?
  if ((status == 0)); then
    note_result passed $((SECONDS - began)) "$name" "$remark"
    return
  fi
  ((++failures))
  note_result failed $((SECONDS - began)) "$name" "${remark:+$remark; }see $log"
  tail -n 25 "$log" | sed 's/^/         | /'
}

gpus() { # the number of GPUs in this machine
  if command -v nvidia-smi > /dev/null; then nvidia-smi -L 2> /dev/null | grep -c '^GPU' || true; else echo 0; fi
}

on_ranks() { # on_ranks N COMMAND...
  local ranks=$1
  shift
  timeout "$limit" mpirun -n "$ranks" --oversubscribe --bind-to none "$@"
}

has_passed() { # has_passed COMMAND...: a test program, of which something must have run
  local status=0 passed skipped
  # mpirun gives its ranks what looks like a terminal.
  "$@" --gtest_color=no || status=$?
  passed=$(sed -n 's/^\[  PASSED  \] \([0-9]*\) tests\{0,1\}\..*/\1/p' "$log" | tail -n 1)
  skipped=$(sed -n 's/^\[  SKIPPED \] \([0-9]*\) tests\{0,1\}, listed below.*/\1/p' "$log" | tail -n 1)
  remark="${passed:-0} passed${skipped:+, $skipped skipped}"
  ((status == 0 && ${passed:-0} > 0))
}

sees_gpus() { # the program itself can use what the driver shows
  "$temper" version || return
  local seen
  seen=$("$temper" version --json | sed -n 's/.*"gpus":\([0-9]*\).*/\1/p')
  remark="${seen:-0} of $gpu_count"
  ((${seen:-0} > 0))
}

# ---- training --------------------------------------------------------------------------------------------------------

# A tokenizer whose words are the letters: small enough for the vocabulary of any model.
write_letter_tokenizer() { # write_letter_tokenizer FILE
  local vocabulary='"[PAD]":0,"[UNK]":1,"[CLS]":2,"[SEP]":3,"[MASK]":4' added="" id=5 letter token
  for letter in {a..z}; do
    vocabulary+=",\"$letter\":$id"
    ((++id))
  done
  id=0
  for token in PAD UNK CLS SEP MASK; do
    added+="${added:+,}{\"id\":$id,\"content\":\"[$token]\",\"single_word\":false,\"lstrip\":false,\"rstrip\":false,"
    added+="\"normalized\":false,\"special\":true}"
    ((++id))
  done
  cat > "$1" << END
{"version":"1.0","truncation":null,"padding":null,"added_tokens":[$added],
 "normalizer":{"type":"BertNormalizer","clean_text":true,"handle_chinese_chars":true,"strip_accents":null,"lowercase":true},
 "pre_tokenizer":{"type":"BertPreTokenizer"},
 "post_processor":{"type":"TemplateProcessing",
  "single":[{"SpecialToken":{"id":"[CLS]","type_id":0}},{"Sequence":{"id":"A","type_id":0}},{"SpecialToken":{"id":"[SEP]","type_id":0}}],
  "pair":[{"SpecialToken":{"id":"[CLS]","type_id":0}},{"Sequence":{"id":"A","type_id":0}},{"SpecialToken":{"id":"[SEP]","type_id":0}},{"Sequence":{"id":"B","type_id":1}},{"SpecialToken":{"id":"[SEP]","type_id":1}}],
  "special_tokens":{"[CLS]":{"id":"[CLS]","ids":[2],"tokens":["[CLS]"]},"[SEP]":{"id":"[SEP]","ids":[3],"tokens":["[SEP]"]}}},
 "decoder":{"type":"WordPiece","prefix":"##","cleanup":true},
 "model":{"type":"WordPiece","unk_token":"[UNK]","continuing_subword_prefix":"##","max_input_chars_per_word":100,"vocab":{$vocabulary}}}
END
}

# Writes the rows and a model to train. Fails where there is none.
prepare_training() {
  local shared=${TEMPER_SHARED_DIR:-$root/../shared}
  local fixture=$shared/fixtures/models/bert-classification
  if [[ -f $root/models/all-MiniLM-L6-v2/model.safetensors ]]; then
    model=$root/models/all-MiniLM-L6-v2
  elif [[ -f $fixture/model.safetensors ]]; then
    model=$logs/model
    mkdir -p "$model"
    cp "$fixture/config.json" "$fixture/model.safetensors" "$model/"
    write_letter_tokenizer "$model/tokenizer.json"
  else
    return 1
  fi
  echo "training runs on $model"
  # Texts of 1 to 30 letters; the label is whether the first comes early in the alphabet.
  awk 'BEGIN {
    srand(1); print "text,label"
    for (row = 0; row < 400; ++row) {
      first = int(26 * rand()); text = sprintf("%c", 97 + first)
      for (more = int(30 * rand()); more > 0; --more) text = text " " sprintf("%c", 97 + int(26 * rand()))
      print text "," (first < 13 ? "early" : "late")
    }
  }' > "$logs/rows.csv"
}

# trained NAME RANKS [--set KEY=VALUE]...: a short run on GPUs, and the digest of the model it exports, in $digest
trained() {
  local name=$1 ranks=$2 launcher=(timeout "$limit")
  shift 2
  ((ranks == 1)) || launcher=(on_ranks "$ranks")
  rm -rf "${logs:?}/$name"
  cat > "$logs/$name.toml" << END
[model]
path = "$model"
replace_head = true
dropout = 0.1
[data]
train = "$logs/rows.csv"
max_length = 40
cache = false
[train]
max_steps = 12
batch_size = 32
learning_rate = 1e-3
grains = 4
[checkpoint]
resume = false
[output]
dir = "$logs/$name"
tensorboard = false
[run]
device = "cuda"
END
  "${launcher[@]}" "$temper" train "$logs/$name.toml" "$@" && digest=$(sha256sum < "$logs/$name/model/model.safetensors")
}

same_bits_again() { # same_bits_again PRECISION
  local set_precision=(--set "train.precision=$1") first
  trained "$1-first" 1 "${set_precision[@]}" || return
  first=$digest
  trained "$1-second" 1 "${set_precision[@]}" || return
  remark=${first:0:12}
  [[ $digest == "$first" ]]
}

# Against the run of same_bits_again. $3 is what the run must, or must not, say about NCCL.
same_bits_on_ranks() { # same_bits_on_ranks PRECISION RANKS nccl|mpi
  local first says=0
  first=$(sha256sum < "$logs/$1-first/model/model.safetensors") || return
  trained "$1-$2-ranks" "$2" --set "train.precision=$1" || return
  grep -q "through the hosts' memory and MPI" "$log" && says=1
  remark=${digest:0:12}
  if [[ $3 == mpi ]] && ((!says)); then remark="the run does not say that it falls back to MPI"; fi
  if [[ $3 == nccl ]] && ((says)); then remark="the run fell back to MPI"; fi
  [[ $digest == "$first" && $says == $([[ $3 == mpi ]] && echo 1 || echo 0) ]]
}

# ---- the parts -------------------------------------------------------------------------------------------------------

# What can run where ranks share a GPU, which NCCL refuses.
without_nccl='WaysAndGrains/GpuExchange.*/host_*:*FixtureParity*'

part_tests() {
  check "gpu_tests" has_passed timeout "$limit" "$gpu_tests"
  if ! command -v mpirun > /dev/null; then
    skip "gpu_tests on several ranks" "found no mpirun"
  elif ((gpu_count > 1)); then
    check "gpu_tests on $gpu_count ranks" has_passed on_ranks "$gpu_count" "$gpu_tests"
  else
    skip "gpu_tests over NCCL" "it takes more than one GPU"
    check "gpu_tests on 2 ranks that share a GPU" has_passed on_ranks 2 "$gpu_tests" "--gtest_filter=$without_nccl"
  fi
}

part_training() {
  if ! prepare_training; then
    skip "training" "found neither models/all-MiniLM-L6-v2 nor the fixtures (TEMPER_SHARED_DIR)"
    return
  fi
  local precision
  for precision in f32 bf16; do
    check "the same bits twice, $precision" same_bits_again "$precision"
    if ! command -v mpirun > /dev/null; then
      skip "the same bits on several ranks, $precision" "found no mpirun"
    elif ((gpu_count > 1)); then
      check "the same bits on $gpu_count ranks, $precision" same_bits_on_ranks "$precision" "$gpu_count" nccl
    else
      check "the same bits on 2 ranks of one GPU, $precision" same_bits_on_ranks "$precision" 2 mpi
    fi
  done
}

sanitizer_program() {
  local compiler place
  compiler=$(sed -n 's/^CMAKE_CUDA_COMPILER:[A-Z]*=//p' "$build/CMakeCache.txt" 2> /dev/null || true)
  for place in "$(command -v compute-sanitizer || true)" "$root/compute-sanitizer/compute-sanitizer" \
    "$(dirname "${compiler:-/none/none}")/compute-sanitizer" "${CUDA_HOME:-/usr/local/cuda}/bin/compute-sanitizer"; do
    if [[ -n $place && -x $place ]]; then
      echo "$place"
      return
    fi
  done
  return 1
}

# It makes kernels ten to a hundred times slower: no whole runs, and for races only kernels that share memory in a block.
part_sanitizer() {
  local sanitizer
  if ! sanitizer=$(sanitizer_program); then
    skip "compute-sanitizer" "it is not installed (it comes with the CUDA toolkit)"
    return
  fi
  local common=(timeout "$limit" "$sanitizer" --target-processes all --error-exitcode 99 --print-limit 20)
  check "compute-sanitizer memcheck" has_passed "${common[@]}" --tool memcheck --track-stream-ordered-races all \
    "$gpu_tests" '--gtest_filter=Gpu/*:Gpu*Test.*:*FixtureParity.GradientsMatchPyTorch*'
  check "compute-sanitizer racecheck" has_passed "${common[@]}" --tool racecheck "$gpu_tests" \
    '--gtest_filter=Gpu/*Attention*:Gpu/*LayerNorm*:Gpu/*CrossEntropy*:Gpu/*Embedding*:Gpu/*Backward*:GpuReductionTest.*'
}

bench_says() { # the benchmark's table is wanted on the screen, too
  "$root/bench/gpu.sh" --temper "$temper" | tee "$logs/bench.txt"
}

part_bench() {
  if ! command -v python3 > /dev/null; then
    skip "bench/gpu.sh" "found no python3"
    return
  fi
  if [[ ! -d $root/models/all-MiniLM-L6-v2 && ! -d $root/build/bench-models ]]; then
    skip "bench/gpu.sh" "found no models/all-MiniLM-L6-v2, which quickstart.sh fetches"
    return
  fi
  check "bench/gpu.sh" bench_says
  local line
  while IFS= read -r line; do skip "bench/gpu.sh, in part" "${line#skipped: }"; done < <(grep -E '^skipped|measured alone' "$log" || true)
  sed 's/^/  /' "$logs/bench.txt"
}

main() {
  local parts=("$@") part
  ((${#parts[@]})) || parts=(tests training sanitizer bench)
  for part in "${parts[@]}"; do
    [[ $part =~ ^(tests|training|sanitizer|bench)$ ]] || stop "'$part' is no part; expected tests, training, sanitizer or bench"
  done
  gpu_count=$(gpus)
  if ((gpu_count == 0)); then
    echo "skipped: no GPU (nvidia-smi shows none); nothing was checked"
    return
  fi
  temper=$build/temper
  gpu_tests=$build/tests/gpu/gpu_tests
  for part in "$temper" "$gpu_tests"; do [[ -x $part ]] || stop "found no $part; $build_remedy"; done
  # mpirun refuses to run as root unless it is told to.
  if ((EUID == 0)); then export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1; fi
  mkdir -p "$root/build"
  logs=$(mktemp -d "$root/build/gpu-check.XXXXXX")
  nvidia-smi --query-gpu=index,name,driver_version,memory.total --format=csv,noheader
  check "temper sees the GPUs" sees_gpus
  if ((failures == 0)); then
    for part in "${parts[@]}"; do "part_$part"; done
  else
    skip "everything else" "the program cannot use the GPU"
  fi
  printf '\n%-8s %7s  %-46s %s\n' result seconds what ''
  printf '%s\n' "${summary[@]}"
  echo
  if ((failures)); then
    echo "$failures failed; the logs are in $logs"
    return 1
  fi
  echo "nothing failed; the logs are in $logs"
}

case ${1:-} in
-h | --help) sed -n '2,/^set -/{/^set -/d;s/^# \{0,1\}//;p}' "${BASH_SOURCE[0]}" ;;
bundle)
  (($# == 2)) || stop "expected: gpu_check.sh bundle FOLDER"
  bundle "$2"
  ;;
*) main "$@" ;;
esac
