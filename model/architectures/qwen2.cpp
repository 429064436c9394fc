// Qwen2 and 2.5 (Qwen team: "Qwen2 technical report", 2024): Llama with biases of queries, keys and values.
#include "model/architectures/rotary_decoder.h"

namespace temper {
namespace {

RotaryDecoder read_qwen2(const ConfigKeys& keys) {
  RotaryDecoder qwen = read_decoder_keys(keys, "qwen2",
                                         {.vocabulary = 151936,
                                          .width = 4096,
                                          .intermediate_width = 22016,
                                          .layers = 32,
                                          .heads = 32,
                                          .key_heads = 32,
                                          .positions = 32768});
  qwen.projection_bias = Linear::Bias::zeros;
  turn_all_layers(qwen, read_rotary_keys(keys, qwen.head_width, {.positions = qwen.sizes.longest_sequence}));
  add_upper_windows(keys, qwen);
  return qwen;
}

ModelSizes sizes_of_qwen2(const ConfigKeys& keys) { return read_qwen2(keys).sizes; }
ModelParts make_qwen2(const ConfigKeys& keys, const HeadRequest& request) {
  return make_parts(read_qwen2(keys), request);
}

}  // namespace

Architecture qwen2_architecture() {
  return {"qwen2", "Qwen2", "layers.", sizes_of_qwen2, make_qwen2, {}, kDecoderHeads};
}

}  // namespace temper
