// Values as ggml's types, rounded as ggml's reference functions round them (quantize_row_q8_0_ref,
// quantize_row_q4_0_ref of ggml-quants.c; the gguf package's quants.py has the same bits).
#pragma once

#include <cstddef>
#include <span>
#include <string_view>
#include <vector>

#include "model/gguf/ggml_type.h"

namespace temper {

/// What can be written: F32, F16, BF16, Q8_0, Q4_0.
std::span<const GgmlType> types_written();
/// By its name, in capitals or not. Throws Error listing those that there are.
GgmlType type_to_write(std::string_view name);

/// values: whole blocks of the type. Appends to `blocks`. `place` opens the sentence of an Error, which is thrown for
/// what the type cannot hold: values beyond F16's 65504, and in blocks what is infinite or no number.
void quantize(GgmlType type, std::span<const float> values, std::string_view place, std::vector<std::byte>& blocks);

}  // namespace temper
