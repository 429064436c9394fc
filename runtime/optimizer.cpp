#include "runtime/optimizer.h"

#include <algorithm>

namespace temper {

Optimizer::Optimizer(Device& device, const ArenaLayout& layout, std::vector<ElementRange> owned,
                     const OptimizerSettings& settings, std::vector<SlotSettings> slots)
    : device_(device), layout_(layout), owned_(std::move(owned)), settings_(settings), slots_(std::move(slots)) {
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
  first_ = device.zeros({state_size});
  if (settings_.kind == OptimizerKind::adamw) second_ = device.zeros({state_size});
}

void Optimizer::chunk_square_sums(const float* gradients, double* sums) const {
  constexpr std::int64_t kChunk = ArenaLayout::kChunk;
  for (const ElementRange& range : owned_)
    device_.kernels().chunk_square_sums(gradients + range.begin, kChunk, range.size() / kChunk,
                                        sums + range.begin / kChunk);
}

void Optimizer::step(float* parameters, const float* gradients, BFloat16* working, double learning_rate,
                     double gradient_scale) {
  for (SlotSettings& slot : slots_) ++slot.updates;
  for (const Segment& segment : segments_) {
    const SlotSettings& slot = slots_[segment.slot];
    const auto rate = static_cast<float>(learning_rate * slot.rate_factor);
    const auto decay = static_cast<float>(slot.decays ? settings_.weight_decay : 0.0);
    const auto scale = static_cast<float>(gradient_scale);
    float* values = parameters + segment.begin;
    const float* gradient = gradients + segment.begin;
    BFloat16* rounded = working == nullptr ? nullptr : working + segment.begin;
    float* first = first_.data<float>() + segment.state;
    if (settings_.kind == OptimizerKind::sgd) {
      device_.kernels().sgd_step(values, gradient, first, rounded, segment.size,
                                 {rate, static_cast<float>(settings_.momentum), decay, scale});
    } else {
      device_.kernels().adamw_step(
          values, gradient, first, second_.data<float>() + segment.state, rounded, segment.size,
          {rate, settings_.beta1, settings_.beta2, static_cast<float>(settings_.epsilon), decay, scale, slot.updates});
    }
  }
}

std::vector<Optimizer::StateSlice> Optimizer::state() {
  std::vector<StateSlice> slices;
  for (const Segment& segment : segments_)
    slices.push_back({segment.slot, segment.begin - layout_.slots()[segment.slot].begin, segment.size,
                      first_.data<float>() + segment.state,
                      second_.defined() ? second_.data<float>() + segment.state : nullptr});
  return slices;
}

}  // namespace temper
