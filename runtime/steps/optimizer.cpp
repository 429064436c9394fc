#include "runtime/steps/optimizer.h"

#include <algorithm>
#include <array>

namespace temper {

bool may_wait(const OptimizerSettings& settings) {
  // The decay of SGD goes through the momentum.
  return settings.kind == OptimizerKind::adamw || settings.weight_decay == 0.0;
}

Optimizer::Optimizer(Device& device, const ArenaLayout& layout, std::vector<ElementRange> owned,
                     const OptimizerSettings& settings, std::vector<SlotSettings> slots,
                     const std::optional<SparseTable>& table)
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
  updated_ = segments_;
  if (table) {
    const TablePlace place(layout_, *table);
    waiting_slot_ = table->slot;
    updated_.clear();
    for (const Segment& segment : segments_) {
      const ElementRange whole{segment.begin, segment.begin + segment.size};
      const std::vector<ElementRange> live = place.live(table->trained, whole);
      for (const ElementRange range : live)
        updated_.push_back({segment.slot, range.begin, range.size(), segment.state + range.begin - segment.begin});
      for (const ElementRange range : between(live, whole)) waiting_.push_back(range);
    }
  }
  first_ = device.zeros({state_size});
  if (settings_.kind == OptimizerKind::adamw) second_ = device.zeros({state_size});
}

void Optimizer::chunk_square_sums(const float* gradients, double* sums) const {
  constexpr std::int64_t kChunk = ArenaLayout::kChunk;
  for (const ElementRange& range : owned_)
    device_.kernels().run(calls::ChunkSquareSums{.x = gradients + range.begin,
                                                 .chunk = kChunk,
                                                 .chunks = range.size() / kChunk,
                                                 .sums = sums + range.begin / kChunk});
}

void Optimizer::chunk_square_sums(const float* gradients, double* sums, const TablePlace& place,
                                  const RowSet& live) const {
  constexpr std::int64_t kChunk = ArenaLayout::kChunk;
  // The kernel deals elements out to its sums in turn. Whole rounds of zeros can be left out; a multiple of every
  // round there is, whatever the width of a vector:
  constexpr std::int64_t kRound = 256;
  std::vector<float> taken;
  taken.reserve(kChunk);
  for (const ElementRange& range : owned_) {
    for (std::int64_t begin = range.begin; begin < range.end; begin += kChunk) {
      const ElementRange chunk{begin, begin + kChunk};
      double* sum = sums + begin / kChunk;
      if (!place.meets(chunk)) {
        device_.kernels().run(
            calls::ChunkSquareSums{.x = gradients + begin, .chunk = kChunk, .chunks = 1, .sums = sum});
        continue;
      }
      taken.clear();
      std::int64_t end = begin;
      for (const ElementRange part : place.live(live, chunk)) {
        const std::int64_t first = std::max(end, begin + (part.begin - begin) / kRound * kRound);
        end = std::max(end, begin + (part.end - begin + kRound - 1) / kRound * kRound);
        if (first < end) taken.insert(taken.end(), gradients + first, gradients + end);
      }
      const auto size = static_cast<std::int64_t>(taken.size());
      *sum = 0.0;
      if (size > 0)
        device_.kernels().run(calls::ChunkSquareSums{.x = taken.data(), .chunk = size, .chunks = 1, .sums = sum});
    }
  }
}

void Optimizer::step(float* parameters, const float* gradients, BFloat16* working, double learning_rate,
                     double gradient_scale) {
  for (SlotSettings& slot : slots_) ++slot.updates;
  if (waiting_slot_ >= 0) note_decay(learning_rate);
  for (const Segment& segment : updated_) {
    const SlotSettings& slot = slots_[segment.slot];
    const auto rate = static_cast<float>(learning_rate * slot.rate_factor);
    const auto decay = static_cast<float>(slot.decays ? settings_.weight_decay : 0.0);
    const auto scale = static_cast<float>(gradient_scale);
    float* values = parameters + segment.begin;
    const float* gradient = gradients + segment.begin;
    BFloat16* rounded = working == nullptr ? nullptr : working + segment.begin;
    float* first = first_.data<float>() + segment.state;
    if (settings_.kind == OptimizerKind::sgd) {
      device_.kernels().run(calls::Sgd{.parameters = values,
                                       .gradients = gradient,
                                       .momenta = first,
                                       .working = rounded,
                                       .n = segment.size,
                                       .step = {rate, static_cast<float>(settings_.momentum), decay, scale}});
    } else {
      device_.kernels().run(calls::AdamW{.parameters = values,
                                         .gradients = gradient,
                                         .first_moments = first,
                                         .second_moments = second_.data<float>() + segment.state,
                                         .working = rounded,
                                         .n = segment.size,
                                         .step = {rate, settings_.beta1, settings_.beta2,
                                                  static_cast<float>(settings_.epsilon), decay, scale, slot.updates}});
    }
  }
}

void Optimizer::note_decay(double learning_rate) {
  const SlotSettings& slot = slots_[static_cast<std::size_t>(waiting_slot_)];
  if (settings_.kind != OptimizerKind::adamw || !slot.decays) return;
  // What the kernel makes of 1 is what it multiplies by.
  float factor = 1.0F;
  const float gradient = 0.0F;
  float first = 0.0F;
  float second = 0.0F;
  device_.kernels().run(calls::AdamW{
      .parameters = &factor,
      .gradients = &gradient,
      .first_moments = &first,
      .second_moments = &second,
      .n = 1,
      .step = {static_cast<float>(learning_rate * slot.rate_factor), settings_.beta1, settings_.beta2,
               static_cast<float>(settings_.epsilon), static_cast<float>(settings_.weight_decay), 1.0F, slot.updates}});
  if (factor != 1.0F) factors_.push_back(factor);
}

void Optimizer::settle(float* parameters, BFloat16* working) {
  if (factors_.empty()) return;
  // So many stay in registers while they are multiplied again and again.
  constexpr std::int64_t kBlock = 64;
  std::array<float, kBlock> block;
  for (const ElementRange range : waiting_) {
    for (std::int64_t begin = range.begin; begin < range.end; begin += kBlock) {
      const std::int64_t size = std::min(kBlock, range.end - begin);
      block.fill(0.0F);
      std::copy_n(parameters + begin, size, block.begin());
      for (const float factor : factors_)
        for (float& value : block) value *= factor;
      std::copy_n(block.begin(), size, parameters + begin);
      if (working != nullptr) std::transform(block.begin(), block.begin() + size, working + begin, to_bfloat16);
    }
  }
  factors_.clear();
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
