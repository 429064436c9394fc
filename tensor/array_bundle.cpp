#include "tensor/array_bundle.h"

#include <algorithm>

#include "base/error.h"

namespace temper {
namespace {

constexpr std::size_t kAlignment = 64;

}  // namespace

std::span<std::byte> ArrayBundle::add_room(const Shape& shape, DType type, Tensor& target) {
  const std::size_t begin = (bytes_.size() + kAlignment - 1) / kAlignment * kAlignment;
  entries_.push_back({static_cast<std::int64_t>(begin), shape, type, &target});
  bytes_.resize(begin + static_cast<std::size_t>(shape.elements()) * size_of(type));
  return std::span(bytes_).subspan(begin);
}

void ArrayBundle::add_bytes(std::span<const std::byte> bytes, const Shape& shape, DType type, Tensor& target) {
  const std::span<std::byte> room = add_room(shape, type, target);
  if (bytes.size() != room.size())
    throw Error("an array of {} bytes was to become a tensor of {} bytes", bytes.size(), room.size());
  std::ranges::copy(bytes, room.begin());
}

void ArrayBundle::upload(Device& device, Tensor& block) {
  // An empty array at the end still needs a place.
  bytes_.resize(bytes_.size() + kAlignment);
  const auto size = static_cast<std::int64_t>(bytes_.size());
  if (!block.defined() || block.size_bytes() != size) block = Tensor::empty(device.memory(), {size / 4}, DType::u32);
  device.upload(bytes_.data(), block.bytes(), static_cast<std::size_t>(size / 4 * 4));
  for (const Entry& entry : entries_) *entry.target = block.part(entry.begin, entry.shape, entry.type);
  bytes_.clear();
  entries_.clear();
}

}  // namespace temper
