// SmolLM3 (Bakouch et al.: "SmolLM3: smol, multilingual, long-context reasoner", 2025): Llama where every so manieth
// layer turns nothing.
#include <nlohmann/json.hpp>
#include <vector>

#include <fmt/format.h>

#include "model/architectures/rotary_decoder.h"

namespace temper {
namespace {

/// Of each layer, whether it turns queries and keys; config.json calls those that do "no_rope_layers".
std::vector<bool> read_turned_layers(const ConfigKeys& keys, std::size_t layers) {
  constexpr const char* kKey = "no_rope_layers";
  std::vector<bool> turned;
  const nlohmann::ordered_json* list = keys.find(kKey);
  if (list == nullptr || list->is_null()) {
    const std::int64_t interval = keys.size("no_rope_layer_interval", 4);
    for (std::size_t layer = 0; layer < layers; ++layer)
      turned.push_back((static_cast<std::int64_t>(layer) + 1) % interval != 0);
    return turned;
  }
  const std::string expected = fmt::format("1 or 0 for each of {} layers", layers);
  if (!list->is_array() || list->size() < layers) keys.refuse(kKey, expected);
  for (std::size_t layer = 0; layer < layers; ++layer) {
    const nlohmann::ordered_json& turns = (*list)[layer];
    if (turns != 0 && turns != 1) keys.refuse(kKey, expected);
    turned.push_back(turns == 1);
  }
  return turned;
}

RotaryDecoder read_smollm3(const ConfigKeys& keys) {
  RotaryDecoder smol = read_decoder_keys(keys, "smollm3",
                                         {.vocabulary = 128256,
                                          .width = 2048,
                                          .intermediate_width = 11008,
                                          .layers = 36,
                                          .heads = 16,
                                          .key_heads = 4,
                                          .positions = 32768,
                                          .tied = true,
                                          .padding_id = 128004});
  read_attention_bias(keys, smol);
  smol.feed_forward_bias = keys.flag("mlp_bias", false) ? Linear::Bias::zeros : Linear::Bias::none;
  turn_all_layers(smol, read_rotary_keys(keys, smol.head_width, {.positions = smol.sizes.longest_sequence}));
  const std::vector<bool> turned = read_turned_layers(keys, smol.layers.size());
  const bool has_windows = keys.flag("use_sliding_window", false) && keys.find("sliding_window") != nullptr &&
                           !keys.is_null("sliding_window");
  std::vector<bool> not_turned;
  for (std::size_t layer = 0; layer < turned.size(); ++layer) {
    if (!turned[layer]) smol.layers[layer].rotary.reset();
    not_turned.push_back(has_windows && !turned[layer]);
  }
  const std::vector<bool> window_layers = read_window_layers(keys, not_turned);
  add_windows(keys, "sliding_window", 4096, window_layers, smol);
  return smol;
}

ModelSizes sizes_of_smollm3(const ConfigKeys& keys) { return read_smollm3(keys).sizes; }
ModelParts make_smollm3(const ConfigKeys& keys, const HeadRequest& request) {
  return make_parts(read_smollm3(keys), request);
}

}  // namespace

Architecture smollm3_architecture() {
  return {"smollm3", "SmolLM3", "layers.", sizes_of_smollm3, make_smollm3, {}, kDecoderHeads};
}

}  // namespace temper
