#include "model/gguf/ggml_type.h"

#include <algorithm>
#include <array>

#include "base/error.h"

namespace temper {
namespace {

constexpr GgmlType numbered(std::uint32_t number) { return static_cast<GgmlType>(number); }

/// Sizes from ggml-common.h (ggml).
constexpr std::array<GgmlTypeLayout, 34> kLayouts = {{
    {GgmlType::f32, "F32", 1, 4, true},
    {GgmlType::f16, "F16", 1, 2, true},
    {GgmlType::q4_0, "Q4_0", 32, 18, true, DType::q4_0},
    {GgmlType::q4_1, "Q4_1", 32, 20, true, DType::q4_1},
    {GgmlType::q5_0, "Q5_0", 32, 22, true, DType::q5_0},
    {GgmlType::q5_1, "Q5_1", 32, 24, true, DType::q5_1},
    {GgmlType::q8_0, "Q8_0", 32, 34, true, DType::q8_0},
    {numbered(9), "Q8_1", 32, 40, false},
    {GgmlType::q2_k, "Q2_K", 256, 84, true, DType::q2_k},
    {GgmlType::q3_k, "Q3_K", 256, 110, true, DType::q3_k},
    {GgmlType::q4_k, "Q4_K", 256, 144, true, DType::q4_k},
    {GgmlType::q5_k, "Q5_K", 256, 176, true, DType::q5_k},
    {GgmlType::q6_k, "Q6_K", 256, 210, true, DType::q6_k},
    {numbered(15), "Q8_K", 256, 292, false},
    {numbered(16), "IQ2_XXS", 256, 66, false},
    {numbered(17), "IQ2_XS", 256, 74, false},
    {numbered(18), "IQ3_XXS", 256, 98, false},
    {numbered(19), "IQ1_S", 256, 50, false},
    {GgmlType::iq4_nl, "IQ4_NL", 32, 18, true, DType::iq4_nl},
    {numbered(21), "IQ3_S", 256, 110, false},
    {numbered(22), "IQ2_S", 256, 82, false},
    {GgmlType::iq4_xs, "IQ4_XS", 256, 136, true, DType::iq4_xs},
    {numbered(24), "I8", 1, 1, false},
    {numbered(25), "I16", 1, 2, false},
    {numbered(26), "I32", 1, 4, false},
    {numbered(27), "I64", 1, 8, false},
    {GgmlType::f64, "F64", 1, 8, true},
    {numbered(29), "IQ1_M", 256, 56, false},
    {GgmlType::bf16, "BF16", 1, 2, true},
    {numbered(34), "TQ1_0", 256, 54, false},
    {numbered(35), "TQ2_0", 256, 66, false},
    {numbered(39), "MXFP4", 32, 17, false},
    {numbered(40), "NVFP4", 64, 36, false},
    {numbered(41), "Q1_0", 128, 18, false},
}};

}  // namespace

const GgmlTypeLayout* find_layout(std::uint32_t type) {
  const auto* const found = std::find_if(kLayouts.begin(), kLayouts.end(),
                                         [&](const GgmlTypeLayout& layout) { return layout.type == numbered(type); });
  return found == kLayouts.end() ? nullptr : found;
}

const GgmlTypeLayout& layout_of(GgmlType type) {
  const GgmlTypeLayout* layout = find_layout(static_cast<std::uint32_t>(type));
  if (layout == nullptr) throw Error("ggml has no tensor type {}", static_cast<std::uint32_t>(type));
  return *layout;
}

std::string names_of_types_read() {
  std::string names;
  for (const GgmlTypeLayout& layout : kLayouts)
    if (layout.is_read) names += (names.empty() ? "" : ", ") + std::string(layout.name);
  return names;
}

}  // namespace temper
