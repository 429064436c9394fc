#include "runtime/optimizer.h"

#include <algorithm>
#include <array>

namespace temper {
namespace {

constexpr std::int64_t kTogether = 64;

}  // namespace

Optimizer::Optimizer(Device& device, const ArenaLayout& layout, std::vector<ElementRange> owned,
                     const OptimizerSettings& settings, std::vector<SlotSettings> slots)
    : device_(device), layout_(layout), owned_(std::move(owned)), settings_(settings), slots_(std::move(slots)) {
  std::int64_t state_size = 0;
  std::int64_t most_idle = 0;
  for (const ElementRange& range : owned_) {
    for (std::size_t i = layout_.first_slot_after(range.begin); i < layout_.slots().size(); ++i) {
      const ArenaSlot slot = layout_.slots()[i];
      const std::int64_t begin = std::max(slot.begin, range.begin);
      const std::int64_t end = std::min(slot.begin + slot.size, range.end);
      if (begin >= range.end) break;
      if (begin >= end) continue;
      layout_.for_each_part({begin, end}, [&](ElementRange part, bool idle) {
        segments_.push_back({i, part.begin, part.size(), state_size, idle});
        if (idle) {
          most_idle = std::max(most_idle, part.size());
        } else {
          state_size += part.size();
        }
      });
    }
  }
  if (most_idle > 0) idle_moments_ = device.zeros({most_idle});
  pending_decay_.resize(slots_.size());
  first_ = device.zeros({state_size});
  if (settings_.kind == OptimizerKind::adamw) second_ = device.zeros({state_size});
}

void Optimizer::chunk_square_sums(const float* gradients, double* sums) const {
  constexpr std::int64_t kChunk = ArenaLayout::kChunk;
  for (const ElementRange& range : owned_) {
    if (!layout_.has_idle()) {
      device_.kernels().chunk_square_sums(gradients + range.begin, kChunk, range.size() / kChunk,
                                          sums + range.begin / kChunk);
      continue;
    }
    // Only a device that shares the host's memory has idle elements.
    for (std::int64_t begin = range.begin; begin < range.end; begin += kChunk) {
      double sum = 0.0;
      layout_.for_each_active({begin, begin + kChunk}, [&](ElementRange part) {
        double of_part = 0.0;
        device_.kernels().chunk_square_sums(gradients + part.begin, part.size(), 1, &of_part);
        sum += of_part;
      });
      sums[begin / kChunk] = sum;
    }
  }
}

void Optimizer::step(float* parameters, const float* gradients, BFloat16* working, double learning_rate,
                     double gradient_scale) {
  for (SlotSettings& slot : slots_) ++slot.updates;
  // As adamw_step has it.
  for (std::size_t i = 0; layout_.has_idle() && settings_.kind == OptimizerKind::adamw && i < slots_.size(); ++i) {
    const double rate = static_cast<float>(learning_rate * slots_[i].rate_factor);
    const auto decay = static_cast<float>(slots_[i].decays ? settings_.weight_decay : 0.0);
    pending_decay_[i].push_back(static_cast<float>(1.0 - rate * static_cast<double>(decay)));
  }
  for (const Segment& segment : segments_) {
    if (segment.idle) continue;
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

void Optimizer::settle(float* parameters) {
  for (const Segment& segment : segments_) {
    if (!segment.idle) continue;
    for (std::int64_t i = segment.begin; i < segment.begin + segment.size; i += kTogether) {
      // A few at a time stay in registers while all factors pass.
      std::array<float, kTogether> values{};
      const auto count = static_cast<std::size_t>(std::min(kTogether, segment.begin + segment.size - i));
      std::copy_n(parameters + i, count, values.begin());
      for (const float factor : pending_decay_[segment.slot])
        for (float& value : values) value *= factor;
      std::copy_n(values.begin(), count, parameters + i);
    }
  }
  for (std::vector<float>& pending : pending_decay_) pending.clear();
}

std::vector<Optimizer::StateSlice> Optimizer::state() {
  std::vector<StateSlice> slices;
  for (const Segment& segment : segments_) {
    float* first = segment.idle ? idle_moments_.data<float>() : first_.data<float>() + segment.state;
    float* second = nullptr;
    if (second_.defined()) second = segment.idle ? first : second_.data<float>() + segment.state;
    slices.push_back(
        {segment.slot, segment.begin - layout_.slots()[segment.slot].begin, segment.size, first, second, segment.idle});
  }
  return slices;
}

}  // namespace temper
