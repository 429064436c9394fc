#include "runtime/steps/step_graphs.h"

#include <algorithm>
#include <exception>

#include "data/token_rows.h"
#include "runtime/steps/read_tokens.h"

namespace temper {

StepGraphs::StepGraphs(CudaDevice& device) : device_(device), key_(Tensor::empty(device.memory(), {2}, DType::u32)) {}

StepGraphs::~StepGraphs() {
  if (std::uncaught_exceptions() > 0) return;
  try {
    device_.synchronize();
  } catch (...) {  // whoever next waits for the device is told
  }
}

StepGraphs::Entry* StepGraphs::find(const Shape& shape) {
  if (const auto known = entries_.find(shape); known != entries_.end()) return &known->second;
  if (entries_.size() == kMostGraphs) return nullptr;
  if (seen_.contains(shape)) return &entries_[shape];
  if (seen_.size() < kMostRemembered) seen_.insert(shape);
  return nullptr;
}

const PhiloxKey* StepGraphs::set_key(PhiloxKey key) {
  static_assert(sizeof(PhiloxKey) == 2 * sizeof(std::uint32_t));
  device_.upload(key.data(), key_.bytes(), sizeof(key));
  return static_cast<const PhiloxKey*>(key_.bytes());
}

StepGraphs::Shape shape_of(const Batch& batch, const Readout& readout) {
  StepGraphs::Shape shape;
  shape.tokens = batch.tokens();
  shape.sequences = batch.sequences();
  shape.longest = batch.max_length();
  for (std::size_t s = 0; s + 1 < batch.sequence_starts.size(); ++s) {
    const std::int64_t begin = batch.sequence_starts[s];
    const std::int64_t length = batch.sequence_starts[s + 1] - begin;
    shape.selected += count_read_tokens(readout, length, classes_for(readout, batch.classes, begin, length));
  }
  return shape;
}

}  // namespace temper
