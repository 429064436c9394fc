// Changes tokenizer.json files at random, reads them, and encodes and decodes texts with what can be read: each must be
// read or refused with an Error, and so must each text. Built apart from the tests, with sanitizers
// (tests/fuzz/run_tokenizer_fuzz.sh); what brings it down is left in the working folder as "crash-tokenizer.json" and
// "crash-text", and belongs into tests/fuzz/tokenizer. Usage: tokenizer_fuzz SECONDS SEED FILE...
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <nlohmann/json.hpp>
#include <random>
#include <string>
#include <vector>

#include "base/error.h"
#include "data/tokenizer/tokenizer.h"
#include "data/tokenizer/utf8.h"
#include "tests/fuzz/fuzz_program.h"

namespace temper {
namespace {

using Random = std::mt19937_64;
using Json = nlohmann::json;

constexpr const char* kFile = "crash-tokenizer.json";
constexpr const char* kText = "crash-text";

std::string read_bytes(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

void write_bytes(const char* path, const std::string& bytes) { std::ofstream(path, std::ios::binary) << bytes; }

/// Changes of bytes find what the parser trips over.
void change_bytes(std::string& bytes, Random& random) {
  for (std::uint64_t changes = 1 + random() % 4; changes > 0 && !bytes.empty(); --changes) {
    const std::size_t at = random() % bytes.size();
    switch (random() % 5) {
      case 0:
        bytes[at] = static_cast<char>(random());
        break;
      case 1:
        bytes.erase(at, 1 + random() % 8);
        break;
      case 2:
        bytes.insert(at, std::string(1 + random() % 40, "[{\"0\\,}]"[random() % 8]));
        break;
      case 3:
        bytes.resize(at);
        break;
      default:
        bytes.insert(at, bytes.substr(random() % bytes.size(), 1 + random() % 64));
    }
  }
}

void collect(Json& node, std::vector<Json*>& nodes) {
  nodes.push_back(&node);
  if (!node.is_structured()) return;
  std::size_t taken = 0;  // of a vocabulary, the first entries stand for all
  for (Json& child : node) {
    if (++taken > 40) return;
    collect(child, nodes);
  }
}

/// Changes of values keep it JSON, and find what the parts of a tokenizer trip over. `other`: where values come from.
void change_values(Json& document, Json& other, Random& random) {
  for (std::uint64_t changes = random() % 8 == 0 ? 3 : 1; changes > 0; --changes) {
    std::vector<Json*> nodes;
    collect(document, nodes);
    std::vector<Json*> donors;
    collect(other, donors);
    Json& node = *nodes[random() % nodes.size()];
    const Json odd[] = {Json(),
                        Json(true),
                        Json(-1),
                        Json(1ULL << 40),
                        Json(16777215),
                        Json(0.5),
                        Json(""),
                        Json(" "),
                        Json("\xE2\x96\x81"),
                        Json(Json::array()),
                        Json(Json::object()),
                        Json("(a|aa)*+\\p{L}{2,}(?<!x)"),
                        Json("Sequence"),
                        Json("<0x41>"),
                        Json(std::string(70, '(')),
                        Json("\xCC\x81")};
    if (random() % 2 == 0)
      node = odd[random() % std::size(odd)];
    else
      node = Json(*donors[random() % donors.size()]);
  }
}

std::string odd_text(Random& random) {
  static const std::string kPieces[] = {"the ",
                                        "'s",
                                        "  ",
                                        "\n\n",
                                        "\r",
                                        "123",
                                        "\xE2\x96\x81",
                                        "\xC3\xA9",
                                        "e\xCC\x81",
                                        "\xF0\x9F\x91\xA9\xE2\x80\x8D\xF0\x9F\x91\xA7",
                                        "\xE4\xB8\xAD",
                                        "[MASK]",
                                        "<s>",
                                        "<|endoftext|>",
                                        "\xEF\xBF\xBD",
                                        "\xE0\xB8\x81\xE0\xB8\xB3",
                                        "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
                                        "."};
  std::string text;
  for (std::uint64_t pieces = random() % 30; pieces > 0; --pieces) text += kPieces[random() % std::size(kPieces)];
  if (random() % 3 == 0) change_bytes(text, random);
  return random() % 2 == 0 ? replace_invalid_utf8(text) : text;
}

/// Whether the file could be read.
bool try_file(const std::string& bytes, Random& random) {
  write_bytes(kFile, bytes);
  try {
    const std::unique_ptr<Tokenizer> tokenizer = Tokenizer::load(kFile);
    for (int i = 0; i < 8; ++i) {
      const std::string text = odd_text(random);
      write_bytes(kText, text);
      try {
        const Encoding encoding = tokenizer->encode(text, 1 + random() % 64);
        tokenizer->decode(encoding.ids, random() % 2 == 0);
        tokenizer->encode_pair(text, odd_text(random), 3 + random() % 64);
        std::vector<std::int32_t> ids;
        for (int k = 0; k < 20; ++k) ids.push_back(static_cast<std::int32_t>(random() % 5000) - 100);
        tokenizer->decode(ids, false);
      } catch (const Error&) {
      }
    }
  } catch (const Error&) {
    return false;
  }
  return true;
}

int run(int argc, char** argv) {
  const double seconds = std::atof(argv[1]);
  Random random(std::strtoull(argv[2], nullptr, 10));
  std::vector<std::string> corpus;
  std::vector<Json> documents;
  for (int i = 3; i < argc; ++i) {
    corpus.push_back(read_bytes(argv[i]));
    documents.push_back(Json::parse(corpus.back(), nullptr, /*allow_exceptions=*/false));
  }
  std::uint64_t tried = 0;
  std::uint64_t read = 0;
  while (processor_seconds() < seconds) {
    const std::size_t which = random() % corpus.size();
    std::string bytes = corpus[which];
    if (random() % 4 == 0) {
      change_bytes(bytes, random);
    } else if (!documents[which].is_discarded()) {
      Json document = documents[which];
      Json other = documents[random() % documents.size()];
      change_values(document, other, random);
      bytes = document.dump(-1, ' ', false, Json::error_handler_t::replace);
    }
    ++tried;
    read += try_file(bytes, random) ? 1 : 0;
  }
  std::remove(kFile);
  std::remove(kText);
  std::printf("%llu files tried, %llu of them read\n", static_cast<unsigned long long>(tried),
              static_cast<unsigned long long>(read));
  return 0;
}

}  // namespace
}  // namespace temper

int main(int argc, char** argv) {
  if (argc < 4) {
    std::fprintf(stderr, "usage: tokenizer_fuzz SECONDS SEED FILE...\n");
    return 2;
  }
  return temper::run(argc, argv);
}
