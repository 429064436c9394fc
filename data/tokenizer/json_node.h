// A value of a JSON file together with its place, so that whatever is wrong with it can be said in one sentence.
#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"

namespace temper {

/// A view: the JSON document must outlive it. Every accessor throws Error naming file, place, found and expected.
class JsonNode {
 public:
  JsonNode(const nlohmann::json& value, std::string file, std::string place)
      : value_(&value), file_(std::move(file)), place_(std::move(place)) {}

  /// The value of a key, which must be there.
  [[nodiscard]] JsonNode member(std::string_view key) const;
  /// The value of a key; nothing if the key is absent or its value null.
  [[nodiscard]] std::optional<JsonNode> optional_member(std::string_view key) const;
  /// The elements of an array.
  [[nodiscard]] std::vector<JsonNode> elements() const;

  [[nodiscard]] bool is_null() const { return value_->is_null(); }
  [[nodiscard]] bool is_text() const { return value_->is_string(); }
  [[nodiscard]] std::string text() const;
  /// A string of one character.
  [[nodiscard]] char32_t character() const;
  [[nodiscard]] bool boolean() const;
  [[nodiscard]] double number() const;
  /// A whole number of the range.
  [[nodiscard]] std::int64_t integer(std::int64_t lowest, std::int64_t highest) const;

  [[nodiscard]] std::string text_or(std::string_view key, std::string_view otherwise) const;
  [[nodiscard]] bool boolean_or(std::string_view key, bool otherwise) const;

  [[nodiscard]] const std::string& file() const { return file_; }
  [[nodiscard]] const std::string& place() const { return place_; }

  /// "FILE: PLACE: found VALUE, expected EXPECTED".
  [[nodiscard]] Error unexpected(std::string_view expected) const;

 private:
  [[nodiscard]] std::string place_of(std::string_view key) const;

  const nlohmann::json* value_;
  std::string file_;
  std::string place_;
};

}  // namespace temper
