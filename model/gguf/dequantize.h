// Values of ggml's blocks as f32. Every type rounds a value at most once, so there is one right result (ggml-quants.c
// and the gguf package's quants.py, which the tests compare with, have the same bits).
#pragma once

#include <cstddef>
#include <span>

#include "model/gguf/ggml_type.h"

namespace temper {

/// blocks: whole blocks of a type that is read; out: as many floats as they hold. f64 is rounded to nearest even.
/// Throws Error where the sizes do not match.
void dequantize(GgmlType type, std::span<const std::byte> blocks, std::span<float> out);

}  // namespace temper
