// A tokenizer as GGUF files list it ("tokenizer.ggml..." of ggml's docs/gguf.md): a vocabulary by id, merges or scores,
// and the name of a way to cut texts. The tokenizer that Hugging Face folders have for the same model is made of it,
// and it of theirs.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "data/tokenizer/tokenizer.h"
#include "data/tokenizer/tokenizer_folder.h"

namespace temper {

/// tokenizer.ggml.token_type.
enum class GgmlTokenType : std::int32_t {
  normal = 1,
  unknown = 2,
  control = 3,
  user_defined = 4,
  unused = 5,
  byte = 6
};

struct GgmlVocabulary {
  std::string place;  ///< the file, for messages
  std::string model;  ///< "gpt2": BPE over bytes; "llama": BPE as SentencePiece has it
  std::string pre;    ///< how texts are cut, of "gpt2": "smollm", "llama-bpe", ...; may be empty
  std::vector<std::string> tokens;
  std::vector<std::int32_t> types;  ///< one per token; none: all normal
  std::vector<double> scores;       ///< one per token, of "llama"
  std::vector<std::string> merges;  ///< "a b", of "gpt2"
  std::optional<std::int64_t> bos = {};
  std::optional<std::int64_t> eos = {};
  std::optional<std::int64_t> unknown = {};
  std::optional<std::int64_t> padding = {};
  std::optional<std::int64_t> end_of_turn = {};  ///< ends an answer, as eos does
  std::optional<std::int64_t> end_of_message = {};
  std::optional<bool> add_bos = {};  ///< where it is not said, the model's kind says it
  std::optional<bool> add_eos = {};
  std::optional<bool> add_space_prefix = {};
  std::string chat_template = {};  ///< may be empty
};

/// Throws Error naming what is wrong: other models than those two, ways to cut texts that are not known, lists of
/// unequal lengths, tokens that are not UTF-8, ids that no token has.
TokenizerFolder tokenizer_folder_of(const GgmlVocabulary& vocabulary,
                                    TruncationSide side = TruncationSide::as_tokenizer);

/// The other way. tokens: as many as the model has rows of embeddings; those that the tokenizer lacks are listed as
/// unused. Throws Error for tokenizers that llama.cpp has no name for.
GgmlVocabulary ggml_vocabulary_of(const TokenizerFolder& folder, const Tokenizer& tokenizer, std::int64_t tokens);

}  // namespace temper
