#include "runtime/explaining/attention_rollout.h"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <span>
#include <vector>

#include "base/error.h"
#include "tensor/ops.h"

namespace temper {
namespace {

/// What the attention of a block read, on the host.
struct BlockAttention {
  AttentionShape shape;
  std::vector<float> queries;  ///< [tokens, query heads, head width]
  std::vector<float> keys;     ///< [tokens, key heads, head width]
};

/// Keeps the queries and keys of a pass: some 100 KiB a block, where its probabilities would be megabytes.
class KeptAttention final : public AttentionObserver {
 public:
  KeptAttention(Device& device, std::int64_t tokens) : device_(device), tokens_(tokens) {}

  void attended(const Variable& q, const Variable& k, const PackedSequences& sequences,
                const AttentionShape& shape) override {
    if (sequences.sequences != 1 || q.value().rows() != tokens_ || k.value().rows() != tokens_ || !shape.sees_all())
      throw Error(
          "attention rollout: a block attends within {} sequences with {} queries, expected one of {} tokens in which "
          "everyone sees everyone",
          sequences.sequences, q.value().rows(), tokens_);
    blocks_.push_back({shape, device_.download_as_f32(q.value()), device_.download_as_f32(k.value())});
  }
  [[nodiscard]] const std::vector<BlockAttention>& blocks() const { return blocks_; }

 private:
  Device& device_;
  std::int64_t tokens_;
  std::vector<BlockAttention> blocks_;
};

/// Adds `weight` times the probabilities of a query, by one head, to `sum` [tokens].
void add_probabilities(const BlockAttention& block, std::size_t query, std::size_t head, double weight,
                       std::vector<double>& scores, std::vector<double>& sum) {
  const auto width = static_cast<std::size_t>(block.shape.head_width);
  const std::size_t key_head = head / static_cast<std::size_t>(block.shape.group());
  const float* q = block.queries.data() + (query * static_cast<std::size_t>(block.shape.query_heads) + head) * width;
  double largest = -INFINITY;
  for (std::size_t key = 0; key < scores.size(); ++key) {
    const float* k = block.keys.data() + (key * static_cast<std::size_t>(block.shape.key_heads) + key_head) * width;
    double product = 0.0;
    for (std::size_t i = 0; i < width; ++i) product += static_cast<double>(q[i]) * k[i];
    double score = product * block.shape.scale;
    if (block.shape.soft_cap > 0.0F) score = block.shape.soft_cap * std::tanh(score / block.shape.soft_cap);
    scores[key] = score;
    largest = std::max(largest, score);
  }
  double total = 0.0;
  for (double& score : scores) total += score = std::exp(score - largest);
  for (std::size_t key = 0; key < scores.size(); ++key) sum[key] += weight * scores[key] / total;
}

/// row [tokens] times the matrix of a block.
std::vector<double> through(const BlockAttention& block, const std::vector<double>& row) {
  const auto heads = static_cast<std::size_t>(block.shape.query_heads);
  std::vector<double> scores(row.size());
  std::vector<double> out(row.size());
  for (std::size_t query = 0; query < row.size(); ++query) {
    if (row[query] == 0.0) continue;
    out[query] += 0.5 * row[query];
    for (std::size_t head = 0; head < heads; ++head)
      add_probabilities(block, query, head, 0.5 * row[query] / static_cast<double>(heads), scores, out);
  }
  return out;
}

}  // namespace

RelevanceMap attention_rollout(const Model& model, Device& device, const DeviceBatch& image, const ImageSizes& images,
                               ImageExtent grid) {
  const std::int64_t tokens = image.input.tokens();
  const std::int64_t first_patch = images.first_patch;
  if (tokens != first_patch + grid.pixels() || first_patch < images.classified_tokens)
    throw Error("attention rollout: an image has {} tokens, expected {} before {} x {} patches", tokens, first_patch,
                grid.height, grid.width);
  KeptAttention kept(device, tokens);
  Tape tape(device, Tape::Mode::evaluation);
  tape.observe_attention(kept);
  (void)model.hidden_state(tape, image.input, TokenSelection(), model.stages());
  if (kept.blocks().empty()) throw Error("attention rollout: no block of the model attends");
  // From the top down, so that a row goes along and no product of matrices is needed.
  std::vector<double> row(static_cast<std::size_t>(tokens));
  std::fill_n(row.begin(), images.classified_tokens, 1.0 / static_cast<double>(images.classified_tokens));
  for (std::size_t block = kept.blocks().size(); block-- > 0;) row = through(kept.blocks()[block], row);
  RelevanceMap map{grid, std::vector<double>(row.begin() + first_patch, row.end())};
  map.nothing = *std::min_element(map.values.begin(), map.values.end());
  return map;
}

}  // namespace temper
