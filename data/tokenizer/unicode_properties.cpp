#include "data/tokenizer/unicode_properties.h"

#include <unicode/uchar.h>
#include <unicode/unorm2.h>
#include <unicode/utf16.h>

#include <algorithm>
#include <array>
#include <span>

#include "base/error.h"

namespace temper {
namespace {

struct Range {
  char32_t first;
  char32_t last;
};

bool contains(std::span<const Range> ranges, char32_t c) {
  const auto after =
      std::upper_bound(ranges.begin(), ranges.end(), c, [](char32_t value, const Range& r) { return value < r.first; });
  return after != ranges.begin() && c <= std::prev(after)->last;
}

// Letters and numbers of Unicode 15.1 and 16, which ICU 72 (Unicode 15.0) does not know.
constexpr std::array<Range, 22> kYoungLetters{
    {{0x1C89, 0x1C8A},   {0xA7CB, 0xA7CD},   {0xA7DA, 0xA7DC},   {0x105C0, 0x105F3}, {0x10D4A, 0x10D65},
     {0x10D6F, 0x10D85}, {0x10EC2, 0x10EC4}, {0x11380, 0x11389}, {0x1138B, 0x1138B}, {0x1138E, 0x1138E},
     {0x11390, 0x113B5}, {0x113B7, 0x113B7}, {0x113D1, 0x113D1}, {0x113D3, 0x113D3}, {0x11BC0, 0x11BE0},
     {0x13460, 0x143FA}, {0x16100, 0x1611D}, {0x16D40, 0x16D6C}, {0x18CFF, 0x18CFF}, {0x1E5D0, 0x1E5ED},
     {0x1E5F0, 0x1E5F0}, {0x2EBF0, 0x2EE5D}}};
constexpr std::array<Range, 7> kYoungNumbers{{{0x10D40, 0x10D49},
                                              {0x116D0, 0x116E3},
                                              {0x11BF0, 0x11BF9},
                                              {0x16130, 0x16139},
                                              {0x16D70, 0x16D79},
                                              {0x1CCF0, 0x1CCF9},
                                              {0x1E5F1, 0x1E5FA}}};

/// Lower-casing of Unicode 16 and 17; 0 where there is none.
char32_t young_lower_case(char32_t c) {
  if (c >= 0x10D50 && c <= 0x10D65) return c + 0x20;
  if (c >= 0x16EA0 && c <= 0x16EB8) return c + 0x1B;
  switch (c) {
    case 0x1C89:
    case 0xA7CC:
    case 0xA7CE:
    case 0xA7D2:
    case 0xA7D4:
    case 0xA7DA:
      return c + 1;
    case 0xA7CB:
      return 0x0264;
    case 0xA7DC:
      return 0x019B;
    default:
      return 0;
  }
}

/// Version of Unicode in which a code point was assigned, without the minor part; 0 if it is not.
int age(char32_t c) {
  UVersionInfo version;
  u_charAge(static_cast<UChar32>(c), version);
  return version[0];
}

// The library's tables for normal forms: what came later neither decomposes nor combines.
constexpr int kNormalFormsOf = 12;

/// General category as of Unicode 8: what came later was unassigned, and six code points have changed since.
int8_t category_of_unicode_8(char32_t c) {
  switch (c) {
    case 0x166D:
    case 0x111C9:
      return U_OTHER_PUNCTUATION;
    case 0x1734:
      return U_NON_SPACING_MARK;
    case 0x1885:
    case 0x1886:
      return U_OTHER_LETTER;
    case 0xA9BD:
      return U_COMBINING_SPACING_MARK;
    default:
      break;
  }
  return age(c) > 8 ? static_cast<int8_t>(U_UNASSIGNED) : u_charType(static_cast<UChar32>(c));
}

}  // namespace

CharacterClass character_class(char32_t c) {
  const auto code = static_cast<UChar32>(c);
  const std::uint32_t category = U_GET_GC_MASK(code);
  if ((category & U_GC_L_MASK) != 0) return CharacterClass::letter;
  if ((category & U_GC_N_MASK) != 0) return CharacterClass::number;
  if (is_white_space(c)) return CharacterClass::space;
  if ((category & U_GC_CN_MASK) != 0) {
    if (contains(kYoungLetters, c)) return CharacterClass::letter;
    if (contains(kYoungNumbers, c)) return CharacterClass::number;
  }
  return CharacterClass::other;
}

bool is_white_space(char32_t c) { return u_isUWhiteSpace(static_cast<UChar32>(c)) != 0; }

bool is_word_character(char32_t c) {
  const auto code = static_cast<UChar32>(c);
  const std::uint32_t category = U_GET_GC_MASK(code);
  if ((category & (U_GC_M_MASK | U_GC_ND_MASK | U_GC_PC_MASK)) != 0) return true;
  return u_isUAlphabetic(code) != 0 || u_hasBinaryProperty(code, UCHAR_JOIN_CONTROL) != 0 ||
         contains(kYoungLetters, c) || contains(kYoungNumbers, c);
}

bool is_bert_punctuation(char32_t c) {
  if (c < 0x80)
    return (c >= '!' && c <= '/') || (c >= ':' && c <= '@') || (c >= '[' && c <= '`') || (c >= '{' && c <= '~');
  return ((1U << category_of_unicode_8(c)) & U_GC_P_MASK) != 0;
}

bool is_bert_control(char32_t c) {
  if (c == '\t' || c == '\n' || c == '\r') return false;
  return ((1U << category_of_unicode_8(c)) & (U_GC_CC_MASK | U_GC_CF_MASK | U_GC_CO_MASK)) != 0;
}

bool is_bert_accent(char32_t c) { return category_of_unicode_8(c) == U_NON_SPACING_MARK; }

bool is_bert_ideograph(char32_t c) {
  // The gap before 0x2B920 is the library's.
  constexpr std::array<Range, 8> kBlocks{{{0x3400, 0x4DBF},
                                          {0x4E00, 0x9FFF},
                                          {0xF900, 0xFAFF},
                                          {0x20000, 0x2A6DF},
                                          {0x2A700, 0x2B73F},
                                          {0x2B740, 0x2B81F},
                                          {0x2B920, 0x2CEAF},
                                          {0x2F800, 0x2FA1F}}};
  return c >= 0x3400 && contains(kBlocks, c);
}

int lower_case(char32_t c, char32_t lower[2]) {
  if (c == 0x130) {  // I with a dot above, the one code point whose lower case is two
    lower[0] = 'i';
    lower[1] = 0x307;
    return 2;
  }
  lower[0] = static_cast<char32_t>(u_tolower(static_cast<UChar32>(c)));
  if (lower[0] == c) {
    if (const char32_t young = young_lower_case(c); young != 0) lower[0] = young;
  }
  return 1;
}

int canonical_decomposition(char32_t c, char32_t decomposed[4]) {
  decomposed[0] = c;
  if (c < 0xC0) return 1;
  UErrorCode status = U_ZERO_ERROR;
  const UNormalizer2* nfd = unorm2_getNFDInstance(&status);
  if (U_FAILURE(status) != 0) throw Error("the Unicode data of ICU cannot be loaded: {}", u_errorName(status));
  std::array<UChar, 16> units{};
  const std::int32_t length =
      unorm2_getDecomposition(nfd, static_cast<UChar32>(c), units.data(), units.size(), &status);
  if (length < 0 || U_FAILURE(status) != 0 || age(c) > kNormalFormsOf) return 1;
  int count = 0;
  for (std::int32_t i = 0; i < length && count < 4;) {
    UChar32 code = 0;
    U16_NEXT(units.data(), i, length, code);
    decomposed[count++] = static_cast<char32_t>(code);
  }
  return count;
}

std::uint8_t combining_class(char32_t c) {
  const std::uint8_t combining = u_getCombiningClass(static_cast<UChar32>(c));
  return combining != 0 && age(c) > kNormalFormsOf ? std::uint8_t{0} : combining;
}

}  // namespace temper
