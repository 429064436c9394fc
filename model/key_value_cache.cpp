#include "model/key_value_cache.h"

namespace temper {
namespace {

/// Rows [slots * room, columns] of which each slot has the first `lengths` of its rows in `from`.
Tensor moved(Device& device, const Tensor& from, std::int64_t old_room, std::int64_t slots, std::int64_t room,
             std::span<const std::int64_t> lengths) {
  Tensor to = Tensor::empty(device.memory(), {slots * room, from.columns()}, from.type());
  for (std::int64_t slot = 0; slot < slots; ++slot) {
    const std::int64_t count = lengths[static_cast<std::size_t>(slot)];
    if (count == 0) continue;
    device.kernels().run(calls::Copy{.x = from.row_range(slot * old_room, count).as_rows(),
                                     .y = to.row_range(slot * room, count).as_rows()});
  }
  return to;
}

}  // namespace

void KeyValueCache::grow(std::int64_t room, std::span<const std::int64_t> lengths) {
  if (room <= room_) return;
  for (auto& [place, layer] : layers_) {
    layer.keys = moved(device_, layer.keys, room_, slots_, room, lengths);
    layer.values = moved(device_, layer.values, room_, slots_, room, lengths);
  }
  room_ = room;
}

const CachedLayer& KeyValueCache::append(std::uint32_t layer, const Tensor& keys, const Tensor& values,
                                         const Tensor& rows) {
  CachedLayer& held = layers_[layer];
  if (!held.keys.defined()) {
    held.keys = Tensor::empty(device_.memory(), {slots_ * room_, keys.columns()}, keys.type());
    held.values = Tensor::empty(device_.memory(), {slots_ * room_, values.columns()}, values.type());
  }
  const auto* places = rows.data<std::int32_t>();
  device_.kernels().run(calls::ScatterRows{.x = keys.as_rows(), .rows = places, .y = held.keys.as_rows()});
  device_.kernels().run(calls::ScatterRows{.x = values.as_rows(), .rows = places, .y = held.values.as_rows()});
  return held;
}

std::int64_t KeyValueCache::bytes() const {
  std::int64_t sum = 0;
  for (const auto& [place, layer] : layers_) sum += layer.keys.size_bytes() + layer.values.size_bytes();
  return sum;
}

}  // namespace temper
