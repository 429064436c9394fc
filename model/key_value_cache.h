// The keys and values of texts that are being continued, so that a further token attends to those before it without
// computing them again (Pope et al.: "Efficiently scaling transformer inference", 2022, 2).
#pragma once

#include <cstdint>
#include <map>
#include <span>
#include <vector>

#include "tensor/device.h"
#include "tensor/tape.h"

namespace temper {

/// What one layer holds: a row for each place of each slot.
struct CachedLayer {
  Tensor keys;    ///< [slots * room, heads of keys * width of a key]
  Tensor values;  ///< [slots * room, heads of keys * width of a value]
};

/// A text has a slot, `room` places for its tokens; places beyond its length hold anything. Layers are told apart by
/// the place of their dropout, of which each standing of a block in the stack has its own (model/block.h), and are
/// given memory when they are first met.
class KeyValueCache {
 public:
  /// The device must outlive it.
  KeyValueCache(Device& device, std::int64_t slots, std::int64_t room) : device_(device), slots_(slots), room_(room) {}

  [[nodiscard]] std::int64_t slots() const { return slots_; }
  [[nodiscard]] std::int64_t room() const { return room_; }
  /// Row of a slot's first token.
  [[nodiscard]] std::int64_t first_row(std::int64_t slot) const { return slot * room_; }

  /// Makes the room `room` where it is less. What the slots hold stays, up to `lengths` [slots] tokens each.
  void grow(std::int64_t room, std::span<const std::int64_t> lengths);

  /// Keys [tokens, ...] and values of new tokens take rows `rows` i32 [tokens] of a layer; gives all that it holds.
  const CachedLayer& append(std::uint32_t layer, const Tensor& keys, const Tensor& values, const Tensor& rows);

  [[nodiscard]] std::int64_t bytes() const;

 private:
  Device& device_;
  std::int64_t slots_;
  std::int64_t room_;
  std::map<std::uint32_t, CachedLayer> layers_;
};

/// How a pass over new tokens sees what came before them; all tensors lie on the device.
struct CachedPast {
  KeyValueCache* cache = nullptr;  ///< null: the pass is over whole texts
  Tensor rows;                     ///< i32 [tokens]: the cache's row of each new token
  Tensor starts;                   ///< i32 [sequences + 1]: the cache's row of each sequence's first token
  Tensor lengths;                  ///< i32 [sequences]: tokens of each, the new ones included
  /// i32 [sequences]: tokens of each whole text, of which more may be to come: what angles go by that depend on it.
  Tensor whole_lengths;
  std::int64_t tokens = 0;  ///< sum of the lengths
  std::int64_t longest = 0;

  [[nodiscard]] bool defined() const { return cache != nullptr; }
};

}  // namespace temper
