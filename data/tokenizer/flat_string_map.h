// Token to id, as fast as memory allows: open addressing with linear probing over one array of 16-byte slots, keys in
// one buffer. The hash can be extended byte by byte, so that a search for the longest match hashes each byte once.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string_view>
#include <vector>

namespace temper {

/// The hash of a text that grows at its end.
class GrowingHash {
 public:
  void add(char byte) { state_ = (state_ ^ static_cast<unsigned char>(byte)) * 0x9E3779B97F4A7C15ULL; }
  /// Hash of what was added so far.
  [[nodiscard]] std::uint64_t value() const { return state_ ^ (state_ >> 32); }

 private:
  std::uint64_t state_ = 0xCBF29CE484222325ULL;
};

class FlatStringMap {
 public:
  static constexpr std::int32_t kAbsent = -1;

  FlatStringMap() : FlatStringMap(std::string_view(), 0) {}

  /// A map with room for `entries` keys, each of which must lie in `buffer`, which must outlive the map.
  FlatStringMap(std::string_view buffer, std::size_t entries) : buffer_(buffer) {
    std::size_t slots = 16;
    while (slots < 2 * entries) slots *= 2;
    slots_.resize(slots);
  }

  static std::uint64_t hash(std::string_view key) {
    GrowingHash hash;
    for (const char byte : key) hash.add(byte);
    return hash.value();
  }

  /// The value of a key, a later value replaces an earlier one. `key` must be a part of the buffer, `value` >= 0.
  void insert(std::string_view key, std::int32_t value) {
    const std::uint64_t hashed = hash(key);
    Slot& slot = slots_[position(key, hashed)];
    slot = {static_cast<std::uint32_t>(key.data() - buffer_.data()), static_cast<std::uint32_t>(key.size()),
            static_cast<std::uint32_t>(hashed >> 32), value};
    if (key.size() > longest_) longest_ = key.size();
  }

  /// The value of a key, or kAbsent.
  [[nodiscard]] std::int32_t find(std::string_view key) const { return find(key, hash(key)); }
  /// The same, where hash(key) is known.
  [[nodiscard]] std::int32_t find(std::string_view key, std::uint64_t hashed) const {
    return slots_[position(key, hashed)].value;
  }

  /// Bytes of the longest key.
  [[nodiscard]] std::size_t longest() const { return longest_; }

 private:
  struct Slot {
    std::uint32_t offset = 0;
    std::uint32_t length = 0;
    std::uint32_t tag = 0;
    std::int32_t value = kAbsent;
  };

  [[nodiscard]] std::size_t position(std::string_view key, std::uint64_t hashed) const {
    const std::size_t mask = slots_.size() - 1;
    const auto tag = static_cast<std::uint32_t>(hashed >> 32);
    for (std::size_t i = hashed & mask;; i = (i + 1) & mask) {
      const Slot& slot = slots_[i];
      if (slot.value == kAbsent) return i;
      if (slot.tag == tag && slot.length == key.size() &&
          (key.empty() || std::memcmp(buffer_.data() + slot.offset, key.data(), key.size()) == 0))
        return i;
    }
  }

  std::string_view buffer_;
  std::vector<Slot> slots_;
  std::size_t longest_ = 0;
};

}  // namespace temper
