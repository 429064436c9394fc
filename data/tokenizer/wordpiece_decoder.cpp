#include <array>
#include <utility>

#include "data/tokenizer/decoder.h"

namespace temper {
namespace {

class WordPieceDecoder : public Decoder {
 public:
  WordPieceDecoder(std::string prefix, bool cleanup) : prefix_(std::move(prefix)), cleanup_(cleanup) {}

  [[nodiscard]] std::vector<std::string> decode(std::vector<std::string> tokens) const override {
    for (std::size_t i = 0; i < tokens.size(); ++i) {
      std::string& token = tokens[i];
      if (i > 0 && token.starts_with(prefix_)) {
        token.erase(0, prefix_.size());
      } else if (i > 0) {
        token.insert(0, 1, ' ');
      }
      if (cleanup_) clean_up_english(token);
    }
    return tokens;
  }

 private:
  std::string prefix_;
  bool cleanup_;
};

}  // namespace

void clean_up_english(std::string& piece) {
  constexpr std::array<std::pair<std::string_view, std::string_view>, 11> kReplacements{{{" .", "."},
                                                                                         {" ?", "?"},
                                                                                         {" !", "!"},
                                                                                         {" ,", ","},
                                                                                         {" ' ", "'"},
                                                                                         {" n't", "n't"},
                                                                                         {" 'm", "'m"},
                                                                                         {" do not", " don't"},
                                                                                         {" 's", "'s"},
                                                                                         {" 've", "'ve"},
                                                                                         {" 're", "'re"}}};
  for (const auto& [from, to] : kReplacements) replace_text(piece, from, to);
}

std::unique_ptr<Decoder> make_wordpiece_decoder(const JsonNode& node) {
  return std::make_unique<WordPieceDecoder>(node.text_or("prefix", "##"), node.boolean_or("cleanup", true));
}

}  // namespace temper
