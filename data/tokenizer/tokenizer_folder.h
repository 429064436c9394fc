// The tokenizer of a model folder as transformers' AutoTokenizer makes it (5.24, which gave the ids that the tests
// compare with): tokenizer.json with what tokenizer_config.json, special_tokens_map.json and added_tokens.json say
// about it, or a tokenizer made of vocab.txt, or of vocab.json and merges.txt.
#pragma once

#include <filesystem>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "data/tokenizer/folder_tokens.h"
#include "data/tokenizer/tokenizer_class.h"
#include "data/tokenizer/tokenizer_file.h"

namespace temper {

struct TokenizerFolder {
  std::filesystem::path path;
  TokenizerFile file;  ///< what to make the tokenizer of; its digest covers all files that have a part in it
  TokenizerClass tokenizer_class;
  FolderTokens tokens;
  nlohmann::json config;  ///< tokenizer_config.json; an empty object where there is none
  bool has_tokenizer_json = false;
  bool changed = false;            ///< the document is not that of tokenizer.json any more
  std::vector<std::string> notes;  ///< a sentence for each thing that a user should know, such as a disagreement
};

/// Which end of a text goes where it is too long.
enum class TruncationSide : std::uint8_t { as_tokenizer, left, right };

/// Throws Error naming the file and what to do: for a folder without a tokenizer that can be read, files that are
/// damaged, settings of a wrong form, and classes that are programs of their own.
TokenizerFolder read_tokenizer_folder(const std::filesystem::path& path,
                                      TruncationSide side = TruncationSide::as_tokenizer);

}  // namespace temper
