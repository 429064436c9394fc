// The ways to cut texts that "tokenizer.ggml.pre" names, as the tokenizer.json of the models has them that the name was
// made for (llama.cpp's llama-vocab.cpp lists which names go together).
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

namespace temper {

struct GgmlPreTokenizer {
  std::string_view name;
  nlohmann::json normalizer;     ///< null: none
  nlohmann::json pre_tokenizer;  ///< before a BPE over bytes
  bool ignore_merges = false;    ///< words that are tokens need no merging
  bool add_bos = false;          ///< where the file does not say
};

/// Null for a name that is not known; an empty name and "default" are GPT-2's.
const GgmlPreTokenizer* find_ggml_pre_tokenizer(std::string_view name);
/// The one that cuts like this; null where none does.
const GgmlPreTokenizer* ggml_pre_tokenizer_like(const nlohmann::json& normalizer, const nlohmann::json& pre_tokenizer,
                                                bool ignore_merges);
/// "gpt-2, smollm, ..."
std::string ggml_pre_tokenizer_names();

}  // namespace temper
