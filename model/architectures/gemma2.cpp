// Gemma 2 (Gemma team: "Gemma 2: improving open language models at a practical size", 2024): soft caps, windows in
// every second layer, norms before and behind the layers.
#include <vector>

#include "model/architectures/gemma_keys.h"

namespace temper {
namespace {

RotaryDecoder read_gemma2(const ConfigKeys& keys) {
  RotaryDecoder gemma = read_gemma_keys(keys, "gemma2", 256000, 8192);
  gemma.attention_soft_cap = read_soft_cap(keys, "attn_logit_softcapping", 50.0F);
  gemma.logits.soft_cap = read_soft_cap(keys, "final_logit_softcapping", 30.0F);
  turn_all_layers(gemma, read_rotary_keys(keys, gemma.head_width, {.positions = gemma.sizes.longest_sequence}));
  std::vector<bool> every_second(gemma.layers.size());
  for (std::size_t layer = 0; layer < every_second.size(); ++layer) every_second[layer] = layer % 2 == 0;
  add_windows(keys, "sliding_window", 4096, read_window_layers(keys, every_second), gemma);
  return gemma;
}

ModelSizes sizes_of_gemma2(const ConfigKeys& keys) { return read_gemma2(keys).sizes; }
ModelParts make_gemma2(const ConfigKeys& keys, const HeadRequest& request) {
  return make_parts(read_gemma2(keys), request);
}

}  // namespace

Architecture gemma2_architecture() {
  return {"gemma2", "Gemma2", "layers.", sizes_of_gemma2, make_gemma2, {}, kDecoderHeads};
}

}  // namespace temper
