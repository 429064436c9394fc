// Words seen before and their ids. Text repeats itself: almost every word is found here and never reaches the model.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string_view>
#include <vector>

namespace temper {

/// A bounded cache, one cache line per word; a word replaces the one that occupies its slot. For one thread.
class WordCache {
 public:
  static constexpr std::size_t kLongestWord = 24;  // bytes; longer words, and those of more ids, are not kept
  static constexpr std::size_t kMostIds = 9;

  WordCache() : slots_(kSlots) {}

  /// A word's exact identity, and where it belongs.
  struct Key {
    std::uint64_t low;
    std::uint64_t middle;
    std::uint64_t high;
    std::uint32_t length;
    std::uint32_t slot;
  };

  /// Of a word of 1 to kLongestWord bytes.
  static Key key(std::string_view word) {
    const char* data = word.data();
    const std::size_t length = word.size();
    Key key{0, 0, 0, static_cast<std::uint32_t>(length), 0};
    // Loads that overlap: together with the length they determine every byte.
    if (length >= 8) {
      key.low = load<std::uint64_t>(data);
      key.high = load<std::uint64_t>(data + length - 8);
      if (length > 16) key.middle = load<std::uint64_t>(data + 8);
    } else if (length >= 4) {
      key.low = load<std::uint32_t>(data);
      key.high = load<std::uint32_t>(data + length - 4);
    } else {
      key.low = static_cast<unsigned char>(data[0]) | (load<unsigned char>(data + length / 2) << 8U) |
                (load<unsigned char>(data + length - 1) << 16U);
    }
    std::uint64_t mixed = key.low * 0x9E3779B97F4A7C15ULL + key.length;
    mixed ^= mixed >> 32;
    mixed += key.high * 0xC2B2AE3D27D4EB4FULL + key.middle * 0x165667B19E3779F9ULL;
    mixed *= 0xD6E8FEB86659FD93ULL;
    key.slot = static_cast<std::uint32_t>(mixed >> (64 - kSlotBits));
    return key;
  }

  /// The ids of a word, empty if it is not here. Valid until the next insert.
  [[nodiscard]] std::span<const std::int32_t> find(const Key& key) const {
    const Slot& slot = slots_[key.slot];
    if (slot.low != key.low || slot.high != key.high || slot.middle != key.middle || slot.length != key.length)
      return {};
    return {slot.ids.data(), slot.count};
  }

  void insert(const Key& key, std::span<const std::int32_t> ids) {
    if (ids.size() > kMostIds) return;
    Slot& slot = slots_[key.slot];
    slot.low = key.low;
    slot.middle = key.middle;
    slot.high = key.high;
    slot.length = static_cast<std::uint8_t>(key.length);
    slot.count = static_cast<std::uint8_t>(ids.size());
    std::copy(ids.begin(), ids.end(), slot.ids.begin());
  }

 private:
  static constexpr unsigned kSlotBits = 15;  // 2 MiB
  static constexpr std::size_t kSlots = std::size_t{1} << kSlotBits;

  struct alignas(64) Slot {
    std::uint64_t low = 0;
    std::uint64_t middle = 0;
    std::uint64_t high = 0;
    std::array<std::int32_t, kMostIds> ids{};
    std::uint8_t length = 0;  // 0 where nothing is kept
    std::uint8_t count = 0;
  };
  static_assert(sizeof(Slot) == 64);

  template <typename T>
  static std::uint64_t load(const char* data) {
    T value;
    std::memcpy(&value, data, sizeof value);
    return value;
  }

  std::vector<Slot> slots_;
};

}  // namespace temper
