// Mistral (Jiang et al.: "Mistral 7B", 2023): Llama where each query sees a window.
#include <vector>

#include "model/architectures/rotary_decoder.h"

namespace temper {
namespace {

RotaryDecoder read_mistral(const ConfigKeys& keys) {
  RotaryDecoder mistral = read_decoder_keys(keys, "mistral",
                                            {.vocabulary = 32000,
                                             .width = 4096,
                                             .intermediate_width = 14336,
                                             .layers = 32,
                                             .heads = 32,
                                             .key_heads = 8,
                                             .positions = 131072});
  turn_all_layers(mistral, read_rotary_keys(keys, mistral.head_width, {.positions = mistral.sizes.longest_sequence}));
  if (!keys.is_null("sliding_window"))
    add_windows(keys, "sliding_window", 4096, std::vector<bool>(mistral.layers.size(), true), mistral);
  return mistral;
}

ModelSizes sizes_of_mistral(const ConfigKeys& keys) { return read_mistral(keys).sizes; }
ModelParts make_mistral(const ConfigKeys& keys, const HeadRequest& request) {
  return make_parts(read_mistral(keys), request);
}

}  // namespace

Architecture mistral_architecture() {
  return {"mistral", "Mistral", "layers.", sizes_of_mistral, make_mistral, {}, kDecoderHeads};
}

}  // namespace temper
