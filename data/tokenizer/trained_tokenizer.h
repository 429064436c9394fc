// The files of a tokenizer that was learnt: tokenizer.json as the tokenizers library saves it, and the
// tokenizer_config.json with which transformers' AutoTokenizer reads it.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "data/tokenizer/byte_pair_training.h"
#include "data/tokenizer/pre_tokenizer.h"

namespace temper {

/// How texts are cut into words, within which bytes are merged.
struct WordSplit {
  std::string rule = "gpt2";  ///< the model whose expression it is: one of word_split_rules()
  bool prefix_space = false;  ///< a text that does not begin with a space is given one
};

/// "gpt2", "llama3", "qwen2".
std::vector<std::string> word_split_rules();
/// The pre-tokenizer whose words, in bytes, are to be counted. Throws a usage Error where there is no such rule.
std::unique_ptr<PreTokenizer> make_word_split(const WordSplit& split);

/// A key of tokenizer_config.json, such as "eos_token", and the token that it names.
using TokenRole = std::pair<std::string, std::string>;

struct TrainedTokenizerFiles {
  std::string tokenizer_json;
  std::string tokenizer_config_json;
};

/// `settings`: what `learnt` was learnt with. A token of the role "unk_token" stands for bytes that the alphabet lacks,
/// where it may lack any.
TrainedTokenizerFiles trained_tokenizer_files(const BytePairs& learnt, const BytePairSettings& settings,
                                              const WordSplit& split, const std::vector<TokenRole>& roles);

}  // namespace temper
