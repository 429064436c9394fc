// An adapter's folder as PEFT has it: adapter_config.json and adapter_model.safetensors.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>

#include "model/adapters/lora.h"
#include "model/adapters/peft_config.h"
#include "model/huggingface/weight_files.h"
#include "model/weights.h"
#include "tensor/device.h"

namespace temper {

/// Puts the adapter of a folder beside the model's layers and gives all that it trains the values that it has there;
/// they may have any floating-point type. Throws Error naming file and tensor where a key is missing, is of another
/// shape (the adapter belongs to another base), or is used by nobody; and where the file holds a table of the base that
/// is not this model's.
Lora load_adapter(Model& model, Device& device, const std::filesystem::path& folder);

/// The digest (WeightFiles::digest) of the model that an adapter was trained on, as Temper writes it beside the
/// tensors; empty where it is not known.
std::string base_digest_of(const std::filesystem::path& folder);
/// Throws Error unless the adapter's base is the one of this digest, as far as it is known.
void require_base(const std::filesystem::path& folder, const std::string& digest, const std::filesystem::path& model);

/// Rows of the head that an adapter brings: those of the last matrix that it has in full; 0: it has none.
std::int64_t outputs_of_adapter(const std::filesystem::path& folder);

struct AdapterToWrite {
  const Model& model;
  Device& device;
  const Lora& lora;
  std::string base_model;   ///< where it is, for base_model_name_or_path
  std::string base_digest;  ///< empty: not known
};

/// Writes both files to a folder that exists.
void write_adapter(const AdapterToWrite& adapter, const std::filesystem::path& folder);

}  // namespace temper
