// Writing a trained model as a GGUF file, which llama.cpp and transformers read.
#pragma once

#include <filesystem>
#include <span>
#include <string>

#include "model/gguf/ggml_type.h"
#include "model/gguf/gguf_writer.h"
#include "model/huggingface/safetensors.h"

namespace temper {

/// Of the metadata: how the model was trained, which other readers pass over.
inline constexpr const char* kTrainedUseKey = "temper.trained_use";

struct GgufExportRequest {
  std::filesystem::path source;  ///< the base model, a folder or a GGUF file: its configuration goes along
  std::filesystem::path target;  ///< the file to write
  GgmlType type = GgmlType::f32;
  std::string name;                        ///< general.name
  std::span<const TensorToWrite> tensors;  ///< under transformers' names
  GgufKeys tokenizer;                      ///< "tokenizer..."
  std::string trained_use = {};            ///< text of temper.json, under kTrainedUseKey; empty: none is written
};

/// Matrices are written in the type that is asked for, vectors as F32, as llama.cpp's converter does; where the rows of
/// a matrix are no whole blocks, it is F16. The file is put in place whole. Throws Error for architectures that GGUF
/// has no name for, for what of a configuration it cannot say, for a target that is a folder or the base model, and for
/// values that the type cannot hold.
void export_gguf(const GgufExportRequest& request);

/// Throws Error as export_gguf does for a base model that it would refuse, before anything is trained or loaded.
void require_gguf_export(const std::filesystem::path& source);

}  // namespace temper
