// Micro-batches of one shape, replayed without a tape: the work that a GPU was given for one of them is captured as a
// CUDA graph and replayed for the next, with other inputs in the same memory. It pays off if kernels are short and
// shapes repeat (rows of one length, say); two packed batches of texts of various lengths hardly ever have the same
// shape.
//
// The first micro-batch of a shape runs as usual, the second is captured. The number of graphs is limited, since each
// keeps the memory of its activations. Buckets are exchanged after a replay, not inside it, so nothing overlaps with
// it.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <set>
#include <vector>

#include "runtime/steps/device_batch.h"
#include "tensor/device.h"

namespace temper {

class StepGraphs {
 public:
  /// Everything that a captured graph depends on, besides the contents of device memory.
  struct Shape {
    BatchShape batch;
    const void* gradients = nullptr;
    const void* sum = nullptr;
    std::vector<bool> written;  ///< which gradients are added to
    auto operator<=>(const Shape&) const = default;
  };
  struct Entry {
    DeviceBatch batch;  ///< its memory is where the recorded work finds its inputs
    std::unique_ptr<CudaGraph> work;
    std::vector<std::int64_t> completed;  ///< slots, in the order in which backward completes them
    std::vector<std::size_t> written;     ///< slots whose gradients it writes
  };

  explicit StepGraphs(Device& device);
  StepGraphs(const StepGraphs&) = delete;
  StepGraphs& operator=(const StepGraphs&) = delete;
  /// Waits for what it gave to the device, unless an error is under way.
  ~StepGraphs();

  [[nodiscard]] std::size_t recorded() const { return entries_.size(); }
  /// Null for a shape that is seen for the first time, or when there are graphs enough.
  [[nodiscard]] Entry* find(const Shape& shape);
  /// Writes the key of this step to where captured work reads it, in stream order. Returns its address.
  [[nodiscard]] const PhiloxKey* set_key(PhiloxKey key);

 private:
  static constexpr std::size_t kMostGraphs = 8;
  static constexpr std::size_t kMostRemembered = 1 << 12;

  Device& device_;
  Tensor key_;  ///< u32 [2]
  std::set<Shape> seen_;
  std::map<Shape, Entry> entries_;
};

}  // namespace temper
