// The keys and values of a GGUF file: typed access in which each refusal names the file, the key, what was found and
// what was expected.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace temper {

/// As the format numbers them.
enum class GgufValueType : std::uint32_t {
  u8 = 0,
  i8 = 1,
  u16 = 2,
  i16 = 3,
  u32 = 4,
  i32 = 5,
  f32 = 6,
  boolean = 7,
  text = 8,
  array = 9,
  u64 = 10,
  i64 = 11,
  f64 = 12,
};

/// A value that lies in a mapped file, whose extent has been checked.
struct GgufValue {
  GgufValueType type;  ///< of an array: of its elements
  bool is_array = false;
  std::uint64_t count = 1;
  std::span<const std::byte> bytes;  ///< of a text: its characters; of an array of texts: lengths and characters
};

/// Of a number, or of a boolean; nothing for a text or an array.
std::size_t size_of_value(GgufValueType type);

class GgufMetadata {
 public:
  GgufMetadata(const std::filesystem::path& path, std::map<std::string, GgufValue, std::less<>> values)
      : path_(path.string()), values_(std::move(values)) {}

  [[nodiscard]] bool has(std::string_view key) const { return values_.contains(key); }
  [[nodiscard]] std::size_t size() const { return values_.size(); }
  /// Sorted.
  [[nodiscard]] std::vector<std::string> keys() const;
  /// For listings: texts in quotes and cut, arrays as their number of elements.
  [[nodiscard]] std::string shown(std::string_view key) const;

  // ---- nothing where the key is absent; throw Error for a value of another type or out of range --------------------
  /// Of any integer type.
  [[nodiscard]] std::optional<std::int64_t> integer(std::string_view key, std::int64_t lowest,
                                                    std::int64_t highest) const;
  /// Finite; of any floating-point or integer type.
  [[nodiscard]] std::optional<double> real(std::string_view key) const;
  [[nodiscard]] std::optional<bool> flag(std::string_view key) const;
  /// UTF-8.
  [[nodiscard]] std::optional<std::string> text(std::string_view key) const;
  /// Views into the file; any bytes.
  [[nodiscard]] std::optional<std::vector<std::string_view>> texts(std::string_view key) const;
  /// An array; where one number stands in its place, that.
  [[nodiscard]] std::optional<std::vector<std::int64_t>> integers(std::string_view key) const;
  [[nodiscard]] std::optional<std::vector<double>> reals(std::string_view key) const;

  /// The value of a key that must be there.
  [[nodiscard]] std::int64_t require_integer(std::string_view key, std::int64_t lowest, std::int64_t highest) const;
  [[nodiscard]] std::string require_text(std::string_view key) const;

  /// Throws Error for the value that the key has.
  [[noreturn]] void refuse(std::string_view key, const std::string& expected) const;
  /// The file, for messages.
  [[nodiscard]] const std::string& path() const { return path_; }

 private:
  [[nodiscard]] const GgufValue* find(std::string_view key) const;

  std::string path_;
  std::map<std::string, GgufValue, std::less<>> values_;
};

/// A name from a file, fit for a message: in quotes, ASCII with escapes, cut where it is longer than 80 bytes.
std::string quoted_gguf_name(std::string_view name);

}  // namespace temper
