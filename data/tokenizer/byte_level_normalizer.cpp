#include "data/tokenizer/byte_alphabet.h"
#include "data/tokenizer/normalizer.h"

namespace temper {
namespace {

class ByteLevelNormalizer : public Normalizer {
 public:
  bool normalize(std::string_view text, std::string& normalized) const override {
    normalized.clear();
    alphabet_.append_characters(text, normalized);
    return true;
  }

 private:
  ByteAlphabet alphabet_;
};

}  // namespace

std::unique_ptr<Normalizer> make_byte_level_normalizer(const JsonNode& /*node*/) {
  return std::make_unique<ByteLevelNormalizer>();
}

}  // namespace temper
