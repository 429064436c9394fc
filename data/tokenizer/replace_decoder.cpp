#include <utility>

#include "data/tokenizer/decoder.h"
#include "data/tokenizer/expression.h"

namespace temper {
namespace {

class ReplaceDecoder : public Decoder {
 public:
  ReplaceDecoder(std::unique_ptr<Expression> pattern, std::string content)
      : pattern_(std::move(pattern)), content_(std::move(content)) {}

  [[nodiscard]] std::vector<std::string> decode(std::vector<std::string> tokens) const override {
    std::vector<TextSpan> matches;
    std::string replaced;
    for (std::string& token : tokens) {
      pattern_->find_all(token, matches);
      if (matches.empty()) continue;
      replace_spans(token, matches, content_, replaced);
      token = replaced;
    }
    return tokens;
  }

 private:
  std::unique_ptr<Expression> pattern_;
  std::string content_;
};

}  // namespace

std::unique_ptr<Decoder> make_replace_decoder(const JsonNode& node) {
  return std::make_unique<ReplaceDecoder>(make_pattern(node.member("pattern")), node.member("content").text());
}

}  // namespace temper
