// Where batches come from: a source has numbered rows, knows what each costs, and reads them into a batch. A data
// format is a class that implements this and the place that makes it; loader, evaluation and caches know nothing more
// of data.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <utility>
#include <vector>

#include "base/image_extent.h"
#include "data/batch.h"

namespace temper {

/// Changes a batch that has been read: masks tokens, or distorts images. Runs in the thread that reads. What it draws
/// must be a pure function of (seed, epoch, example), so that it does not depend on how rows are batched.
using BatchTransform = std::function<void(Batch& batch, std::uint64_t seed, std::int64_t epoch)>;

/// Number of the epoch in which evaluations read: none that training reaches.
inline constexpr std::int64_t kEvaluationEpoch = -1;

/// How a batch is read.
struct BatchReading {
  std::int64_t epoch = kEvaluationEpoch;
  bool outline = false;  ///< without what the input layer reads, where that costs time: for who knows the hidden state
                         ///< above it, or looks at labels alone
};

class ExampleSource {
 public:
  virtual ~ExampleSource() = default;

  /// Rows that can be read.
  [[nodiscard]] virtual std::int64_t rows() const = 0;
  /// What a row of 0 to rows() - 1 costs to compute, in tokens.
  [[nodiscard]] virtual std::int64_t cost(std::int64_t row) const = 0;
  /// Numbers that a row has as targets; 0 where rows have classes or nothing.
  [[nodiscard]] virtual std::int32_t target_width() const { return 0; }
  /// Bytes of text that the predicted tokens of all rows stand for (data/text/running_text.h); 0: not known.
  [[nodiscard]] virtual std::int64_t text_bytes() const { return 0; }
  /// [rows()] numbers of the groups (patients, say) that rows belong to, from 0 on; empty where nothing groups them.
  [[nodiscard]] virtual std::span<const std::int32_t> groups() const { return {}; }
  /// Of images, which are all of one size.
  [[nodiscard]] virtual ImageExtent image_extent() const { return {}; }
  /// Puts a row of 0 to rows() - 1 behind those that a batch has, under the name `example`. Called from several threads
  /// at a time. Throws Error where the row cannot be read.
  virtual void append(std::int64_t row, std::uint32_t example, Batch& batch) const = 0;

  /// The same for somebody who reads so: where rows differ from epoch to epoch, or an outline is cheaper, this is what
  /// a source implements.
  virtual void append_read(std::int64_t row, std::uint32_t example, const BatchReading& /*reading*/,
                           Batch& batch) const {
    append(row, example, batch);
  }

  /// What a source would rather read of all rows of a batch together, once each has been appended: it may use several
  /// threads.
  virtual void complete(std::span<const std::int64_t> /*rows*/, const BatchReading& /*reading*/,
                        Batch& /*batch*/) const {}

  /// Rows that one epoch takes.
  [[nodiscard]] virtual std::int64_t epoch_rows() const { return rows(); }
  /// [epoch_rows()] which rows an epoch takes, in which order: a pure function of its arguments. Here each row once.
  /// Throws Error where there are more rows than 32 bits can name.
  [[nodiscard]] virtual std::vector<std::uint32_t> order_of(std::uint64_t seed, std::int64_t epoch, bool shuffle) const;

  /// How often an epoch takes a row, on average.
  [[nodiscard]] virtual double passes(std::int64_t /*row*/) const { return 1.0; }
  /// Whoever has looked at rows [first, first + count) will not soon do so again: their pages may leave this process.
  virtual void forget_rows(std::int64_t /*first*/, std::int64_t /*count*/) const {}

  /// The rows in the order given, as they are; throws as read does.
  [[nodiscard]] Batch gather(std::span<const std::int64_t> rows, const BatchReading& reading = {}) const;
  /// The rows in the order given, transformed; none give an empty batch. Throws Error for a row that is not there, for
  /// more tokens than 32 bits can number, and as append does.
  [[nodiscard]] Batch read(std::span<const std::int64_t> rows, const BatchReading& reading) const;
  [[nodiscard]] Batch read(std::span<const std::int64_t> rows, std::int64_t epoch) const {
    return read(rows, BatchReading{epoch});
  }

  /// Lets `transform` have every batch that is read from here on, behind those that were given before it.
  void transform_with(BatchTransform transform, std::uint64_t seed) {
    transforms_.emplace_back(std::move(transform), seed);
  }
  /// Whether batches may hold what no row does.
  [[nodiscard]] virtual bool is_transformed() const { return !transforms_.empty(); }

 private:
  std::vector<std::pair<BatchTransform, std::uint64_t>> transforms_;
};

/// Goes through all rows of a source, as they are, some at a time: `use(batch, first)` of rows that begin at row
/// `first`, which are called by their numbers. `use` returns false to stop. `outline`: as BatchReading has it. What has
/// been looked at does not stay resident.
void for_each_batch(const ExampleSource& source, const std::function<bool(const Batch& batch, std::int64_t first)>& use,
                    bool outline = false);

}  // namespace temper
