// Pieces of texts that were tokenised before. The beginnings of one conversation, each a turn longer than the one
// before it, consist of the same pieces between special tokens, and a piece has the same ids wherever it stands.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace temper {

/// Grows with every piece it meets: for one conversation, by one thread.
class PieceMemo {
 public:
  using Spans = std::span<const std::pair<std::size_t, std::size_t>>;

  /// All that decides a piece's ids: its bytes, which of them are untrusted (bytes of the piece), and whether it begins
  /// the text.
  static std::string key(std::string_view piece, Spans untrusted, bool at_start);
  /// Null where it was not met.
  [[nodiscard]] const std::vector<std::int32_t>* find(const std::string& key) const;
  void insert(std::string key, std::span<const std::int32_t> ids);

 private:
  std::map<std::string, std::vector<std::int32_t>, std::less<>> known_;
};

}  // namespace temper
