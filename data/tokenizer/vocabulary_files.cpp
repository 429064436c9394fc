#include "data/tokenizer/vocabulary_files.h"

#include "base/error.h"
#include "base/mapped_file.h"
#include "data/tokenizer/json_file.h"
#include "data/tokenizer/unicode_properties.h"
#include "data/tokenizer/utf8.h"

namespace temper {
namespace {

/// Calls `use(line, number)` for each line, the ends of lines taken off.
template <typename Use>
void for_each_line(std::string_view text, Use use) {
  for (std::size_t number = 0; !text.empty(); ++number) {
    const std::size_t end = text.find('\n');
    std::string_view line = text.substr(0, end);
    text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
    if (line.ends_with('\r') && end != std::string_view::npos) line.remove_suffix(1);
    use(line, number);
  }
}

std::string_view without_trailing_space(std::string_view line) {
  while (!line.empty()) {
    const CodePoint last = decode_utf8_before(line, line.size());
    if (!is_white_space(last.value)) break;
    line.remove_suffix(last.bytes);
  }
  return line;
}

void require_text(const MappedFile& file) {
  const std::size_t bad = first_invalid_utf8(file.text());
  if (bad != std::string_view::npos)
    throw Error("{}: byte {} begins no UTF-8 character; fetch the file again", file.path().string(), bad);
}

void add_token(TokenizerFile& file, std::string_view token, std::int64_t id) {
  file.vocabulary.push_back({static_cast<std::uint32_t>(file.vocabulary_text.size()),
                             static_cast<std::uint32_t>(token.size()), static_cast<std::int32_t>(id)});
  file.vocabulary_text += token;
}

}  // namespace

void read_vocab_txt(const std::filesystem::path& path, TokenizerFile& file) {
  const MappedFile mapped(path);
  require_text(mapped);
  file.vocabulary_text.reserve(mapped.bytes().size());
  for_each_line(mapped.text(), [&](std::string_view line, std::size_t number) {
    if (std::cmp_greater(number, kHighestTokenId))
      throw Error("{}: has more than {} lines; it is no vocabulary", path.string(), kHighestTokenId + 1);
    add_token(file, without_trailing_space(line), static_cast<std::int64_t>(number));
  });
}

void read_vocab_json(const std::filesystem::path& path, TokenizerFile& file) {
  const std::optional<nlohmann::json> object = read_optional_object(path);
  if (!object) throw Error("{}: no such file; fetch it, too", path.string());
  for (const auto& [token, id] : object->items())
    add_token(file, token, JsonNode(id, path.string(), fmt::format("\"{}\"", token)).integer(0, kHighestTokenId));
}

void read_merges_txt(const std::filesystem::path& path, TokenizerFile& file) {
  const MappedFile mapped(path);
  require_text(mapped);
  for_each_line(mapped.text(), [&](std::string_view line, std::size_t number) {
    if (line.starts_with("#version")) return;
    const std::size_t space = line.find(' ');
    if (space == std::string_view::npos || line.find(' ', space + 1) != std::string_view::npos)
      throw Error("{}, line {}: found \"{}\", expected two tokens with one space between them; fetch the file again",
                  path.string(), number + 1, line.substr(0, 60));
    file.merges.push_back({static_cast<std::uint32_t>(file.merges_text.size()), static_cast<std::uint32_t>(space),
                           static_cast<std::uint32_t>(line.size() - space - 1)});
    file.merges_text.append(line.substr(0, space)).append(line.substr(space + 1));
  });
}

}  // namespace temper
