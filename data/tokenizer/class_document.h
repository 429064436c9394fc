// tokenizer.json as the classes of transformers build it that take the vocabulary alone from a file.
#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>

#include "data/tokenizer/folder_tokens.h"
#include "data/tokenizer/tokenizer_class.h"
#include "data/tokenizer/tokenizer_file.h"

namespace temper {

/// Replaces all of the document but the vocabulary, the merges, `truncation`, `padding` and, for GPT-2, the
/// post-processor, by what the class makes of the settings. The added tokens get their ids. Throws Error for settings
/// of a wrong form; `settings.config_name` is the file that has them.
void build_class_document(TokenizerFile& file, const TokenizerClass& tokenizer_class, const FolderSettings& settings,
                          const FolderTokens& tokens);

/// Writes the tokens into the document, each with the id that the tokenizer gives it, which is returned in their order.
std::vector<std::int32_t> set_added_tokens(TokenizerFile& file, const std::vector<AddedToken>& tokens);

}  // namespace temper
