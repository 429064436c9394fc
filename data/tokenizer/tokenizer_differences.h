// What a user should know of a tokenizer that is not as its tokenizer.json says.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "data/tokenizer/tokenizer_file.h"

namespace temper {

/// What `file`, as it is used, does otherwise than the document of its tokenizer.json: one clause for each thing, with
/// both values, such as "do_lower_case is false (tokenizer.json: true)". Only what can change ids is named.
std::vector<std::string> differences(const nlohmann::json& stored, const TokenizerFile& file);

/// The same of two lists of added tokens.
std::vector<std::string> token_differences(const nlohmann::json& stored, const nlohmann::json& used);

}  // namespace temper
