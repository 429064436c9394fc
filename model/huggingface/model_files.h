// Which files of a model are read: of a Hugging Face folder, or a GGUF file in its place, with its other parts.
#pragma once

#include <array>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

namespace temper {

/// What a folder's tokenizer may be made of.
inline constexpr std::array<std::string_view, 9> kTokenizerFiles = {"tokenizer.json",
                                                                    "tokenizer_config.json",
                                                                    "special_tokens_map.json",
                                                                    "added_tokens.json",
                                                                    "vocab.txt",
                                                                    "vocab.json",
                                                                    "merges.txt",
                                                                    "chat_template.jinja",
                                                                    "chat_template.json"};
/// Further templates of chats, NAME.jinja, which a tokenizer may have.
inline constexpr std::string_view kChatTemplates = "additional_chat_templates";
/// How to generate text.
inline constexpr std::string_view kGenerationFile = "generation_config.json";
/// How pictures become pixels.
inline constexpr std::string_view kProcessorFile = "preprocessor_config.json";
/// A folder's weights in one file, in the order in which they are preferred; the index of their shards has the same
/// name and ".index.json" behind it.
inline constexpr std::array<std::string_view, 2> kWeightFiles = {"model.safetensors", "pytorch_model.bin"};

struct ModelFiles {
  std::vector<std::filesystem::path> texts;    ///< configuration and tokenizer, those that may be there
  std::vector<std::filesystem::path> weights;  ///< as WeightFiles::open() chooses them
};

/// Whether an index may name this shard: it lies beside its index, for a path could name any file of the machine.
bool is_shard_name(const std::string& name);

/// What may be read of this folder, whether it is there or not. The shards are those that the index names; none where
/// it cannot be read, which whoever opens the weights says.
ModelFiles model_files(const std::filesystem::path& folder);

/// What may be read of an adapter's folder, whether it is there or not.
std::vector<std::filesystem::path> files_of_adapter(const std::filesystem::path& folder);

/// Where the configuration of a model comes from, for messages: config.json of its folder, or its GGUF file.
std::filesystem::path config_place(const std::filesystem::path& model);
/// The text of config.json (with_pretrained_cfg, timm_config.h); of a GGUF file, what says the same. Throws Error where
/// there is none, and where it is no JSON object.
std::string model_config_text(const std::filesystem::path& model);

}  // namespace temper
