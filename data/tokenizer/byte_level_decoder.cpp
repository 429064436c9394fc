#include "data/tokenizer/byte_alphabet.h"
#include "data/tokenizer/decoder.h"
#include "data/tokenizer/utf8.h"

namespace temper {
namespace {

class ByteLevelDecoder : public Decoder {
 public:
  [[nodiscard]] std::vector<std::string> decode(std::vector<std::string> tokens) const override {
    std::string bytes;
    for (const std::string& token : tokens) {
      // A token outside the alphabet, such as an added one with a space in it, stands for itself.
      const std::optional<std::string> meant = alphabet_.bytes(token);
      bytes += meant ? *meant : token;
    }
    return {replace_invalid_utf8(bytes)};
  }

 private:
  ByteAlphabet alphabet_;
};

}  // namespace

std::unique_ptr<Decoder> make_byte_level_decoder(const JsonNode& /*node*/) {
  return std::make_unique<ByteLevelDecoder>();
}

}  // namespace temper
