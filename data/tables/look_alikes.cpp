#include "data/tables/look_alikes.h"

#include <fmt/format.h>
#include <unicode/normalizer2.h>
#include <unicode/unistr.h>

#include <cstddef>
#include <unordered_map>
#include <utility>

#include "base/error.h"
#include "data/tables/label_values.h"
#include "data/tokenizer/unicode_properties.h"

namespace temper {

std::string appearance_of(std::string_view name) {
  UErrorCode status = U_ZERO_ERROR;
  const icu::Normalizer2* normalizer = icu::Normalizer2::getNFKCCasefoldInstance(status);
  if (U_FAILURE(status) != 0) throw Error("ICU cannot compare names: {}", u_errorName(status));
  const icu::UnicodeString folded = normalizer->normalize(
      icu::UnicodeString::fromUTF8(icu::StringPiece(name.data(), static_cast<std::int32_t>(name.size()))), status);
  if (U_FAILURE(status) != 0) return std::string(name);
  icu::UnicodeString words;
  bool behind_blank = false;
  for (std::int32_t i = 0; i < folded.length(); ++i) {
    const bool blank = is_white_space(folded[i]);  // none lies beyond the first 65,536 code points
    if (!blank && behind_blank && !words.isEmpty()) words.append(u' ');
    if (!blank) words.append(folded[i]);
    behind_blank = blank;
  }
  std::string text;
  words.toUTF8String(text);
  // Digits beyond those of a double tell large numbers apart.
  const std::optional<double> number = parse_number(text);
  constexpr double kAllWholeNumbers = 9007199254740992.0;
  if (number && *number<kAllWholeNumbers&& * number> - kAllWholeNumbers) return fmt::format("{}", *number + 0.0);
  return text;
}

std::vector<std::vector<std::string>> names_that_look_alike(std::span<const std::string> names) {
  std::vector<std::vector<std::string>> groups;
  std::unordered_map<std::string, std::size_t> group_of;
  for (const std::string& name : names) {
    const auto [known, is_new] = group_of.emplace(appearance_of(name), groups.size());
    if (is_new) groups.emplace_back();
    groups[known->second].push_back(name);
  }
  std::erase_if(groups, [](const std::vector<std::string>& group) { return group.size() < 2; });
  return groups;
}

}  // namespace temper
