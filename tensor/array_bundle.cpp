#include "tensor/array_bundle.h"

#include <algorithm>
#include <utility>

#include "base/error.h"

namespace temper {
namespace {

constexpr std::size_t kBundleAlignment = 64;

std::size_t aligned(std::size_t bytes) { return (bytes + kBundleAlignment - 1) / kBundleAlignment * kBundleAlignment; }

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
  if (!fill) throw Error("an array was to be filled by nobody");
  bytes_.resize(add_entry(shape, type, target));
  fill_ = std::move(fill);
}

void ArrayBundle::upload(Device& device, Tensor& block) {
  // Whatever becomes of it, the bundle is empty afterwards.
  std::vector<std::byte> bytes = std::exchange(bytes_, {});
  const std::vector<Entry> entries = std::exchange(entries_, {});
  const std::size_t size = std::exchange(size_, 0);
  const Fill fill = std::exchange(fill_, {});
  // An empty array at the end still needs a place.
  const auto block_size = static_cast<std::int64_t>(aligned(size) + kBundleAlignment);
  if (!block.defined() || block.size_bytes() != block_size)
    block = Tensor::empty(device.memory(), {block_size / 4}, DType::u32);
  const std::size_t begin = bytes.size();
  if (fill && device.shares_host_memory()) {
    fill(std::span(static_cast<std::byte*>(block.bytes()) + begin, size - begin));
  } else if (fill) {
    bytes.resize(size);
    fill(std::span(bytes).subspan(begin));
  }
  if (!bytes.empty()) device.upload(bytes.data(), block.bytes(), bytes.size());
  for (const Entry& entry : entries) *entry.target = block.part(entry.begin, entry.shape, entry.type);
}

}  // namespace temper
