#include <utility>

#include "data/tokenizer/decoder.h"

namespace temper {
namespace {

class BpeDecoder : public Decoder {
 public:
  explicit BpeDecoder(std::string suffix) : suffix_(std::move(suffix)) {}

  [[nodiscard]] std::vector<std::string> decode(std::vector<std::string> tokens) const override {
    if (suffix_.empty()) return tokens;
    for (std::size_t i = 0; i < tokens.size(); ++i) replace_text(tokens[i], suffix_, i + 1 < tokens.size() ? " " : "");
    return tokens;
  }

 private:
  std::string suffix_;
};

}  // namespace

std::unique_ptr<Decoder> make_bpe_decoder(const JsonNode& node) {
  return std::make_unique<BpeDecoder>(node.text_or("suffix", "</w>"));
}

}  // namespace temper
