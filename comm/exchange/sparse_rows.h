// Which rows of a sparse table (comm/exchange/sparse_table.h) hold something in a step: this rank's, which are known
// before its backward pass, and all ranks', which the exchange that it is built into learns.
#pragma once

#include <cstdint>
#include <utility>

#include "comm/exchange/sparse_table.h"

namespace temper {

class SparseRows {
 public:
  /// Throws Error where the layout has no such table.
  SparseRows(const ArenaLayout& layout, const SparseTable& table)
      : place_(layout, table),
        slot_(table.slot),
        own_(table.trained.rows()),
        live_(table.trained.rows()),
        before_(table.trained.rows()) {}

  [[nodiscard]] const TablePlace& place() const { return place_; }
  [[nodiscard]] std::int64_t slot() const { return slot_; }

  /// In the step that begins, this rank's buffers hold something in these rows alone.
  void begin_step(const RowSet& own) { own_ = own; }
  [[nodiscard]] const RowSet& own() const { return own_; }

  /// The exchange has heard of all ranks' rows.
  void learn(RowSet live) { before_ = std::exchange(live_, std::move(live)); }
  /// What it has heard: known when GradientExchange::finish() has returned. The sums are zero in the other rows,
  /// provided that the memory was where they lie in a buffer.
  [[nodiscard]] const RowSet& live() const { return live_; }
  /// live() of the step before.
  [[nodiscard]] const RowSet& before() const { return before_; }

 private:
  TablePlace place_;
  std::int64_t slot_;
  RowSet own_;
  RowSet live_;
  RowSet before_;
};

}  // namespace temper
