// Which class of transformers reads the tokenizer of a model folder, and how that class builds it. Some take
// tokenizer.json as it is; others take its vocabulary alone and build everything around it from tokenizer_config.json
// and their own defaults. This file follows transformers 5.24; differences of 4.x are noted.
#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace temper {

enum class TokenizerBuild : std::uint8_t {
  as_stored,  ///< tokenizer.json as it is
  bert,       ///< WordPiece behind BERT's normalizer, [CLS] A [SEP] B [SEP]
  mpnet,      ///< the same, <s> A </s></s> B </s>
  roberta,    ///< byte-level BPE, <s> A </s></s> B </s>
  gpt2,       ///< byte-level BPE, special tokens as tokenizer.json says
};

/// A special token that a class has where no file names it.
struct DefaultToken {
  std::string_view key;  ///< "cls_token"
  std::string_view content;
  bool lstrip = false;
};

struct TokenizerClass {
  std::string name;  ///< without the ending "Fast"
  TokenizerBuild build = TokenizerBuild::as_stored;
  /// Whether the model is given the segments of tokens where `model_input_names` says nothing; else all are 0. Of
  /// classes that take tokenizer.json as it is, 4.x gave them.
  bool token_types = false;
  /// Takes tokenizer.json as it is, and transformers fails where its model is no Unigram.
  bool unigram = false;

  [[nodiscard]] std::span<const DefaultToken> default_tokens() const;
  /// The files that a tokenizer is made of where there is no tokenizer.json; none for classes that need it.
  [[nodiscard]] std::vector<std::string> vocabulary_files() const;
  /// The type of model in tokenizer.json that the class can build upon: "WordPiece", "BPE", "Unigram"; empty: any.
  [[nodiscard]] std::string_view model_type() const;
};

/// The class that AutoTokenizer takes: the one that tokenizer_config.json names, or config.json, or that of the
/// model_type. A name that is not known takes tokenizer.json as it is. Throws Error, beginning with `folder`, for the
/// classes whose tokenizers are programs of their own.
TokenizerClass tokenizer_class_of(const nlohmann::json& tokenizer_config, const nlohmann::json& model_config,
                                  const std::string& folder);

}  // namespace temper
