#include "model/gguf/gguf_metadata.h"

#include <fmt/format.h>

#include <cmath>
#include <cstring>
#include <nlohmann/json.hpp>
#include <utility>

#include "base/error.h"

namespace temper {
namespace {

constexpr const char* kGgufRemedy = "download the file again, or convert the model anew";

template <typename Number>
Number number_at(const std::byte* bytes) {
  Number number;
  std::memcpy(&number, bytes, sizeof(number));
  return number;
}

/// Calls use(number) with the number's own type; false where the value holds none.
template <typename Use>
bool with_number(GgufValueType type, const std::byte* bytes, const Use& use) {
  switch (type) {
    case GgufValueType::u8:
      use(number_at<std::uint8_t>(bytes));
      return true;
    case GgufValueType::i8:
      use(number_at<std::int8_t>(bytes));
      return true;
    case GgufValueType::u16:
      use(number_at<std::uint16_t>(bytes));
      return true;
    case GgufValueType::i16:
      use(number_at<std::int16_t>(bytes));
      return true;
    case GgufValueType::u32:
      use(number_at<std::uint32_t>(bytes));
      return true;
    case GgufValueType::i32:
      use(number_at<std::int32_t>(bytes));
      return true;
    case GgufValueType::u64:
      use(number_at<std::uint64_t>(bytes));
      return true;
    case GgufValueType::i64:
      use(number_at<std::int64_t>(bytes));
      return true;
    case GgufValueType::f32:
      use(number_at<float>(bytes));
      return true;
    case GgufValueType::f64:
      use(number_at<double>(bytes));
      return true;
    case GgufValueType::boolean:
    case GgufValueType::text:
    case GgufValueType::array:
      return false;
  }
  return false;
}

std::optional<std::int64_t> integer_at(GgufValueType type, const std::byte* bytes) {
  std::optional<std::int64_t> result;
  with_number(type, bytes, [&](auto number) {
    if constexpr (std::is_integral_v<decltype(number)>)
      if (std::in_range<std::int64_t>(number)) result = static_cast<std::int64_t>(number);
  });
  return result;
}

std::optional<double> real_at(GgufValueType type, const std::byte* bytes) {
  std::optional<double> result;
  with_number(type, bytes, [&](auto number) {
    if (std::isfinite(static_cast<double>(number))) result = static_cast<double>(number);
  });
  return result;
}

std::string_view text_of(std::span<const std::byte> bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

}  // namespace

std::size_t size_of_value(GgufValueType type) {
  switch (type) {
    case GgufValueType::u8:
    case GgufValueType::i8:
    case GgufValueType::boolean:
      return 1;
    case GgufValueType::u16:
    case GgufValueType::i16:
      return 2;
    case GgufValueType::u32:
    case GgufValueType::i32:
    case GgufValueType::f32:
      return 4;
    case GgufValueType::u64:
    case GgufValueType::i64:
    case GgufValueType::f64:
      return 8;
    case GgufValueType::text:
    case GgufValueType::array:
      break;
  }
  return 0;
}

std::string quoted_gguf_name(std::string_view name) {
  constexpr std::size_t kShown = 80;
  const bool is_long = name.size() > kShown;
  return nlohmann::json(std::string(name.substr(0, kShown)))
             .dump(-1, ' ', true, nlohmann::json::error_handler_t::replace) +
         (is_long ? "..." : "");
}

const GgufValue* GgufMetadata::find(std::string_view key) const {
  const auto found = values_.find(key);
  return found == values_.end() ? nullptr : &found->second;
}

std::vector<std::string> GgufMetadata::keys() const {
  std::vector<std::string> keys;
  for (const auto& [key, value] : values_) keys.push_back(key);
  return keys;
}

std::string GgufMetadata::shown(std::string_view key) const {
  const GgufValue* value = find(key);
  if (value == nullptr) return "missing";
  if (value->is_array) return fmt::format("a list of {}", value->count);
  if (value->type == GgufValueType::text) return quoted_gguf_name(text_of(value->bytes));
  if (value->type == GgufValueType::boolean) return value->bytes[0] == std::byte{0} ? "false" : "true";
  std::string text;
  with_number(value->type, value->bytes.data(), [&](auto number) {
    if constexpr (std::is_integral_v<decltype(number)>) {
      text = fmt::format(
          "{}",
          static_cast<std::conditional_t<std::is_signed_v<decltype(number)>, std::int64_t, std::uint64_t>>(number));
    } else {
      text = fmt::format("{}", number);
    }
  });
  return text;
}

std::optional<std::int64_t> GgufMetadata::integer(std::string_view key, std::int64_t lowest,
                                                  std::int64_t highest) const {
  const GgufValue* value = find(key);
  if (value == nullptr) return std::nullopt;
  const std::optional<std::int64_t> number =
      value->is_array ? std::nullopt : integer_at(value->type, value->bytes.data());
  if (!number || *number < lowest || *number > highest)
    refuse(key, fmt::format("a whole number from {} to {}", lowest, highest));
  return number;
}

std::optional<double> GgufMetadata::real(std::string_view key) const {
  const GgufValue* value = find(key);
  if (value == nullptr) return std::nullopt;
  const std::optional<double> number = value->is_array ? std::nullopt : real_at(value->type, value->bytes.data());
  if (!number) refuse(key, "a finite number");
  return number;
}

std::optional<bool> GgufMetadata::flag(std::string_view key) const {
  const GgufValue* value = find(key);
  if (value == nullptr) return std::nullopt;
  if (value->is_array || value->type != GgufValueType::boolean) refuse(key, "true or false");
  return value->bytes[0] != std::byte{0};
}

std::optional<std::string> GgufMetadata::text(std::string_view key) const {
  const GgufValue* value = find(key);
  if (value == nullptr) return std::nullopt;
  if (value->is_array || value->type != GgufValueType::text) refuse(key, "a text");
  std::string text(text_of(value->bytes));
  try {
    (void)nlohmann::json(text).dump();
  } catch (const nlohmann::json::exception&) {
    refuse(key, "a text in UTF-8");
  }
  return text;
}

std::optional<std::vector<std::string_view>> GgufMetadata::texts(std::string_view key) const {
  const GgufValue* value = find(key);
  if (value == nullptr) return std::nullopt;
  if (!value->is_array || value->type != GgufValueType::text) refuse(key, "a list of texts");
  std::vector<std::string_view> texts;
  texts.reserve(value->count);  // the reader has seen as many
  std::span<const std::byte> rest = value->bytes;
  for (std::uint64_t i = 0; i < value->count; ++i) {
    const auto length = number_at<std::uint64_t>(rest.data());
    texts.push_back(text_of(rest.subspan(sizeof(length), length)));
    rest = rest.subspan(sizeof(length) + length);
  }
  return texts;
}

std::optional<std::vector<std::int64_t>> GgufMetadata::integers(std::string_view key) const {
  const GgufValue* value = find(key);
  if (value == nullptr) return std::nullopt;
  std::vector<std::int64_t> numbers;
  for (std::uint64_t i = 0; i < value->count; ++i) {
    const std::size_t at = i * size_of_value(value->type);
    const auto number = at < value->bytes.size() ? integer_at(value->type, value->bytes.data() + at) : std::nullopt;
    if (!number) refuse(key, "a list of whole numbers");
    numbers.push_back(*number);
  }
  return numbers;
}

std::optional<std::vector<double>> GgufMetadata::reals(std::string_view key) const {
  const GgufValue* value = find(key);
  if (value == nullptr) return std::nullopt;
  std::vector<double> numbers;
  for (std::uint64_t i = 0; i < value->count; ++i) {
    const std::size_t at = i * size_of_value(value->type);
    const auto number = at < value->bytes.size() ? real_at(value->type, value->bytes.data() + at) : std::nullopt;
    if (!number) refuse(key, "a list of finite numbers");
    numbers.push_back(*number);
  }
  return numbers;
}

std::int64_t GgufMetadata::require_integer(std::string_view key, std::int64_t lowest, std::int64_t highest) const {
  const std::optional<std::int64_t> number = integer(key, lowest, highest);
  if (!number) refuse(key, fmt::format("a whole number from {} to {}", lowest, highest));
  return *number;
}

std::string GgufMetadata::require_text(std::string_view key) const {
  std::optional<std::string> found = text(key);
  if (!found) refuse(key, "a text");
  return std::move(*found);
}

void GgufMetadata::refuse(std::string_view key, const std::string& expected) const {
  throw Error("{}: {} is {}, expected {}; {}", path_, key, shown(key), expected, kGgufRemedy);
}

}  // namespace temper
