#include "runtime/steps/optimizer.h"

#include <algorithm>
#include <array>

namespace temper {

Optimizer::Optimizer(Device& device, Communicator& communicator, const ArenaLayout& layout,
                     const std::vector<ElementRange>& owned, const UpdateSettings& settings,
                     std::vector<SlotSettings> slots, const std::optional<SparseTable>& table)
    : device_(device),
      communicator_(communicator),
      layout_(layout),
      settings_(settings),
      rule_(update_rule(settings.rule)),
      slots_(std::move(slots)) {
  StatePlaces sizes{};
  for (const ElementRange& range : owned) {
    for (std::size_t i = layout_.first_slot_after(range.begin); i < layout_.slots().size(); ++i) {
      const ArenaSlot slot = layout_.slots()[i];
      const std::int64_t begin = std::max(slot.begin, range.begin);
      const std::int64_t end = std::min(slot.begin + slot.size, range.end);
      if (begin >= range.end) break;
      if (begin >= end) continue;
      segments_.push_back({i, begin, end - begin, sizes});
      for (std::size_t a = 0; a < rule_.state.size(); ++a)
        if (!rule_.state[a].is_whole()) sizes[a] += state_elements(a, i, end - begin);
    }
  }
  updated_ = segments_;
  if (table) {
    const TablePlace place(layout_, *table);
    // Elsewhere all rows are read.
    if (rule_.supports_lazy_decay(settings_)) waiting_slot_ = table->slot;
    updated_.clear();
    for (const Segment& segment : segments_) {
      const ElementRange whole{segment.begin, segment.begin + segment.size};
      const std::vector<ElementRange> live = place.live(table->trained, whole);
      for (const ElementRange range : live) {
        StatePlaces state = segment.state;
        for (std::size_t a = 0; a < rule_.state.size(); ++a)
          state[a] += state_elements(a, segment.slot, range.begin - segment.begin);
        updated_.push_back({segment.slot, range.begin, range.size(), state});
      }
      for (const ElementRange range : between(live, whole)) deferred_.push_back(range);
    }
  }
  for (std::size_t slot = 0; slot < slots_.size(); ++slot) {
    whole_places_.push_back(sizes);
    for (std::size_t a = 0; a < rule_.state.size(); ++a)
      if (rule_.state[a].is_whole()) sizes[a] += state_elements(a, slot, layout_.slots()[slot].size);
  }
  for (std::size_t a = 0; a < rule_.state.size(); ++a) state_.push_back(device.zeros({sizes[a]}));
}

std::int64_t Optimizer::state_elements(std::size_t array, std::size_t slot, std::int64_t size) const {
  return rule_.state[array].elements(size, slots_[slot].rows, slots_[slot].columns);
}

SlotUpdate Optimizer::slot_update(std::size_t slot, double learning_rate) const {
  const SlotSettings& settings = slots_[slot];
  return {layout_.slots()[slot].size,
          settings.rows,
          settings.columns,
          static_cast<float>(learning_rate * settings.rate_factor),
          static_cast<float>(settings.decays ? settings_.weight_decay : 0.0),
          settings.updates,
          {}};
}

void Optimizer::step(float* parameters, const float* gradients, BFloat16* compute_copy, double learning_rate,
                     double gradient_scale) {
  std::vector<SlotUpdate> slots;
  for (std::size_t slot = 0; slot < slots_.size(); ++slot) {
    ++slots_[slot].updates;
    slots.push_back(slot_update(slot, learning_rate));
    for (std::size_t a = 0; a < state_.size(); ++a)
      if (rule_.state[a].is_whole()) slots.back().state[a] = state_[a].data<float>() + whole_places_[slot][a];
  }
  if (waiting_slot_ >= 0) note_decay(learning_rate);
  std::vector<UpdateSlice> slices;
  for (const Segment& segment : updated_) {
    UpdateSlice slice{segment.slot,
                      segment.begin - layout_.slots()[segment.slot].begin,
                      segment.size,
                      ArenaLayout::kChunk - segment.begin % ArenaLayout::kChunk,
                      parameters + segment.begin,
                      gradients + segment.begin,
                      compute_copy == nullptr ? nullptr : compute_copy + segment.begin,
                      {}};
    for (std::size_t a = 0; a < state_.size(); ++a)
      if (state_elements(a, segment.slot, segment.size) > 0 && !rule_.state[a].is_whole())
        slice.state[a] = state_[a].data<float>() + segment.state[a];
    slices.push_back(slice);
  }
  rule_.update({device_, communicator_, settings_, static_cast<float>(gradient_scale), slots, slices});
}

void Optimizer::note_decay(double learning_rate) {
  // What the rule makes of 1 is what it multiplies by.
  float factor = 1.0F;
  const float gradient = 0.0F;
  std::array<float, kMostStateArrays> state{};
  UpdateSlice slice{.size = 1, .to_chunk = 1, .parameters = &factor, .gradients = &gradient};
  for (std::size_t a = 0; a < state.size(); ++a) slice.state[a] = &state[a];
  const SlotUpdate slot = slot_update(static_cast<std::size_t>(waiting_slot_), learning_rate);
  rule_.update({device_, communicator_, settings_, 1.0F, {&slot, 1}, {&slice, 1}});
  if (factor != 1.0F) factors_.push_back(factor);
}

void Optimizer::settle(float* parameters, BFloat16* compute_copy) {
  if (factors_.empty()) return;
  // So many stay in registers while they are multiplied again and again.
  constexpr std::int64_t kBlock = 64;
  std::array<float, kBlock> block;
  for (const ElementRange range : deferred_) {
    for (std::int64_t begin = range.begin; begin < range.end; begin += kBlock) {
      const std::int64_t size = std::min(kBlock, range.end - begin);
      block.fill(0.0F);
      std::copy_n(parameters + begin, size, block.begin());
      for (const float factor : factors_)
        for (float& value : block) value *= factor;
      std::copy_n(block.begin(), size, parameters + begin);
      if (compute_copy != nullptr)
        std::transform(block.begin(), block.begin() + size, compute_copy + begin, to_bfloat16);
    }
  }
  factors_.clear();
}

std::vector<Optimizer::StateSlice> Optimizer::state() {
  std::vector<StateSlice> slices;
  const auto add = [&](std::size_t slot, std::size_t array, std::int64_t begin, std::int64_t size, std::int64_t place) {
    const std::int64_t elements = state_elements(array, slot, size);
    if (elements > 0)
      slices.push_back(
          {slot, array, begin, elements, state_[array].data<float>() + place, rule_.state[array].is_whole()});
  };
  for (std::size_t a = 0; a < rule_.state.size(); ++a) {
    if (rule_.state[a].is_whole()) {
      for (std::size_t slot = 0; slot < slots_.size(); ++slot)
        add(slot, a, 0, layout_.slots()[slot].size, whole_places_[slot][a]);
    } else {
      for (const Segment& segment : segments_)
        add(segment.slot, a, segment.begin - layout_.slots()[segment.slot].begin, segment.size, segment.state[a]);
    }
  }
  return slices;
}

}  // namespace temper
