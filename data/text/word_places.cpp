#include "data/text/word_places.h"

#include <algorithm>
#include <cstddef>

#include "data/tables/blanks.h"
#include "data/tables/labels.h"

namespace temper {
namespace {

bool begins_character(char byte) { return (static_cast<unsigned char>(byte) & 0xC0) != 0x80; }

std::int64_t characters(std::string_view text) { return std::count_if(text.begin(), text.end(), begins_character); }

/// What stands between blanks, with places in characters.
std::vector<PlacedWord> placed_between_blanks(std::string_view text) {
  std::vector<PlacedWord> words;
  const char* done = text.data();
  std::int64_t place = 0;
  for (const std::string_view word : between_blanks(text)) {
    const std::int64_t begin = place + characters({done, static_cast<std::size_t>(word.data() - done)});
    place = begin + characters(word);
    done = word.data() + word.size();
    words.push_back({std::string(word), begin, place});
  }
  return words;
}

/// The byte at which a character begins.
std::size_t byte_of(std::string_view text, std::int64_t character) {
  std::size_t byte = 0;
  for (; byte < text.size(); ++byte)
    if (begins_character(text[byte]) && character-- == 0) break;
  return byte;
}

}  // namespace

PlacedWords place_words(std::string_view row) {
  const std::vector<std::string> words = split_words(row);
  PlacedWords placed{placed_between_blanks(row), true};
  const auto same = [](const PlacedWord& place, const std::string& word) { return place.text == word; };
  if (std::equal(placed.words.begin(), placed.words.end(), words.begin(), words.end(), same)) return placed;
  placed = {{}, false};
  for (const std::string& word : words) {
    const auto place = static_cast<std::int64_t>(placed.words.size());
    placed.words.push_back({word, place, place + 1});
  }
  return placed;
}

std::string PlacedWords::between(std::string_view row, std::int64_t begin, std::int64_t end) const {
  if (in_text) {
    const std::size_t first = byte_of(row, begin);
    return std::string(row.substr(first, byte_of(row, end) - first));
  }
  std::string text;
  for (std::int64_t i = begin; i < end; ++i)
    text += (i == begin ? "" : " ") + words.at(static_cast<std::size_t>(i)).text;
  return text;
}

}  // namespace temper
