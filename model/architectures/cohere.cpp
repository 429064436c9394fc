// Command R (Cohere, 2024): attention and feed-forward network side by side behind one norm, and scaled logits.
#include <array>

#include "model/architectures/rotary_decoder.h"

namespace temper {
namespace {

RotaryDecoder read_cohere(const ConfigKeys& keys) {
  RotaryDecoder cohere = read_decoder_keys(keys, "cohere",
                                           {.vocabulary = 256000,
                                            .width = 8192,
                                            .intermediate_width = 22528,
                                            .layers = 40,
                                            .heads = 64,
                                            .positions = 8192,
                                            .epsilon = 1e-5F,
                                            .epsilon_key = "layer_norm_eps",
                                            .tied = true,
                                            .padding_id = 0});
  read_attention_bias(keys, cohere);
  cohere.norm.kind = NormKind::layer;
  cohere.is_parallel = true;
  cohere.pairs = RotaryPairs::neighbours;
  if (keys.flag("use_qk_norm", false)) cohere.query_key_norm = QueryKeyNorm::own_heads;
  cohere.logits.scale = keys.real("logit_scale", 0.0625F, -1e6F, 1e6F);
  cohere.names.feed_forward_norm.clear();
  turn_all_layers(cohere, read_rotary_keys(keys, cohere.head_width, {.positions = cohere.sizes.longest_sequence}));
  return cohere;
}

/// transformers has no classes of the others; that over sequences is what it puts on other decoders.
constexpr std::array kCohereHeads{HeadKind::sequence, HeadKind::causal_language_model};

ModelSizes sizes_of_cohere(const ConfigKeys& keys) { return read_cohere(keys).sizes; }
ModelParts make_cohere(const ConfigKeys& keys, const HeadRequest& request) {
  return make_parts(read_cohere(keys), request);
}

}  // namespace

Architecture cohere_architecture() {
  return {"cohere", "Cohere", "layers.", sizes_of_cohere, make_cohere, {}, kCohereHeads};
}

}  // namespace temper
