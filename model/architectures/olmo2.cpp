// OLMo 2 (OLMo et al.: "2 OLMo 2 Furious", 2024): norms of what the layers give, and of all queries and all keys.
#include <array>

#include "model/architectures/rotary_decoder.h"

namespace temper {
namespace {

RotaryDecoder read_olmo2(const ConfigKeys& keys) {
  RotaryDecoder olmo = read_decoder_keys(keys, "olmo2",
                                         {.vocabulary = 50304,
                                          .width = 4096,
                                          .intermediate_width = 11008,
                                          .layers = 32,
                                          .heads = 32,
                                          .positions = 2048,
                                          .epsilon = 1e-5F,
                                          .padding_id = 1});
  read_attention_bias(keys, olmo);
  olmo.query_key_norm = QueryKeyNorm::all_heads;
  olmo.names.attention_norm.clear();
  olmo.names.attention_output_norm = "post_attention_layernorm";
  olmo.names.feed_forward_norm.clear();
  olmo.names.feed_forward_output_norm = "post_feedforward_layernorm";
  turn_all_layers(olmo, read_rotary_keys(keys, olmo.head_width, {.positions = olmo.sizes.longest_sequence}));
  return olmo;
}

/// transformers has no class for tokens.
constexpr std::array kOlmo2Heads{HeadKind::sequence, HeadKind::causal_language_model};

ModelSizes sizes_of_olmo2(const ConfigKeys& keys) { return read_olmo2(keys).sizes; }
ModelParts make_olmo2(const ConfigKeys& keys, const HeadRequest& request) {
  return make_parts(read_olmo2(keys), request);
}

}  // namespace

Architecture olmo2_architecture() { return {"olmo2", "Olmo2", "layers.", sizes_of_olmo2, make_olmo2, {}, kOlmo2Heads}; }

}  // namespace temper
