#include "runtime/optimizer.h"

#include <algorithm>

namespace temper {

Optimizer::Optimizer(Kernels& kernels, const ArenaLayout& layout, std::vector<ElementRange> owned,
                     const OptimizerSettings& settings, std::vector<SlotSettings> slots)
    : kernels_(kernels), layout_(layout), owned_(std::move(owned)), settings_(settings), slots_(std::move(slots)) {
  std::int64_t state_size = 0;
  for (const ElementRange& range : owned_) {
    for (std::size_t i = layout_.first_slot_after(range.begin); i < layout_.slots().size(); ++i) {
      const ArenaSlot slot = layout_.slots()[i];
      const std::int64_t begin = std::max(slot.begin, range.begin);
      const std::int64_t end = std::min(slot.begin + slot.size, range.end);
      if (begin >= range.end) break;
      if (begin >= end) continue;
      segments_.push_back({i, begin, end - begin, state_size});
      state_size += end - begin;
    }
  }
  first_.assign(static_cast<std::size_t>(state_size), 0.0F);
  if (settings_.kind == OptimizerKind::adamw) second_.assign(static_cast<std::size_t>(state_size), 0.0F);
}

std::vector<double> Optimizer::chunk_square_sums(const float* gradients) const {
  std::vector<double> sums(static_cast<std::size_t>(layout_.chunks()));
  for (const ElementRange& range : owned_)
    for (std::int64_t begin = range.begin; begin < range.end; begin += ArenaLayout::kChunk)
      sums[static_cast<std::size_t>(begin / ArenaLayout::kChunk)] =
          kernels_.sum_of_squares(gradients + begin, ArenaLayout::kChunk);
  return sums;
}

void Optimizer::step(std::span<float> parameters, const float* gradients, double learning_rate, double gradient_scale) {
  for (SlotSettings& slot : slots_) ++slot.updates;
  for (const Segment& segment : segments_) {
    const SlotSettings& slot = slots_[segment.slot];
    const auto rate = static_cast<float>(learning_rate * slot.rate_factor);
    const auto decay = static_cast<float>(slot.decays ? settings_.weight_decay : 0.0);
    const auto scale = static_cast<float>(gradient_scale);
    float* values = parameters.data() + segment.begin;
    const float* gradient = gradients + segment.begin;
    float* first = first_.data() + segment.state;
    if (settings_.kind == OptimizerKind::sgd) {
      kernels_.sgd_step(values, gradient, first, segment.size,
                        {rate, static_cast<float>(settings_.momentum), decay, scale});
    } else {
      kernels_.adamw_step(
          values, gradient, first, second_.data() + segment.state, segment.size,
          {rate, settings_.beta1, settings_.beta2, static_cast<float>(settings_.epsilon), decay, scale, slot.updates});
    }
  }
}

std::vector<Optimizer::StateSlice> Optimizer::state() {
  std::vector<StateSlice> slices;
  for (const Segment& segment : segments_) {
    const auto offset = static_cast<std::size_t>(segment.state);
    const auto size = static_cast<std::size_t>(segment.size);
    slices.push_back({segment.slot, segment.begin - layout_.slots()[segment.slot].begin,
                      std::span(first_).subspan(offset, size),
                      second_.empty() ? std::span<float>() : std::span(second_).subspan(offset, size)});
  }
  return slices;
}

}  // namespace temper
