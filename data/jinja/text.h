// A string of a template that remembers which of its bytes came from data. What a message says must never become a
// special token, whatever it spells, while what the template writes must; so every operation on strings carries along
// where each piece came from (after llama.cpp's input marking, ggml-org/llama.cpp#18462).
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace temper::jinja {

/// No text may become longer, in bytes.
inline constexpr std::size_t kLongestText = std::size_t{16} << 20;

class Text {
 public:
  Text() = default;
  explicit Text(std::string bytes, bool from_data = false) : bytes_(std::move(bytes)) {
    if (from_data && !bytes_.empty()) turns_.push_back(0);
  }

  [[nodiscard]] const std::string& bytes() const { return bytes_; }
  [[nodiscard]] std::size_t size() const { return bytes_.size(); }
  [[nodiscard]] bool empty() const { return bytes_.empty(); }

  /// Both throw a limit error for a text that is too long.
  void append(const Text& other);
  void append(std::string_view bytes, bool from_data);
  /// Bytes [begin, end), with their origins.
  [[nodiscard]] Text slice(std::size_t begin, std::size_t end) const;
  /// Whether a byte came from data.
  [[nodiscard]] bool from_data(std::size_t byte) const;

  /// A longest piece of one origin.
  struct Run {
    std::string_view bytes;
    bool from_data;
  };
  [[nodiscard]] std::vector<Run> runs() const;
  /// The bytes [begin, end) that came from data.
  [[nodiscard]] std::vector<std::pair<std::size_t, std::size_t>> data_spans() const;

  /// Made by `safe` or `escape`: what is added to it with + is escaped (markupsafe.Markup).
  bool is_markup = false;

 private:
  void require_room(std::size_t bytes) const;

  std::string bytes_;
  std::vector<std::uint32_t> turns_;  ///< rising offsets where the origin changes; before the first: the template
};

/// Offsets at which the characters (code points, as Python counts) of a text begin, and its end: [characters + 1].
/// Surrogates may stand in it as three bytes each.
std::vector<std::size_t> character_starts(std::string_view bytes);
/// Their number alone.
std::size_t count_characters(std::string_view bytes);
/// The character that begins at an offset.
char32_t character_at(std::string_view bytes, std::size_t offset);
/// Bytes of the character that begins with this byte.
std::size_t character_bytes(char first);
void append_character(char32_t c, std::string& bytes);

/// str.isspace() of one character.
bool is_python_space(char32_t c);
/// str.isprintable() of one character: what repr() leaves as it is.
bool is_printable(char32_t c);

/// How str.upper() and its siblings change letters; each piece keeps its origin.
enum class Casing : std::uint8_t { upper, lower, capitalize, title, swap, fold };
Text with_case(const Text& text, Casing casing);

/// str.islower() and str.isupper().
bool is_lower_case(std::string_view bytes);
bool is_upper_case(std::string_view bytes);

/// What str.isdigit(), isalpha(), isalnum(), isspace(), isnumeric(), isdecimal(), istitle() ask. False for none.
bool all_characters(std::string_view bytes, bool (*has)(char32_t c));
bool is_alphabetic(char32_t c);
bool is_decimal(char32_t c);
bool is_digit(char32_t c);
bool is_numeric_character(char32_t c);
/// \w of Python's re.
bool is_word(char32_t c);

/// str.strip() and its siblings: `characters` null takes white space off.
Text strip(const Text& text, const std::string* characters, bool left, bool right);

}  // namespace temper::jinja
