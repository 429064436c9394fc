#include "data/tokenizer/vocabulary.h"

#include <algorithm>
#include <utility>

namespace temper {

Vocabulary::Vocabulary(std::string text, const std::vector<VocabularyEntry>& entries)
    : text_(std::move(text)), ids_(text_, entries.size()) {
  std::int32_t highest = -1;
  for (const VocabularyEntry& entry : entries) highest = std::max(highest, entry.id);
  tokens_.resize(static_cast<std::size_t>(highest) + 1);
  for (const VocabularyEntry& entry : entries) {
    const std::string_view token = std::string_view(text_).substr(entry.offset, entry.length);
    count_ += ids_.find(token) == FlatStringMap::kAbsent ? 1 : 0;
    ids_.insert(token, entry.id);
    tokens_[static_cast<std::size_t>(entry.id)] = token;
  }
}

std::optional<std::int32_t> Vocabulary::find(std::string_view token) const {
  const std::int32_t id = ids_.find(token);
  return id == FlatStringMap::kAbsent ? std::nullopt : std::optional(id);
}

std::optional<std::string_view> Vocabulary::token(std::int32_t id) const {
  if (id < 0 || id >= size() || tokens_[static_cast<std::size_t>(id)].data() == nullptr) return std::nullopt;
  return tokens_[static_cast<std::size_t>(id)];
}

}  // namespace temper
