// Some rows of a store, one behind the other, as a source of their own: those that came from one of several files.
#pragma once

#include <cstdint>

#include "data/token_store.h"

namespace temper {

/// Whoever names the examples counts from this source's first row (a Mixture of ranges that lie one behind the other
/// numbers them as the store does).
class RowRange final : public ExampleSource {
 public:
  /// Rows [first, first + count) of the store, which has them. The store's arrays are shared, not copied.
  RowRange(const TokenStore& store, std::int64_t first, std::int64_t count)
      : store_(store), first_(first), count_(count) {}

  [[nodiscard]] std::int64_t rows() const override { return count_; }
  [[nodiscard]] std::int64_t cost(std::int64_t row) const override { return store_.cost(first_ + row); }
  [[nodiscard]] std::int32_t target_width() const override { return store_.target_width(); }
  void append(std::int64_t row, std::uint32_t example, Batch& batch) const override {
    store_.append(first_ + row, example, batch);
  }
  void forget_rows(std::int64_t first, std::int64_t count) const override { store_.forget_rows(first_ + first, count); }

 private:
  TokenStore store_;
  std::int64_t first_;
  std::int64_t count_;
};

}  // namespace temper
