// A tensor of a GGUF file as a Hugging Face file would have it: decoded, its rows put back.
#pragma once

#include <cstdint>
#include <span>

#include "model/gguf/ggml_type.h"
#include "model/huggingface/gguf_architecture.h"

namespace temper {

struct GgufForm {
  GgmlType type = GgmlType::f32;
  GgufChange change = GgufChange::none;
  std::int64_t heads = 1;  ///< of a tensor whose rows were moved head by head
};

/// stored, out [rows, columns] of the Hugging Face tensor; a vector is a matrix of one column.
void undo_change(const GgufForm& form, std::int64_t rows, std::int64_t columns, std::span<const float> stored,
                 std::span<float> out);
/// The other way, for writing.
void apply_change(const GgufForm& form, std::int64_t rows, std::int64_t columns, std::span<const float> values,
                  std::span<float> out);

}  // namespace temper
