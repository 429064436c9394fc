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
/// shape (the adapter belongs to another base), or is used by nobody.
Lora load_adapter(Model& model, Device& device, const std::filesystem::path& folder);

/// Throws Error where an adapter's file holds a table of its base, as PEFT saves some, that is not this model's. The
/// model is as its files have it: nothing has been merged into it.
void require_same_tables(const Model& model, Device& device, const std::filesystem::path& folder);

/// What is known of the model that an adapter was trained on, as Temper writes it beside the tensors; empty where it is
/// not known.
struct AdapterBase {
  std::string digest;       ///< WeightFiles::digest
  std::string fingerprint;  ///< WeightFiles::fingerprint, which is known without reading all of a model
};
AdapterBase base_of_adapter(const std::filesystem::path& folder);
/// Throws Error unless the adapter's base is the one of this digest, or fingerprint, as far as it is `known`. `folder`
/// and `model` are what messages name.
void require_base(const AdapterBase& known, const std::string& digest, const std::filesystem::path& folder,
                  const std::filesystem::path& model);
void require_fingerprint(const AdapterBase& known, const std::string& fingerprint, const std::filesystem::path& folder,
                         const std::filesystem::path& model);

/// Rows of the head's matrix that an adapter brings with a row for each output; 0: it brings none. `model`: with the
/// adapter's head, and such a number of outputs that only this matrix has so many rows.
std::int64_t outputs_of_adapter(const std::filesystem::path& folder, const Model& model);

struct AdapterToWrite {
  const Model& model;
  Device& device;
  const Lora& lora;
  std::string base_model;  ///< where it is, for base_model_name_or_path
  AdapterBase base;
};

/// Writes both files to a folder that exists.
void write_adapter(const AdapterToWrite& adapter, const std::filesystem::path& folder);

}  // namespace temper
