// The tokens of a model: text to id and back.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "data/tokenizer/flat_string_map.h"

namespace temper {

/// A token of tokenizer.json: `length` bytes at `offset` of the text that holds them all.
struct VocabularyEntry {
  std::uint32_t offset;
  std::uint32_t length;
  std::int32_t id;
};

class Vocabulary {
 public:
  /// Of the entries, whose ids are at least 0.
  Vocabulary(std::string text, const std::vector<VocabularyEntry>& entries);
  Vocabulary(const Vocabulary&) = delete;
  Vocabulary& operator=(const Vocabulary&) = delete;

  [[nodiscard]] std::optional<std::int32_t> find(std::string_view token) const;
  /// The token of an id; nothing if no token has it.
  [[nodiscard]] std::optional<std::string_view> token(std::int32_t id) const;
  /// Highest id + 1.
  [[nodiscard]] std::int32_t size() const { return static_cast<std::int32_t>(tokens_.size()); }
  /// Number of tokens, which is less than size() where ids are left out.
  [[nodiscard]] std::int32_t count() const { return count_; }
  /// All tokens, one after the other: what the views of token() point into.
  [[nodiscard]] std::string_view text() const { return text_; }

 private:
  std::string text_;
  FlatStringMap ids_;
  std::vector<std::string_view> tokens_;  // by id; no data where an id is left out
  std::int32_t count_ = 0;
};

}  // namespace temper
