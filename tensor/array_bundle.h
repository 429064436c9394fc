// Many small arrays uploaded to a device in one copy; a batch would otherwise need a dozen copies.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <vector>

#include "tensor/device.h"

namespace temper {

class ArrayBundle {
 public:
  using Fill = std::function<void(std::span<std::byte> room)>;

  /// `target` becomes a tensor of these values, once upload() is called; it must live until then.
  template <typename T>
  void add(std::span<const T> values, const Shape& shape, Tensor& target) {
    add_bytes(std::as_bytes(values), shape, dtype_of<T>(), target);
  }
  template <typename T>
  void add(const std::vector<T>& values, Tensor& target) {
    add(std::span<const T>(values), {static_cast<std::int64_t>(values.size())}, target);
  }
  /// The same for values that upload() has written by `fill`: at once where they belong, if the host reaches there.
  /// What `fill` refers to must live until then. Nothing may be added afterwards.
  void add_last(const Shape& shape, DType type, Fill fill, Tensor& target);
  /// All tensors share one block of the device's memory: `block`, if it is given and has the size, else a new one,
  /// which `block` becomes.
  void upload(Device& device, Tensor& block);
  void upload(Device& device) {
    Tensor block;
    upload(device, block);
  }

 private:
  void add_bytes(std::span<const std::byte> bytes, const Shape& shape, DType type, Tensor& target);
  /// The place of a further tensor, behind the last.
  std::size_t add_entry(const Shape& shape, DType type, Tensor& target);

  struct Entry {
    std::int64_t begin;
    Shape shape;
    DType type;
    Tensor* target;
  };

  std::vector<std::byte> bytes_;  ///< of all that add() brought
  std::size_t size_ = 0;          ///< with what fill_ brings
  Fill fill_;
  std::vector<Entry> entries_;
};

}  // namespace temper
