#include "tensor/array_bundle.h"

#include <algorithm>
#include <utility>

#include "base/error.h"

namespace temper {
namespace {

constexpr std::size_t kAlignment = 64;

std::size_t aligned(std::size_t bytes) { return (bytes + kAlignment - 1) / kAlignment * kAlignment; }

}  // namespace

std::size_t ArrayBundle::add_entry(const Shape& shape, DType type, Tensor& target) {
  if (fill_) throw Error("an array was to follow the one that is filled last");
  const std::size_t begin = aligned(size_);
  entries_.push_back({static_cast<std::int64_t>(begin), shape, type, &target});
  size_ = begin + static_cast<std::size_t>(shape.elements()) * size_of(type);
  return begin;
}

void ArrayBundle::add_bytes(std::span<const std::byte> bytes, const Shape& shape, DType type, Tensor& target) {
  const std::size_t begin = add_entry(shape, type, target);
  if (bytes.size() != size_ - begin)
    throw Error("an array of {} bytes was to become a tensor of {} bytes", bytes.size(), size_ - begin);
  bytes_.resize(begin);
  bytes_.insert(bytes_.end(), bytes.begin(), bytes.end());
}

void ArrayBundle::add_last(const Shape& shape, DType type, Fill fill, Tensor& target) {
  bytes_.resize(add_entry(shape, type, target));
  fill_ = std::move(fill);
}

void ArrayBundle::upload(Device& device, Tensor& block) {
  // An empty array at the end still needs a place.
  const auto size = static_cast<std::int64_t>(aligned(size_) + kAlignment);
  if (!block.defined() || block.size_bytes() != size) block = Tensor::empty(device.memory(), {size / 4}, DType::u32);
  const std::size_t begin = bytes_.size();
  const std::size_t room = size_ - begin;
  if (fill_ && device.shares_host_memory()) {
    fill_(std::span(static_cast<std::byte*>(block.bytes()) + begin, room));
  } else if (fill_) {
    bytes_.resize(size_);
    fill_(std::span(bytes_).last(room));
  }
  if (!bytes_.empty()) device.upload(bytes_.data(), block.bytes(), bytes_.size());
  for (const Entry& entry : entries_) *entry.target = block.part(entry.begin, entry.shape, entry.type);
  bytes_.clear();
  entries_.clear();
  size_ = 0;
  fill_ = nullptr;
}

}  // namespace temper
