// MPNet (Song, Tan, Qin, Lu, Liu: "MPNet: masked and permuted pre-training for language understanding", 2020):
// RoBERTa's positions and heads, no token types, and a bias on scores by distance, which all blocks share.
#include <fmt/format.h>

#include "model/architectures/post_norm_encoder.h"

namespace temper {
namespace {

/// What transformers computes with, whatever the configuration says of them.
constexpr std::int64_t kBuckets = 32;
constexpr std::int64_t kFarthest = 128;
constexpr std::int64_t kFirstPosition = 2;

struct Mpnet {
  PostNormEncoder encoder;
  std::int64_t bias_rows;  ///< of the table; those beyond kBuckets are never read
};

Mpnet read_mpnet(const ConfigKeys& keys) {
  Mpnet mpnet;
  PostNormEncoder& encoder = mpnet.encoder;
  encoder = read_bert_keys(keys, {.vocabulary = 30527, .pad_token_id = 1, .has_types = false});
  encoder.position_offset = kFirstPosition;
  if (encoder.positions <= kFirstPosition) keys.refuse("max_position_embeddings", "room for two tokens and one more");
  // It has no rate for them alone.
  encoder.sequence_head_dropout = encoder.embedding_dropout;
  encoder.token_head_dropout = encoder.embedding_dropout;
  mpnet.bias_rows = keys.size("relative_attention_num_buckets", kBuckets);
  if (mpnet.bias_rows < kBuckets)
    keys.refuse("relative_attention_num_buckets",
                fmt::format("{} or more, which is what distances are sorted into", kBuckets));

  encoder.prefix = "mpnet.";
  encoder.attention = {"attention.attn.q", "attention.attn.k", "attention.attn.v", "attention.attn.o"};
  encoder.block.attention_norm = "attention.LayerNorm";
  encoder.sequence_head = {
      .dense = "classifier.dense", .classifier = "classifier.out_proj", .dropout_before_dense = true};
  encoder.masked_lm_head = {"lm_head.dense", "lm_head.layer_norm", "lm_head.bias", "lm_head.decoder"};
  // Tied to the bias of the decoder, some files have it under that name alone.
  encoder.alternatives = {{"lm_head.bias", "lm_head.decoder.bias"}};
  return mpnet;
}

ModelSizes sizes_of_mpnet(const ConfigKeys& keys) { return sizes_of(read_mpnet(keys).encoder); }

ModelParts make_mpnet(const ConfigKeys& keys, const HeadRequest& request) {
  const Mpnet mpnet = read_mpnet(keys);
  const PostNormEncoder& encoder = mpnet.encoder;
  ModelParts parts = begin_parts(encoder);
  add_embeddings(encoder, parts);
  // The lowest block reads it, so it belongs there.
  const ParameterPlace lowest{parts.parameters, 1, ParameterRole::weight,
                              Initialization::normal(encoder.initializer_range), encoder.prefix};
  const auto bias = std::make_shared<const DistanceBias>(
      lowest.within("encoder"), "relative_attention_bias", mpnet.bias_rows, encoder.heads,
      DistanceBuckets(encoder.positions,
                      [](std::int64_t distance) { return halved_logarithmic_bucket(distance, kBuckets, kFarthest); }));
  for (std::int64_t i = 0; i < encoder.layers; ++i) {
    const ParameterPlace place = place_of_next_block(encoder, parts);
    const SelfAttentionShape shape{encoder.width, encoder.heads, encoder.attention_probability_dropout};
    add_block(encoder, parts, place, std::make_unique<SelfAttention>(place, encoder.attention, shape, bias));
  }
  add_head(encoder, parts, request);
  return parts;
}

}  // namespace

Architecture mpnet_architecture() { return {"mpnet", "MPNet", "encoder.layer.", sizes_of_mpnet, make_mpnet}; }

}  // namespace temper
