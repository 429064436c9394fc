// All tokens that a text begins with, byte by byte: a trie whose edges are in one array with open addressing.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

namespace temper {

class PrefixTrie {
 public:
  /// A trie for about as many bytes of keys.
  explicit PrefixTrie(std::size_t bytes) {
    std::size_t slots = 64;
    while (slots < 2 * bytes) slots *= 2;
    slots_.resize(slots);
    values_.push_back(kNone);
  }

  /// A later value replaces an earlier one. `value` >= 0.
  void insert(std::string_view key, std::int32_t value) {
    std::uint32_t node = 0;
    for (const char byte : key) {
      if (2 * values_.size() > slots_.size()) grow();
      Slot& slot = slots_[position(edge(node, byte))];
      if (slot.child == 0) {
        slot = {edge(node, byte), static_cast<std::uint32_t>(values_.size())};
        values_.push_back(kNone);
      }
      node = slot.child;
    }
    values_[node] = value;
  }

  /// Calls found(length, value) for each key that a text begins with, shortest first; not for the empty key.
  template <typename Found>
  void prefixes(std::string_view text, Found&& found) const {
    std::uint32_t node = 0;
    for (std::size_t i = 0; i < text.size(); ++i) {
      node = slots_[position(edge(node, text[i]))].child;
      if (node == 0) return;
      if (values_[node] != kNone) found(i + 1, values_[node]);
    }
  }

 private:
  static constexpr std::int32_t kNone = -1;
  struct Slot {
    std::uint64_t edge = 0;
    std::uint32_t child = 0;  // 0 where the slot is free: the root is nobody's child
  };

  static std::uint64_t edge(std::uint32_t node, char byte) {
    return (static_cast<std::uint64_t>(node) << 8) | static_cast<unsigned char>(byte);
  }

  [[nodiscard]] std::size_t position(std::uint64_t edge) const {
    const std::size_t mask = slots_.size() - 1;
    std::uint64_t mixed = edge * 0x9E3779B97F4A7C15ULL;
    mixed ^= mixed >> 32;
    for (std::size_t i = mixed & mask;; i = (i + 1) & mask)
      if (slots_[i].child == 0 || slots_[i].edge == edge) return i;
  }

  void grow() {
    std::vector<Slot> before(2 * slots_.size());
    before.swap(slots_);
    for (const Slot& slot : before)
      if (slot.child != 0) slots_[position(slot.edge)] = slot;
  }

  std::vector<Slot> slots_;
  std::vector<std::int32_t> values_;  // by node
};

}  // namespace temper
