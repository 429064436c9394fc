#include "model/architectures/gemma_keys.h"

#include <cmath>

namespace temper {

RotaryDecoder read_gemma_keys(const ConfigKeys& keys, const char* model_type, std::int64_t vocabulary,
                              std::int64_t positions) {
  if (!keys.is_null("use_bidirectional_attention") && keys.flag("use_bidirectional_attention", false))
    keys.refuse("use_bidirectional_attention", "false: attention in both directions is not supported");
  RotaryDecoder gemma = read_decoder_keys(keys, model_type,
                                          {.vocabulary = vocabulary,
                                           .width = 2304,
                                           .intermediate_width = 9216,
                                           .layers = 26,
                                           .heads = 8,
                                           .key_heads = 4,
                                           .head_width = 256,
                                           .positions = positions,
                                           .activation_key = "hidden_activation",
                                           .activation = "gelu_pytorch_tanh",
                                           .tied = true,
                                           .padding_id = 0});
  read_attention_bias(keys, gemma);
  gemma.norm.weight_offset = 1.0F;
  gemma.attention_scale = 1.0F / std::sqrt(keys.real("query_pre_attn_scalar", 256.0F, 1e-6F, 1e9F));
  gemma.embedding_scale = static_cast<float>(std::sqrt(static_cast<double>(gemma.sizes.width)));
  gemma.names.attention_output_norm = "post_attention_layernorm";
  gemma.names.feed_forward_norm = "pre_feedforward_layernorm";
  gemma.names.feed_forward_output_norm = "post_feedforward_layernorm";
  return gemma;
}

float read_soft_cap(const ConfigKeys& keys, const ConfigKey& key, float otherwise) {
  return keys.is_null(key) ? 0.0F : keys.real(key, otherwise, 0.0F, 1e9F);
}

}  // namespace temper
