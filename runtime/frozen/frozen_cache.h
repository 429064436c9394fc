// The output of a model's frozen part for every example of a data set, computed once: from then on a batch brings its
// hidden rows instead of its tokens, and a step starts at the first stage that is trained.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <vector>

#include "comm/communicator.h"
#include "data/example_source.h"
#include "model/model.h"
#include "runtime/frozen/frozen_layout.h"
#include "runtime/frozen/frozen_store.h"
#include "runtime/steps/hidden_rows.h"
#include "tensor/device.h"

namespace temper {

/// Good as long as the frozen part's weights stay as they are, and until more of the model is trained.
class FrozenCache final : public HiddenRows {
 public:
  explicit FrozenCache(FrozenLayout layout) : layout_(std::move(layout)) {}

  [[nodiscard]] const FrozenLayout& layout() const { return layout_; }
  /// What the rows are kept in; it refers to layout().
  void keep_in(std::unique_ptr<FrozenStore> store) { store_ = std::move(store); }
  [[nodiscard]] FrozenStore& store() const { return *store_; }

  [[nodiscard]] std::int64_t stages() const override { return layout_.stages; }
  [[nodiscard]] std::int64_t width() const override { return layout_.width; }
  [[nodiscard]] DType type() const override { return layout_.type; }
  [[nodiscard]] std::int64_t rows_of(std::span<const std::uint32_t> examples) const override;
  void read(std::span<const std::uint32_t> examples, std::span<std::byte> rows) const override;

 private:
  FrozenLayout layout_;
  std::unique_ptr<FrozenStore> store_;
};

struct FillSettings {
  /// True once a signal asked this rank to stop; asked now and then, by all ranks together.
  std::function<bool()> stop_requested = [] { return false; };
  /// Told now and then how many examples are done, about, on all ranks of the node.
  std::function<void(std::int64_t done)> progress = [](std::int64_t) {};
};

/// Collective. Computes what the store does not hold: each node all blocks, its ranks in turns. False if a signal asked
/// any rank to stop; the cache is then of no use.
bool fill(FrozenCache& cache, Model& model, Device& device, Communicator& communicator, const ExampleSource& data,
          const FillSettings& settings);

}  // namespace temper
