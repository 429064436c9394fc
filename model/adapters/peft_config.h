// adapter_config.json, as PEFT 0.21 reads and writes it.
#pragma once

#include <filesystem>
#include <optional>
#include <string>

#include "model/adapters/lora.h"

namespace temper {

inline constexpr const char* kPeftConfigFile = "adapter_config.json";
inline constexpr const char* kPeftWeightsFile = "adapter_model.safetensors";

/// Whether a folder holds an adapter, and no model.
bool is_adapter_folder(const std::filesystem::path& folder);

struct PeftConfig {
  LoraSettings settings;
  std::string base_model;  ///< base_model_name_or_path; empty: not said
  std::string task_type;   ///< "SEQ_CLS"; empty: not said
};

/// The head that a task_type names; nothing where it is empty or names a network without one. `place` opens messages.
/// Throws Error for a head that is not computed here.
std::optional<HeadKind> head_kind_of(const std::string& task_type, const std::string& place);

/// Throws Error naming file and key: for another method than LoRA, for a key of another type or out of range, and for
/// one that asks for what is not computed here; a key that is not known is passed over only if it asks for nothing.
PeftConfig read_peft_config(const std::filesystem::path& folder);
PeftConfig parse_peft_config(const std::string& json, const std::filesystem::path& file);

/// The text of the file. What was read from one keeps all its keys.
std::string peft_config_text(const Lora& lora, HeadKind head, const std::string& base_model);

}  // namespace temper
