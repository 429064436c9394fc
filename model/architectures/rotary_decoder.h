// Decoders with rotary positions, as Llama and its successors are built: causal attention with heads that share keys,
// gated units, root-mean-square norms, and one of transformers' heads for decoders. An architecture describes itself
// with this struct, and says where it differs.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "model/architectures/architecture.h"
#include "model/architectures/rotary_keys.h"
#include "model/heads/causal_lm_head.h"
#include "model/layers/rotary_attention.h"

namespace temper {

/// What transformers puts on top of decoders.
inline constexpr std::array kDecoderHeads{HeadKind::sequence, HeadKind::token, HeadKind::causal_language_model};

/// What "layer_types" and the keys of each type's angles call a layer.
inline constexpr const char* kFullAttention = "full_attention";
inline constexpr const char* kWindowAttention = "sliding_attention";

/// Names behind that of the block, as Llama has them; empty: there is no such part.
struct RotaryDecoderNames {
  std::string prefix = "model.";
  std::string embeddings = "embed_tokens";
  std::string blocks = "layers";
  std::string final_norm = "norm";
  std::string attention_norm = "input_layernorm";
  RotaryAttentionNames attention = {{"self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj"},
                                    "self_attn.o_proj",
                                    "self_attn.q_norm",
                                    "self_attn.k_norm"};
  std::string attention_output_norm = {};
  std::string feed_forward_norm = "post_attention_layernorm";
  std::string gate = "mlp.gate_proj";
  std::string value = "mlp.up_proj";  ///< of gated units; empty: the gate's layer gives both
  std::string down = "mlp.down_proj";
  std::string feed_forward_output_norm = {};
  std::string language_model_head = "lm_head";
  std::string score = "score";
  std::string token_head = "score";
};

/// What one layer sees.
struct DecoderLayer {
  std::int64_t window = 0;                ///< tokens, the own one among them; 0: all before it
  std::optional<RotaryKeys> rotary = {};  ///< none: nothing is turned (Kazemnejad et al.: "NoPE", 2023)
};

struct RotaryDecoder {
  std::string model_type;
  ModelSizes sizes;
  std::int64_t key_heads = 0;  ///< divides sizes.heads
  std::int64_t head_width = 0;
  std::vector<DecoderLayer> layers;
  RotaryPairs pairs = RotaryPairs::halves;
  float attention_scale = 0.0F;
  float attention_soft_cap = 0.0F;  ///< 0: there is none
  QueryKeyNorm query_key_norm = QueryKeyNorm::none;
  NormShape norm = 1e-6F;
  LayerNorm::Bias norm_bias = LayerNorm::Bias::none;
  Linear::Bias projection_bias = Linear::Bias::none;
  Linear::Bias output_bias = Linear::Bias::none;
  Linear::Bias feed_forward_bias = Linear::Bias::none;  ///< of gated units; others have them
  bool is_gated = true;
  bool is_parallel = false;  ///< attention and feed-forward network read the same
  std::string activation;    ///< one of supported_activations()
  float embedding_scale = 1.0F;
  LogitShape logits = {};
  bool tied = false;  ///< the language-model head is the embeddings
  std::int32_t padding_id = -1;
  float initializer_range = 0.02F;
  float embedding_dropout = 0.0F;
  float attention_dropout = 0.0F;  ///< of the probabilities
  float residual_dropout = 0.0F;
  float token_head_dropout = 0.0F;
  Linear::Bias token_head_bias = Linear::Bias::zeros;
  RotaryDecoderNames names = {};
};

/// What transformers takes where a key is absent.
struct DecoderDefaults {
  std::int64_t vocabulary = 0;
  std::int64_t width = 0;
  std::int64_t intermediate_width = 0;
  std::int64_t layers = 0;
  std::int64_t heads = 0;
  std::int64_t key_heads = 0;   ///< 0: as many as there are heads
  std::int64_t head_width = 0;  ///< 0: heads divide the width
  std::int64_t positions = 0;
  float epsilon = 1e-6F;
  const char* epsilon_key = "rms_norm_eps";
  const char* activation_key = "hidden_act";
  std::string_view activation = "silu";
  bool tied = false;
  std::int32_t padding_id = -1;  ///< below 0: there is none
};

/// The keys that all of them have; of the rest nothing is set but attention_scale, 1 / sqrt(head_width). Layers see
/// everything and turn nothing yet. `model_type` as in the registry.
RotaryDecoder read_decoder_keys(const ConfigKeys& keys, const char* model_type, const DecoderDefaults& defaults);
/// Has every layer turn its heads so.
void turn_all_layers(RotaryDecoder& decoder, const RotaryKeys& rotary);
/// "attention_bias", of all four projections.
void read_attention_bias(const ConfigKeys& keys, RotaryDecoder& decoder);
/// "layer_types", or where that is absent `otherwise`: which layers have a window. Throws Error for other types.
std::vector<bool> read_window_layers(const ConfigKeys& keys, std::vector<bool> otherwise);
/// The window of these layers, `key` of config.json: tokens, the own one among them. Throws Error where it is asked for
/// and null.
void add_windows(const ConfigKeys& keys, const ConfigKey& key, std::int64_t otherwise,
                 const std::vector<bool>& window_layers, RotaryDecoder& decoder);
/// As Qwen has it: "use_sliding_window", "sliding_window" and the layers from "max_window_layers" on, or "layer_types".
void add_upper_windows(const ConfigKeys& keys, RotaryDecoder& decoder);

ModelParts make_parts(const RotaryDecoder& decoder, const HeadRequest& request);

}  // namespace temper
