// DeBERTa's second version (He, Liu, Gao, Chen: "DeBERTa: decoding-enhanced BERT with disentangled attention", 2021)
// and its third (He, Gao, Chen: "DeBERTaV3", 2023), which files call deberta-v2, too: BERT's blocks with disentangled
// attention, in the second version a convolution beside the lowest, and a head with two rates of dropout.
#include <algorithm>
#include <sstream>
#include <utility>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "model/activation_names.h"
#include "model/architectures/post_norm_encoder.h"
#include "model/blocks/convolved_block.h"
#include "model/layers/disentangled_attention.h"

namespace temper {
namespace {

struct Deberta {
  PostNormEncoder encoder;
  std::int64_t longest = 0;  ///< tokens of a sequence
  bool relative = false;
  bool content_to_position = false;
  bool position_to_content = false;
  bool shared_matrices = false;
  bool normed = false;             ///< the relative embeddings are
  std::int64_t buckets = 0;        ///< of distances either way; 0: each distance is its own
  std::int64_t most_relative = 0;  ///< distances either way that are told apart
  std::int64_t convolution = 0;    ///< tokens; 0: there is none
  std::string convolution_activation;
  bool legacy = true;  ///< the masked-LM head is BERT's

  /// Rows of relative embeddings either way.
  [[nodiscard]] std::int64_t span() const { return buckets > 0 ? buckets : most_relative; }
};

DistanceBuckets distance_buckets(const Deberta& deberta) {
  return DistanceBuckets(deberta.longest, [&](std::int64_t distance) {
    const std::int64_t bucket =
        deberta.buckets > 0 ? signed_logarithmic_bucket(distance, deberta.buckets, deberta.most_relative) : distance;
    return std::clamp<std::int64_t>(bucket + deberta.span(), 0, 2 * deberta.span() - 1);
  });
}

/// Texts of a list, or of one text with bars between them.
std::vector<std::string> barred_texts(const ConfigKeys& keys, const ConfigKey& key, std::string_view otherwise) {
  const auto* value = keys.find(key);
  if (value != nullptr && value->is_array()) return keys.texts(key);
  std::istringstream all(keys.text(key, otherwise));
  std::vector<std::string> texts;
  for (std::string text; std::getline(all, text, '|');) {
    std::erase(text, ' ');
    std::transform(text.begin(), text.end(), text.begin(), [](unsigned char c) { return std::tolower(c); });
    texts.push_back(std::move(text));
  }
  return texts;
}

bool contains(const std::vector<std::string>& texts, std::string_view text) {
  return std::find(texts.begin(), texts.end(), text) != texts.end();
}

void read_relative_positions(const ConfigKeys& keys, Deberta& deberta) {
  std::vector<std::string> types;
  if (!keys.is_null("pos_att_type")) types = barred_texts(keys, "pos_att_type", "");
  deberta.content_to_position = contains(types, "c2p");
  deberta.position_to_content = contains(types, "p2c");
  deberta.relative = keys.flag("relative_attention", false);
  deberta.shared_matrices = keys.truth("share_att_key", false);
  deberta.normed = contains(barred_texts(keys, "norm_rel_ebd", "none"), "layer_norm");
  constexpr std::int64_t kMost = std::int64_t{1} << 30;
  const std::int64_t buckets = keys.integer("position_buckets", -1, -kMost, kMost);
  const std::int64_t most = keys.integer("max_relative_positions", -1, -kMost, kMost);
  deberta.buckets = std::max<std::int64_t>(buckets, 0);
  deberta.most_relative = most < 1 ? deberta.longest : most;
  if (!deberta.relative || deberta.buckets == 0) return;
  if (deberta.buckets == 1) keys.refuse("position_buckets", "two or more, or -1 where there are none");
  const std::int64_t middle = deberta.buckets / 2;
  if (deberta.most_relative - 1 <= middle && deberta.longest - 1 > middle)
    keys.refuse("position_buckets",
                fmt::format("less than twice the longest relative position, which is {}", deberta.most_relative - 1));
}

void read_convolution(const ConfigKeys& keys, Deberta& deberta) {
  deberta.convolution = keys.integer("conv_kernel_size", 0, 0, 1 << 16);
  if (deberta.convolution == 0) return;
  if (deberta.convolution % 2 == 0)
    keys.refuse("conv_kernel_size", "an odd number, so that a sequence keeps its length");
  if (keys.integer("conv_groups", 1, 1, 1 << 30) != 1)
    keys.refuse("conv_groups", "1: convolutions in groups are not supported");
  deberta.convolution_activation = read_activation(keys, "conv_act", "tanh");
}

Deberta read_deberta(const ConfigKeys& keys) {
  Deberta deberta;
  PostNormEncoder& encoder = deberta.encoder;
  encoder = read_bert_keys(keys, {.vocabulary = 128100,
                                  .pad_token_id = 0,
                                  .width = 1536,
                                  .layers = 24,
                                  .heads = 24,
                                  .intermediate_width = 6144,
                                  .epsilon = 1e-7F,
                                  .has_types = false});
  deberta.longest = encoder.positions;
  if (!keys.flag("position_biased_input", true)) encoder.positions = 0;
  encoder.types = keys.integer("type_vocab_size", 0, 0, std::int64_t{1} << 30);
  if (keys.size("attention_head_size", encoder.width / encoder.heads) * encoder.heads != encoder.width)
    keys.refuse("attention_head_size", "the hidden size divided by the heads");
  encoder.embedding_width = keys.size("embedding_size", encoder.width);
  const float dropout = encoder.embedding_dropout;
  encoder.sequence_head_dropout = keys.is_null("cls_dropout") ? dropout : keys.dropout("cls_dropout", dropout);
  encoder.token_head_dropout = dropout;
  if (keys.size("pooler_hidden_size", encoder.width) != encoder.width)
    keys.refuse("pooler_hidden_size", "the hidden size");
  read_relative_positions(keys, deberta);
  read_convolution(keys, deberta);
  deberta.legacy = keys.flag("legacy", true);

  encoder.prefix = "deberta.";
  encoder.sequence_head = {.dense = "pooler.dense",
                           .classifier = "classifier",
                           .activation = parse_activation(read_activation(keys, "pooler_hidden_act", "gelu")),
                           .rate_before_dense = keys.dropout("pooler_dropout", 0.0F)};
  encoder.masked_lm_activation = parse_activation(encoder.activation);
  if (deberta.legacy) {
    encoder.masked_lm_head = {"cls.predictions.transform.dense", "cls.predictions.transform.LayerNorm",
                              "cls.predictions.bias", "cls.predictions.decoder"};
    encoder.alternatives = {{"predictions.bias", "predictions.decoder.bias"}};
  } else {
    encoder.masked_lm_head = {"lm_predictions.lm_head.dense", "lm_predictions.lm_head.LayerNorm",
                              "lm_predictions.lm_head.bias"};
    encoder.tied_embeddings = true;  // whatever the configuration says, it reads the word embeddings
  }
  // Of pre-training: positions that the decoder alone read, and the discriminator.
  encoder.unread = {"position_embeddings.weight",      "mask_predictions.dense.weight",
                    "mask_predictions.dense.bias",     "mask_predictions.LayerNorm.weight",
                    "mask_predictions.LayerNorm.bias", "mask_predictions.classifier.weight",
                    "mask_predictions.classifier.bias"};
  return deberta;
}

ModelSizes sizes_of_deberta(const ConfigKeys& keys) {
  const Deberta deberta = read_deberta(keys);
  ModelSizes sizes = sizes_of(deberta.encoder);
  sizes.longest_sequence = deberta.longest;
  return sizes;
}

/// What the other architectures' definition leaves open.
std::string definition_of_positions(const Deberta& deberta) {
  if (!deberta.relative)
    return fmt::format(", scores scaled for {}{}", deberta.content_to_position ? "c2p " : "",
                       deberta.position_to_content ? "p2c " : "");
  return fmt::format(", relative positions {}{}of {} buckets up to {}{}{}", deberta.content_to_position ? "c2p " : "",
                     deberta.position_to_content ? "p2c " : "", deberta.buckets, deberta.most_relative,
                     deberta.shared_matrices ? ", shared" : "", deberta.normed ? ", normed" : "");
}

void add_deberta_embeddings(const Deberta& deberta, ModelParts& parts) {
  const PostNormEncoder& encoder = deberta.encoder;
  const ParameterPlace place{parts.parameters, 0, ParameterRole::weight,
                             Initialization::normal(encoder.initializer_range), encoder.prefix};
  const bool projects = encoder.embedding_width != encoder.width;
  const TextEmbeddingShape shape{.vocabulary = encoder.vocabulary,
                                 .positions = encoder.positions,
                                 .types = encoder.types,
                                 .position_offset = 0,
                                 .width = encoder.embedding_width,
                                 .epsilon = encoder.epsilon,
                                 .dropout = encoder.embedding_dropout,
                                 .projected_width = projects ? encoder.width : 0};
  parts.input = std::make_unique<TextEmbeddings>(place.within(encoder.embeddings), encoder.embedding, shape);
}

void add_deberta_blocks(const Deberta& deberta, ModelParts& parts) {
  const PostNormEncoder& encoder = deberta.encoder;
  // The lowest block reads them, so what all blocks share belongs there.
  const ParameterPlace lowest = ParameterPlace{parts.parameters, 1, ParameterRole::weight,
                                               Initialization::normal(encoder.initializer_range), encoder.prefix}
                                    .within("encoder");
  std::shared_ptr<const RelativeEmbeddings> relative;
  if (deberta.relative)
    relative = std::make_shared<const RelativeEmbeddings>(
        lowest, RelativeEmbeddings::Names{"rel_embeddings", deberta.normed ? "LayerNorm" : ""}, 2 * deberta.span(),
        encoder.width, encoder.epsilon, distance_buckets(deberta));
  const DisentangledNames names{"attention.self.query_proj",   "attention.self.key_proj",
                                "attention.self.value_proj",   "attention.output.dense",
                                "attention.self.pos_key_proj", "attention.self.pos_query_proj"};
  const DisentangledShape shape{encoder.width,
                                encoder.heads,
                                encoder.attention_probability_dropout,
                                encoder.attention_output_dropout,
                                deberta.content_to_position,
                                deberta.position_to_content,
                                deberta.shared_matrices};
  for (std::int64_t i = 0; i < encoder.layers; ++i) {
    const ParameterPlace place = place_of_next_block(encoder, parts);
    add_block(encoder, parts, place, std::make_unique<DisentangledAttention>(place, names, shape, relative));
    if (i != 0 || deberta.convolution == 0) continue;
    const ConvolutionShape convolution{encoder.width, deberta.convolution,
                                       parse_activation(deberta.convolution_activation), encoder.epsilon,
                                       encoder.feed_forward_dropout};
    parts.blocks.back() = std::make_shared<ConvolvedBlock>(
        lowest, parts.blocks.back(), ConvolutionNames{"conv.conv", "conv.LayerNorm"}, convolution);
  }
}

ModelParts make_deberta(const ConfigKeys& keys, const HeadRequest& request) {
  const Deberta deberta = read_deberta(keys);
  ModelParts parts = begin_parts(deberta.encoder);
  parts.definition += definition_of_positions(deberta);
  if (deberta.convolution > 0)
    parts.definition += fmt::format(", convolution of {}, {}", deberta.convolution, deberta.convolution_activation);
  add_deberta_embeddings(deberta, parts);
  add_deberta_blocks(deberta, parts);
  if (request.kind == HeadKind::masked_language_model && !deberta.legacy &&
      deberta.encoder.embedding_width != deberta.encoder.width)
    keys.refuse("embedding_size", "the hidden size, for a language-model head that is not \"legacy\"");
  add_head(deberta.encoder, parts, request);
  return parts;
}

}  // namespace

Architecture deberta_v2_architecture() {
  return {"deberta-v2", "DebertaV2", "encoder.layer.", sizes_of_deberta, make_deberta};
}

}  // namespace temper
