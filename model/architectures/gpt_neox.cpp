// GPT-NeoX and Pythia (Black et al.: "GPT-NeoX-20B", 2022): attention and feed-forward network side by side, a part of
// each head turned. Files hold queries, keys and values as one, head by head.
#include <cmath>
#include <utility>

#include <fmt/format.h>

#include "model/architectures/rotary_decoder.h"

namespace temper {
namespace {

RotaryDecoder read_gpt_neox(const ConfigKeys& keys) {
  RotaryDecoder neox = read_decoder_keys(keys, "gpt_neox",
                                         {.vocabulary = 50432,
                                          .width = 6144,
                                          .intermediate_width = 24576,
                                          .layers = 44,
                                          .heads = 64,
                                          .positions = 2048,
                                          .epsilon = 1e-5F,
                                          .epsilon_key = "layer_norm_eps",
                                          .activation = "gelu"});
  // Keys that this family does not have.
  require_heads_divide(keys, "hidden_size", neox.sizes.width, "num_attention_heads", neox.sizes.heads);
  neox.head_width = neox.sizes.width / neox.sizes.heads;
  neox.attention_scale = 1.0F / std::sqrt(static_cast<float>(neox.head_width));
  neox.key_heads = neox.sizes.heads;
  neox.norm.kind = NormKind::layer;
  neox.norm_bias = LayerNorm::Bias::zeros;
  neox.projection_bias = keys.flag("attention_bias", true) ? Linear::Bias::zeros : Linear::Bias::none;
  neox.output_bias = neox.projection_bias;
  neox.is_gated = false;
  neox.is_parallel = keys.flag("use_parallel_residual", true);
  neox.embedding_dropout = keys.dropout("hidden_dropout", 0.0F);
  neox.residual_dropout = neox.embedding_dropout;
  neox.token_head_dropout = keys.dropout("classifier_dropout", 0.1F);
  neox.token_head_bias = Linear::Bias::zeros;
  RotaryDecoderNames& names = neox.names;
  names.prefix = "gpt_neox.";
  names.embeddings = "embed_in";
  names.final_norm = "final_layer_norm";
  names.attention = {{"attention.query", "attention.key", "attention.value"}, "attention.dense"};
  names.gate = "mlp.dense_h_to_4h";
  names.down = "mlp.dense_4h_to_h";
  names.language_model_head = "embed_out";
  names.token_head = "classifier";
  turn_all_layers(neox, read_rotary_keys(keys, neox.head_width,
                                         {.positions = neox.sizes.longest_sequence,
                                          .theta_key = "rotary_emb_base",
                                          .share = 0.25,
                                          .share_key = "rotary_pct"}));
  return neox;
}

ModelSizes sizes_of_gpt_neox(const ConfigKeys& keys) { return read_gpt_neox(keys).sizes; }

ModelParts make_gpt_neox(const ConfigKeys& keys, const HeadRequest& request) {
  const RotaryDecoder neox = read_gpt_neox(keys);
  ModelParts parts = make_parts(neox, request);
  const std::int64_t width = neox.head_width;
  for (const auto& [part, place] : {std::pair{"query", 0}, std::pair{"key", 1}, std::pair{"value", 2}}) {
    for (const char* kind : {"weight", "bias"})
      parts.names.rules.push_back({.parameter = fmt::format("attention.{}.{}", part, kind),
                                   .stored = fmt::format("attention.query_key_value.{}", kind),
                                   .rows = 3 * neox.sizes.width,
                                   .first_row = place * width,
                                   .block = width,
                                   .block_step = 3 * width});
  }
  parts.names.alternatives.push_back({"embed_out.weight", "lm_head.weight"});
  parts.names.unread.insert(parts.names.unread.end(), {".attention.bias", ".attention.masked_bias"});  // the mask
  if (neox.tied) parts.names.unread.emplace_back("lm_head.weight");
  return parts;
}

}  // namespace

Architecture gpt_neox_architecture() {
  return {"gpt_neox", "GPTNeoX", "layers.", sizes_of_gpt_neox, make_gpt_neox, {}, kDecoderHeads};
}

}  // namespace temper
