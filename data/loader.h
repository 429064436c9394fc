// Batches ahead of their use: a thread reads and transforms the next steps while the current one is computed.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "base/timeline.h"
#include "data/batch.h"
#include "data/example_source.h"

namespace temper {

/// Where in the data a run stands; part of a checkpoint.
struct LoaderPosition {
  std::int64_t epoch = 0;
  std::int64_t step = 0;  ///< in the epoch

  friend bool operator==(const LoaderPosition&, const LoaderPosition&) = default;
};

struct LoaderOptions {
  std::int64_t batch_size = 32;  ///< rows, over all grains
  int grains = 1;                ///< parts of a batch, over all ranks
  int first_grain = 0;           ///< this rank has grains [first_grain, last_grain)
  int last_grain = 1;
  int micro_batches = 1;  ///< contiguous parts of a grain, of about equally many rows
  std::uint64_t seed = 0;
  bool shuffle = true;
  std::int64_t epochs = 1;       ///< where the data ends; endless if negative
  bool outline = false;          ///< batches are read in outline (BatchReading)
  int prefetch = 2;              ///< steps that are packed ahead
  Timeline* timeline = nullptr;  ///< where packing is noted; may be null
};

struct StepBatch {
  LoaderPosition position;                 ///< of this step
  std::int64_t global_rows = 0;            ///< over all ranks
  std::vector<std::vector<Batch>> grains;  ///< [this rank's grains][micro_batches], empty batches where rows are few
};

/// The batch of a step: a pure function of its arguments, which the loader calls ahead of time. `order`: order_of() of
/// the step's epoch.
StepBatch make_step(const ExampleSource& source, const LoaderOptions& options, LoaderPosition position,
                    std::span<const std::uint32_t> order);

/// For one consuming thread.
///
///     Loader loader(source, options, {.epoch = 0, .step = 0});
///     while (std::optional<StepBatch> step = loader.next()) train(*step);
class Loader {
 public:
  /// Begins at `start`. The source must outlive the loader and not change. Throws Error for options out of range, a
  /// start beyond its epoch, and a source without rows.
  Loader(const ExampleSource& source, const LoaderOptions& options, LoaderPosition start);
  /// Ends the thread, wherever it is.
  ~Loader();
  Loader(const Loader&) = delete;
  Loader& operator=(const Loader&) = delete;

  /// The next step; nothing at the end of the last epoch. Throws what the thread threw, once the steps before it are
  /// used up.
  std::optional<StepBatch> next();

 private:
  class Prefetcher;
  std::unique_ptr<Prefetcher> prefetcher_;
};

}  // namespace temper
