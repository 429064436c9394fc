// The chat templates of a model folder, and the special tokens that they may name.
#pragma once

#include <filesystem>
#include <nlohmann/json.hpp>
#include <string>

#include "data/tokenizer/folder_tokens.h"
#include "data/tokenizer/tokenizer_file.h"

namespace temper {

/// In the order in which transformers 5 looks: chat_template.jinja (with additional_chat_templates/NAME.jinja), then
/// chat_template.json, then chat_template of tokenizer_config.json, a text or a list of {"name", "template"}. Throws
/// Error naming the file for one of another form.
ChatFiles read_chat_files(const std::filesystem::path& folder, const nlohmann::json& config,
                          const FolderTokens& tokens);

/// Those of tokenizer_config.json alone; `place` stands for it in messages.
ChatFiles chat_files_of(const nlohmann::json& config, const FolderTokens& tokens, const std::string& place);

}  // namespace temper
