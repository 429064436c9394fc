// The files that make transformers tokenise as a run did.
#pragma once

#include <map>
#include <string>

#include "data/tokenizer/tokenizer.h"
#include "data/tokenizer/tokenizer_folder.h"

namespace temper {

/// Name and content of each file: tokenizer.json and tokenizer_config.json, which agree with each other and with the
/// tokenizer; special_tokens_map.json, vocab.txt, vocab.json and merges.txt where the folder has them and they still
/// say the truth. added_tokens.json is not needed: what it says is in the other two.
/// `tokenizer`: the one that was made of this folder. Throws Error if the folder's files have changed since.
std::map<std::string, std::string> tokenizer_files(const TokenizerFolder& folder, const Tokenizer& tokenizer);

}  // namespace temper
