// Changes GGUF files at random and reads them with everything that reads GGUF: each must be read or refused with an
// Error. Built apart from the tests, with sanitizers (tests/fuzz/run_gguf_fuzz.sh); a file that brings it down is left
// in the working folder as "crash.gguf", and belongs into tests/fuzz/gguf. Usage: gguf_fuzz SECONDS SEED FILE...
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <random>
#include <string>
#include <vector>

#include "base/error.h"
#include "data/tokenizer/ggml_vocabulary.h"
#include "model/gguf/dequantize.h"
#include "model/huggingface/gguf_model.h"
#include "model/huggingface/weight_files.h"
#include "runtime/inputs/model_tokenizer.h"
#include "tests/fuzz/fuzz_program.h"

namespace temper {
namespace {

using Bytes = std::string;

Bytes read_bytes(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

/// Numbers that a reader is most likely to trip over.
constexpr std::uint64_t kTemptations[] = {0,          1,          2,          31,         32,         33,
                                          127,        128,        255,        256,        0x7fffffff, 0x80000000,
                                          0xffffffff, 1ULL << 32, 1ULL << 40, 1ULL << 62, 1ULL << 63, ~0ULL};

void change(Bytes& bytes, const std::vector<Bytes>& corpus, std::mt19937_64& random) {
  // Most of what a reader decides on lies in the header.
  const std::size_t reach = random() % 4 == 0 ? bytes.size() : std::min<std::size_t>(bytes.size(), 4096);
  if (reach == 0) return;
  const std::size_t at = random() % reach;
  switch (random() % 8) {
    case 0:
      bytes[at] = static_cast<char>(random());
      break;
    case 1:
      bytes[at] = static_cast<char>(bytes[at] ^ (1 << (random() % 8)));
      break;
    case 2:
    case 3: {
      const std::uint64_t number = kTemptations[random() % std::size(kTemptations)];
      const std::size_t width = random() % 2 == 0 ? 4 : 8;
      std::memcpy(bytes.data() + at, &number, std::min(width, bytes.size() - at));
      break;
    }
    case 4:
      bytes.resize(at);
      break;
    case 5:
      bytes.erase(at, 1 + random() % 16);
      break;
    case 6:
      bytes.insert(at, bytes.substr(random() % reach, 1 + random() % 64));
      break;
    default: {
      const Bytes& other = corpus[random() % corpus.size()];
      if (other.empty()) break;
      const std::size_t from = random() % other.size();
      const std::size_t count = std::min<std::size_t>(1 + random() % 256, other.size() - from);
      bytes.replace(at, count, other.substr(from, count));
    }
  }
}

/// Whether everything in it could be read.
bool read_all(const std::filesystem::path& path) {
  try {
    GgufModel model(path);
    (void)model.config_json();
    Tokenizer::from_file(read_model_tokenizer(path).file)->encode_plain("it's 2 apples");
    for (const TensorFile& file : model.take_weights())
      for (const auto& [name, tensor] : file.tensors) {
        std::vector<float> values(static_cast<std::size_t>(element_count(tensor.shape).value_or(0)));
        to_f32(tensor, values);
      }
    return true;
  } catch (const Error&) {
    return false;
  }
}

int fuzz(double seconds, std::uint64_t seed, const std::vector<std::filesystem::path>& files) {
  std::vector<Bytes> corpus;
  for (const std::filesystem::path& file : files) corpus.push_back(read_bytes(file));
  std::mt19937_64 random(seed);
  const std::filesystem::path path = "crash.gguf";
  std::uint64_t tried = 0;
  std::uint64_t accepted = 0;
  while (processor_seconds() < seconds) {
    Bytes bytes = corpus[random() % corpus.size()];
    for (std::uint64_t changes = 1 + random() % 4; changes > 0; --changes) change(bytes, corpus, random);
    std::ofstream(path, std::ios::binary).write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
    accepted += read_all(path) ? 1 : 0;
    ++tried;
  }
  std::filesystem::remove(path);
  std::printf("%llu files, %llu of them read, the others refused\n", static_cast<unsigned long long>(tried),
              static_cast<unsigned long long>(accepted));
  return 0;
}

}  // namespace
}  // namespace temper

int main(int count, char** arguments) { return temper::fuzz_main(count, arguments, "gguf_fuzz", temper::fuzz); }
