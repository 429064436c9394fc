// Encoders with norms after the residual sums (post-norm), with BERT's embeddings and heads: how most of BERT's
// successors are built. An architecture describes itself with this struct, and says where it differs.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "model/architectures/architecture.h"
#include "model/blocks/post_norm_block.h"
#include "model/heads/masked_lm_head.h"
#include "model/heads/sequence_head.h"
#include "model/layers/self_attention.h"
#include "model/layers/text_embeddings.h"

namespace temper {

struct PostNormEncoder {
  // ---- sizes and rates
  // ------------------------------------------------------------------------------------------------
  std::string model_type;
  std::int64_t vocabulary = 0;
  std::int64_t width = 0;            ///< a multiple of heads
  std::int64_t embedding_width = 0;  ///< of the embeddings; 0: the same
  std::int64_t layers = 0;
  std::int64_t heads = 0;
  std::int64_t intermediate_width = 0;
  std::int64_t positions = 0;        ///< rows of the position embedding
  std::int64_t position_offset = 0;  ///< row of a sequence's first token
  std::int64_t types = 0;            ///< 0: the model has no token types
  float epsilon = 1e-12F;
  std::string activation;           ///< one of supported_activations()
  float initializer_range = 0.02F;  ///< standard deviation of new weights
  float embedding_dropout = 0.0F;
  float attention_probability_dropout = 0.0F;
  float attention_output_dropout = 0.0F;
  float feed_forward_dropout = 0.0F;
  float sequence_head_dropout = 0.0F;
  float token_head_dropout = 0.0F;
  bool tied_embeddings = true;  ///< a language-model head shares the word embeddings
  std::string config_path;      ///< for messages

  // ---- names: BERT's; of the head whole names
  // -------------------------------------------------------------------------
  std::string prefix;
  std::string embeddings = "embeddings";
  TextEmbeddingNames embedding;
  std::string projection;  ///< of embeddings to the blocks' width; empty: there is none
  std::string blocks = "encoder.layer";
  SelfAttentionNames attention = {"attention.self.query", "attention.self.key", "attention.self.value",
                                  "attention.output.dense"};
  PostNormNames block = {"attention.output.LayerNorm", {"intermediate.dense", "output.dense"}, "output.LayerNorm"};
  SequenceHeadNames sequence_head;
  std::string token_head = "classifier";
  MaskedLmHeadNames masked_lm_head;
  Activation masked_lm_activation = Activation::gelu;
  std::vector<WeightRule> alternatives;  ///< beside BERT's older names of norms
  std::vector<std::string> unread;       ///< beside position ids and copies of a tied decoder
};

/// Where those that read BERT's keys differ.
struct BertDefaults {
  std::int64_t vocabulary;
  std::int32_t pad_token_id;
  bool positions_follow_padding = false;  ///< the first position is pad_token_id + 1
  std::int64_t width = 768;
  std::int64_t layers = 12;
  std::int64_t heads = 12;
  std::int64_t intermediate_width = 3072;
  std::string_view activation = "gelu";
  float dropout = 0.1F;  ///< of the hidden state and of the attention's probabilities
  float epsilon = 1e-12F;
  bool has_types = true;  ///< else `types` is left at 0
};

/// From BERT's keys, with BERT's names for everything below the prefix. Throws Error for values out of range, decoders
/// and relative positions.
PostNormEncoder read_bert_keys(const ConfigKeys& keys, const BertDefaults& defaults);
/// The same with the names and heads of RoBERTa, whose positions begin behind the padding's id.
PostNormEncoder read_roberta_keys(const ConfigKeys& keys, std::int64_t default_vocabulary);
/// Refuses variants that would silently compute something else: decoders, cross-attention, relative positions.
void refuse_bert_variants(const ConfigKeys& keys);
/// The keys that have the same name in all of them: vocabulary, positions, initializer range, tied embeddings.
void read_common_keys(const ConfigKeys& keys, const BertDefaults& defaults, PostNormEncoder& encoder);

ModelSizes sizes_of(const PostNormEncoder& encoder);
/// The whole model, of the parts below.
ModelParts make_parts(const PostNormEncoder& encoder, const HeadRequest& request);

// ---- part by part, from the bottom up, for architectures that have others in between
// -----------------------------------

/// Width, names and definition.
ModelParts begin_parts(const PostNormEncoder& encoder);
void add_embeddings(const PostNormEncoder& encoder, ModelParts& parts);
/// Where the parameters of the next block go.
ParameterPlace place_of_next_block(const PostNormEncoder& encoder, ModelParts& parts);
/// The same under a name of its own, behind the prefix of all.
ParameterPlace place_of_next_block(const PostNormEncoder& encoder, ModelParts& parts, const std::string& name);
/// `attention` has been made in this place.
void add_block(const PostNormEncoder& encoder, ModelParts& parts, const ParameterPlace& place,
               std::unique_ptr<AttentionLayer> attention);
void add_head(const PostNormEncoder& encoder, ModelParts& parts, const HeadRequest& request);

}  // namespace temper
