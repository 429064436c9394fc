#include "data/tokenizer/piece_memo.h"

#include <cstring>

namespace temper {

std::string PieceMemo::key(std::string_view piece, Spans untrusted, bool at_start) {
  std::string key;
  key.reserve(1 + sizeof(std::size_t) * (1 + 2 * untrusted.size()) + piece.size());
  const auto add = [&](std::size_t number) {
    char bytes[sizeof(number)];
    std::memcpy(bytes, &number, sizeof(number));
    key.append(bytes, sizeof(number));
  };
  key.push_back(at_start ? '^' : '.');
  add(untrusted.size());
  for (const auto& [begin, end] : untrusted) {
    add(begin);
    add(end);
  }
  return key.append(piece);
}

const std::vector<std::int32_t>* PieceMemo::find(const std::string& key) const {
  const auto found = known_.find(key);
  return found == known_.end() ? nullptr : &found->second;
}

void PieceMemo::insert(std::string key, std::span<const std::int32_t> ids) {
  known_.insert_or_assign(std::move(key), std::vector<std::int32_t>(ids.begin(), ids.end()));
}

}  // namespace temper
