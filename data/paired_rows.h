// Pairs of rows, the preferred one first: what an epoch shuffles and a step counts are pairs, whose two rows stay side
// by side in every batch. They are sequences of their own: nothing is attended to across them, positions begin anew.
#pragma once

#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

#include "data/example_source.h"
#include "data/token_store.h"

namespace temper {

class PairedRows final : public ExampleSource {
 public:
  /// Rows 2 i and 2 i + 1 of the store are pair i; its arrays are shared, not copied. Throws Error for a row without a
  /// pair.
  explicit PairedRows(const TokenStore& store);

  [[nodiscard]] std::int64_t rows() const override { return store_.rows() / 2; }
  [[nodiscard]] std::int64_t cost(std::int64_t row) const override {
    return store_.length(2 * row) + store_.length(2 * row + 1);
  }
  /// Sequences are called by their row in the store.
  void append(std::int64_t row, std::uint32_t example, Batch& batch) const override;

  [[nodiscard]] const TokenStore& store() const { return store_; }
  /// [rows of the store] what batches have as Batch::references from then on; before, these are 0.
  void compare_with(std::vector<double> references);

 private:
  TokenStore store_;
  std::shared_ptr<const std::vector<double>> references_;
};

}  // namespace temper
