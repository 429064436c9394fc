// Phi-3 and Phi-4 mini (Abdin et al.: "Phi-3 technical report", 2024): Llama with fused projections, whose long
// contexts come by LongRoPE.
#include <vector>

#include "model/architectures/rotary_decoder.h"

namespace temper {
namespace {

RotaryDecoder read_phi3(const ConfigKeys& keys) {
  RotaryDecoder phi = read_decoder_keys(keys, "phi3",
                                        {.vocabulary = 32064,
                                         .width = 3072,
                                         .intermediate_width = 8192,
                                         .layers = 32,
                                         .heads = 32,
                                         .positions = 4096,
                                         .epsilon = 1e-5F,
                                         .padding_id = 32000});
  // transformers reads "embd_pdrop" and uses it nowhere.
  phi.residual_dropout = keys.dropout("resid_pdrop", 0.0F);
  phi.names.attention.projections = {"self_attn.qkv_proj"};
  phi.names.gate = "mlp.gate_up_proj";
  phi.names.value.clear();
  turn_all_layers(phi, read_rotary_keys(keys, phi.head_width,
                                        {.positions = phi.sizes.longest_sequence,
                                         .share_key = "partial_rotary_factor",
                                         .yarn_is_longrope = true}));
  const RotaryScaling& scaling = phi.layers.front().rotary->scaling;
  if (scaling.kind == RotaryScalingKind::longrope) phi.sizes.renewed_beyond = scaling.original_length;
  if (keys.find("sliding_window") != nullptr && !keys.is_null("sliding_window"))
    add_windows(keys, "sliding_window", 4096, std::vector<bool>(phi.layers.size(), true), phi);
  return phi;
}

ModelSizes sizes_of_phi3(const ConfigKeys& keys) { return read_phi3(keys).sizes; }
ModelParts make_phi3(const ConfigKeys& keys, const HeadRequest& request) {
  return make_parts(read_phi3(keys), request);
}

}  // namespace

Architecture phi3_architecture() { return {"phi3", "Phi3", "layers.", sizes_of_phi3, make_phi3, {}, kDecoderHeads}; }

}  // namespace temper
