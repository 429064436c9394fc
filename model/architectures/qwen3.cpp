// Qwen3 (Qwen team: "Qwen3 technical report", 2025): Llama with normed queries and keys, whose heads may be of any
// width.
#include "model/architectures/rotary_decoder.h"

namespace temper {
namespace {

RotaryDecoder read_qwen3(const ConfigKeys& keys) {
  RotaryDecoder qwen = read_decoder_keys(keys, "qwen3",
                                         {.vocabulary = 151936,
                                          .width = 4096,
                                          .intermediate_width = 22016,
                                          .layers = 32,
                                          .heads = 32,
                                          .key_heads = 32,
                                          .head_width = 128,
                                          .positions = 32768});
  read_attention_bias(keys, qwen);
  qwen.query_key_norm = QueryKeyNorm::each_head;
  turn_all_layers(qwen, read_rotary_keys(keys, qwen.head_width, {.positions = qwen.sizes.longest_sequence}));
  add_upper_windows(keys, qwen);
  return qwen;
}

ModelSizes sizes_of_qwen3(const ConfigKeys& keys) { return read_qwen3(keys).sizes; }
ModelParts make_qwen3(const ConfigKeys& keys, const HeadRequest& request) {
  return make_parts(read_qwen3(keys), request);
}

}  // namespace

Architecture qwen3_architecture() {
  return {"qwen3", "Qwen3", "layers.", sizes_of_qwen3, make_qwen3, {}, kDecoderHeads};
}

}  // namespace temper
