// Llama 1 to 3.2 (Touvron et al.: "LLaMA", 2023; Llama team: "The Llama 3 herd of models", 2024), and the many models
// that are built as it is.
#include "model/architectures/rotary_decoder.h"

namespace temper {
namespace {

RotaryDecoder read_llama(const ConfigKeys& keys) {
  RotaryDecoder llama = read_decoder_keys(
      keys, "llama",
      {.vocabulary = 32000, .width = 4096, .intermediate_width = 11008, .layers = 32, .heads = 32, .positions = 2048});
  read_attention_bias(keys, llama);
  llama.feed_forward_bias = keys.flag("mlp_bias", false) ? Linear::Bias::zeros : Linear::Bias::none;
  turn_all_layers(llama, read_rotary_keys(keys, llama.head_width, {.positions = llama.sizes.longest_sequence}));
  return llama;
}

ModelSizes sizes_of_llama(const ConfigKeys& keys) { return read_llama(keys).sizes; }
ModelParts make_llama(const ConfigKeys& keys, const HeadRequest& request) {
  return make_parts(read_llama(keys), request);
}

}  // namespace

Architecture llama_architecture() {
  return {"llama", "Llama", "layers.", sizes_of_llama, make_llama, {}, kDecoderHeads};
}

}  // namespace temper
