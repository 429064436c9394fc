#include "data/tokenizer/json_node.h"

#include "data/tokenizer/utf8.h"

namespace temper {

std::string JsonNode::place_of(std::string_view key) const {
  return place_.empty() ? std::string(key) : fmt::format("{}.{}", place_, key);
}

Error JsonNode::unexpected(std::string_view expected) const {
  constexpr std::size_t kShown = 60;
  std::string found = value_->dump(-1, ' ', true, nlohmann::json::error_handler_t::replace);
  if (found.size() > kShown) found = found.substr(0, kShown) + "...";
  return Error("{}: {}: found {}, expected {}", file_, place_.empty() ? "the document" : place_, found, expected);
}

JsonNode JsonNode::member(std::string_view key) const {
  if (!value_->is_object()) throw unexpected("an object");
  const auto found = value_->find(key);
  if (found == value_->end())
    throw Error("{}: {} is missing; the file is not a complete tokenizer.json", file_, place_of(key));
  return {*found, file_, place_of(key)};
}

std::optional<JsonNode> JsonNode::optional_member(std::string_view key) const {
  if (!value_->is_object()) throw unexpected("an object");
  const auto found = value_->find(key);
  if (found == value_->end() || found->is_null()) return std::nullopt;
  return JsonNode(*found, file_, place_of(key));
}

std::vector<JsonNode> JsonNode::elements() const {
  if (!value_->is_array()) throw unexpected("an array");
  std::vector<JsonNode> nodes;
  nodes.reserve(value_->size());
  for (std::size_t i = 0; i < value_->size(); ++i)
    nodes.emplace_back((*value_)[i], file_, fmt::format("{}[{}]", place_, i));
  return nodes;
}

std::string JsonNode::text() const {
  if (!value_->is_string()) throw unexpected("a string");
  return value_->get<std::string>();
}

char32_t JsonNode::character() const {
  const std::string characters = text();
  if (characters.empty() || decode_utf8(characters.data()).bytes != characters.size())
    throw unexpected("a string of one character");
  return decode_utf8(characters.data()).value;
}

double JsonNode::number() const {
  if (!value_->is_number()) throw unexpected("a number");
  return value_->get<double>();
}

bool JsonNode::boolean() const {
  if (!value_->is_boolean()) throw unexpected("true or false");
  return value_->get<bool>();
}

std::int64_t JsonNode::integer(std::int64_t lowest, std::int64_t highest) const {
  const auto expected = [&] { return fmt::format("a whole number from {} to {}", lowest, highest); };
  if (!value_->is_number_integer()) throw unexpected(expected());
  if (value_->is_number_unsigned() && value_->get<std::uint64_t>() > static_cast<std::uint64_t>(highest))
    throw unexpected(expected());
  const auto number = value_->get<std::int64_t>();
  if (number < lowest || number > highest) throw unexpected(expected());
  return number;
}

std::string JsonNode::text_or(std::string_view key, std::string_view otherwise) const {
  const std::optional<JsonNode> node = optional_member(key);
  return node ? node->text() : std::string(otherwise);
}

bool JsonNode::boolean_or(std::string_view key, bool otherwise) const {
  const std::optional<JsonNode> node = optional_member(key);
  return node ? node->boolean() : otherwise;
}

}  // namespace temper
