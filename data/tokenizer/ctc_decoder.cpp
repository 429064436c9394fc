#include <utility>

#include "data/tokenizer/decoder.h"

namespace temper {
namespace {

class CtcDecoder : public Decoder {
 public:
  CtcDecoder(std::string padding, std::string between_words, bool cleanup)
      : padding_(std::move(padding)), between_words_(std::move(between_words)), cleanup_(cleanup) {}

  [[nodiscard]] std::vector<std::string> decode(std::vector<std::string> tokens) const override {
    std::vector<std::string> pieces;
    for (std::size_t i = 0; i < tokens.size(); ++i) {
      if (i > 0 && tokens[i] == tokens[i - 1]) continue;
      std::string piece = tokens[i];
      if (!padding_.empty()) replace_text(piece, padding_, "");
      if (cleanup_) {
        clean_up_english(piece);
        if (!between_words_.empty()) replace_text(piece, between_words_, " ");
      }
      if (!piece.empty()) pieces.push_back(std::move(piece));
    }
    return pieces;
  }

 private:
  std::string padding_;
  std::string between_words_;
  bool cleanup_;
};

}  // namespace

std::unique_ptr<Decoder> make_ctc_decoder(const JsonNode& node) {
  return std::make_unique<CtcDecoder>(node.text_or("pad_token", "<pad>"), node.text_or("word_delimiter_token", "|"),
                                      node.boolean_or("cleanup", true));
}

}  // namespace temper
