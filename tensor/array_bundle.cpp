#include "tensor/array_bundle.h"

namespace temper {
namespace {

constexpr std::size_t kAlignment = 64;

}  // namespace

void ArrayBundle::add_bytes(std::span<const std::byte> bytes, const Shape& shape, DType type, Tensor& target) {
  bytes_.resize((bytes_.size() + kAlignment - 1) / kAlignment * kAlignment);
  entries_.push_back({static_cast<std::int64_t>(bytes_.size()), shape, type, &target});
  bytes_.insert(bytes_.end(), bytes.begin(), bytes.end());
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
