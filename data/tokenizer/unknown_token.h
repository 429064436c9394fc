// The token that stands for what a model does not know.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "data/tokenizer/json_node.h"
#include "data/tokenizer/vocabulary.h"

namespace temper {

class UnknownToken {
 public:
  /// Of the member unk_token of a model. It may be missing from the vocabulary until it is needed, as in the Hugging
  /// Face library.
  UnknownToken(const JsonNode& model, const Vocabulary& vocabulary);

  [[nodiscard]] bool is_named() const { return !name_.empty(); }
  /// Its id. Throws Error, naming the file and the word in which it is needed, if the vocabulary does not have it.
  [[nodiscard]] std::int32_t id(std::string_view word) const;

 private:
  std::string file_;
  std::string place_;
  std::string name_;
  std::optional<std::int32_t> id_;
};

}  // namespace temper
