// Gemma 3 without its eyes (Gemma team: "Gemma 3 technical report", 2025): normed queries and keys, and windows in most
// layers, which turn by angles of their own.
#include <array>
#include <vector>

#include "model/architectures/gemma_keys.h"

namespace temper {
namespace {

RotaryDecoder read_gemma3(const ConfigKeys& keys) {
  RotaryDecoder gemma = read_gemma_keys(keys, "gemma3_text", 262208, 131072);
  gemma.query_key_norm = QueryKeyNorm::each_head;
  // transformers reads "attn_logit_softcapping" and hands it to nobody.
  gemma.logits.soft_cap = read_soft_cap(keys, "final_logit_softcapping", 0.0F);
  const std::int64_t positions = gemma.sizes.longest_sequence;
  const RotaryKeys global = read_rotary_keys(
      keys, gemma.head_width, {.positions = positions, .theta = 1'000'000.0, .layer_type = kFullAttention});
  const RotaryKeys local = read_rotary_keys(keys, gemma.head_width,
                                            {.positions = positions,
                                             .theta_key = "rope_local_base_freq",
                                             .layer_type = kWindowAttention,
                                             .reads_scaling = false});
  const auto interval =
      static_cast<std::size_t>(keys.size(ConfigKey("sliding_window_pattern", "_sliding_window_pattern"), 6));
  std::vector<bool> is_local(gemma.layers.size());
  for (std::size_t layer = 0; layer < is_local.size(); ++layer) is_local[layer] = (layer + 1) % interval != 0;
  is_local = read_window_layers(keys, is_local);
  turn_all_layers(gemma, global);
  for (std::size_t layer = 0; layer < is_local.size(); ++layer)
    if (is_local[layer]) gemma.layers[layer].rotary = local;
  add_windows(keys, "sliding_window", 4096, is_local, gemma);
  return gemma;
}

/// transformers has no class for tokens.
constexpr std::array kGemma3Heads{HeadKind::sequence, HeadKind::causal_language_model};
constexpr std::array kGemma3Classes{HeadClass{HeadKind::sequence, "Gemma3TextForSequenceClassification"}};

ModelSizes sizes_of_gemma3(const ConfigKeys& keys) { return read_gemma3(keys).sizes; }
ModelParts make_gemma3(const ConfigKeys& keys, const HeadRequest& request) {
  return make_parts(read_gemma3(keys), request);
}

}  // namespace

Architecture gemma3_text_architecture() {
  return {"gemma3_text", "Gemma3", "layers.", sizes_of_gemma3, make_gemma3, kGemma3Classes, kGemma3Heads};
}

}  // namespace temper
