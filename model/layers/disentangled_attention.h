// Attention whose scores also compare what tokens are with how far apart they are (He, Liu, Gao, Chen: "DeBERTa:
// decoding-enhanced BERT with disentangled attention", 2021, 3.1; its third version: He, Gao, Chen, 2023).
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "model/layers/attention_layer.h"
#include "model/layers/distance_buckets.h"
#include "model/layers/layer_norm.h"
#include "model/layers/linear.h"

namespace temper {

/// The embeddings of relative positions, which all blocks read: a table [buckets, width], perhaps normed.
class RelativeEmbeddings {
 public:
  struct Names {
    std::string table;
    std::string norm;  ///< empty: there is none
  };
  RelativeEmbeddings(const ParameterPlace& place, const Names& names, std::int64_t entries, std::int64_t width,
                     float epsilon, DistanceBuckets buckets);

  /// Rows of these buckets, in the type of the activations.
  [[nodiscard]] Variable rows(Tape& tape, const DistanceBuckets::Range& range) const;
  /// Names of these rows for dropout: every batch of a step drops the same.
  [[nodiscard]] TokenKeys names(Device& device, const DistanceBuckets::Range& range) const;
  [[nodiscard]] const DistanceBuckets& buckets() const { return buckets_; }

 private:
  Variable table_;
  std::optional<LayerNorm> norm_;
  DistanceBuckets buckets_;
  ConstantArray<std::uint32_t> zeros_;
  ConstantArray<std::uint32_t> numbers_;
};

struct DisentangledNames {
  std::string query;
  std::string key;
  std::string value;
  std::string output;
  std::string position_key;  ///< of relative positions, where they have matrices of their own
  std::string position_query;
};

struct DisentangledShape {
  std::int64_t width;
  std::int64_t heads;
  double dropout;           ///< on the attention probabilities
  double position_dropout;  ///< on the relative embeddings
  bool content_to_position;
  bool position_to_content;
  bool shared_matrices;  ///< relative positions go through the matrices of queries and keys
};

class DisentangledAttention final : public AttentionLayer {
 public:
  /// Without relative positions (null) scores are products alone, scaled as if there were those that the shape names.
  DisentangledAttention(const ParameterPlace& place, const DisentangledNames& names, const DisentangledShape& shape,
                        std::shared_ptr<const RelativeEmbeddings> relative);

  Variable forward(Tape& tape, const PackedInput& input, const Variable& hidden, const Variable& query_rows,
                   const TokenSelection& selection, std::uint32_t dropout_place) const override;
  [[nodiscard]] std::uint32_t dropout_places() const override { return 2; }

 private:
  /// What distances add to the scores of queries q and keys k.
  [[nodiscard]] DistanceTerms terms(Tape& tape, const Variable& q, const Variable& k, std::int64_t longest,
                                    const Dropout& dropout) const;

  DisentangledShape shape_;
  AttentionShape attention_;
  std::shared_ptr<const RelativeEmbeddings> relative_;
  Linear query_;
  Linear key_;
  Linear value_;
  std::optional<Linear> position_key_;
  std::optional<Linear> position_query_;
  Linear output_;
};

/// x [rows, heads * width], table [entries, heads * width] -> [rows, heads * entries]: of each head, the products of
/// its part of every row of x with its part of every row of the table.
Variable products_by_head(Tape& tape, const Variable& x, const Variable& table, std::int64_t heads);

}  // namespace temper
