#include "base/error.h"
#include "data/tokenizer/token_model.h"
#include "data/tokenizer/unknown_token.h"

namespace temper {
namespace {

class WordLevel : public TokenModel {
 public:
  WordLevel(const JsonNode& node, const Vocabulary& vocabulary) : vocabulary_(vocabulary), unknown_(node, vocabulary) {}

  void append_ids(std::string_view word, std::vector<std::int32_t>& ids) const override {
    const std::optional<std::int32_t> id = vocabulary_.find(word);
    ids.push_back(id ? *id : unknown_.id(word));
  }

 private:
  const Vocabulary& vocabulary_;
  UnknownToken unknown_;
};

}  // namespace

std::unique_ptr<TokenModel> make_word_level(const TokenizerFile& /*file*/, const JsonNode& node,
                                            const Vocabulary& vocabulary) {
  return std::make_unique<WordLevel>(node, vocabulary);
}

}  // namespace temper
