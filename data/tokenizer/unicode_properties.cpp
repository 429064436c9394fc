#include "data/tokenizer/unicode_properties.h"

#include <unicode/uchar.h>
#include <unicode/unorm2.h>
#include <unicode/uscript.h>
#include <unicode/utf16.h>

#include <algorithm>
#include <array>
#include <span>

#include "base/error.h"
#include "data/tokenizer/young_characters.h"

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
constexpr int kNormalFormsOf = 9;

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
  if ((category & U_GC_CN_MASK) == 0) return CharacterClass::other;
  const std::uint32_t young = 1U << young_category(c);
  if ((young & U_GC_L_MASK) != 0) return CharacterClass::letter;
  return (young & U_GC_N_MASK) != 0 ? CharacterClass::number : CharacterClass::other;
}

bool is_white_space(char32_t c) { return u_isUWhiteSpace(static_cast<UChar32>(c)) != 0; }

bool is_word_character(char32_t c) {
  const auto code = static_cast<UChar32>(c);
  const std::uint32_t category = U_GET_GC_MASK(code);
  if ((category & (U_GC_M_MASK | U_GC_ND_MASK | U_GC_PC_MASK)) != 0) return true;
  return u_isUAlphabetic(code) != 0 || u_hasBinaryProperty(code, UCHAR_JOIN_CONTROL) != 0 ||
         ((1U << young_category(c)) & (U_GC_L_MASK | U_GC_M_MASK | U_GC_ND_MASK)) != 0;
}

bool is_numeric(char32_t c) {
  if (c < 0x80) return c >= '0' && c <= '9';
  return character_class(c) == CharacterClass::number || (c >= 0x11DE0 && c <= 0x11DE9) ||
         (c >= 0x16FF4 && c <= 0x16FF6);
}

bool is_combining_mark(char32_t c) {
  if (c < 0x300 || c == 0x111C9 || age(c) > kNormalFormsOf) return false;
  return (U_GET_GC_MASK(static_cast<UChar32>(c)) & U_GC_M_MASK) != 0 || c == 0x1CF2 || c == 0x1CF3;
}

int script_of_unicode_9(char32_t c) {
  switch (c) {
    case ' ':
      return kAnyScript;
    case 0x589:
    case 0x61C:
      return USCRIPT_COMMON;
    case 0x953:
    case 0x954:
      return USCRIPT_DEVANAGARI;
    case 0x30FC:
      return USCRIPT_HAN;
    default:
      break;
  }
  if (age(c) == 0 || age(c) > 9) return kAnyScript;
  UErrorCode status = U_ZERO_ERROR;
  const UScriptCode script = uscript_getScript(static_cast<UChar32>(c), &status);
  switch (script) {
    case USCRIPT_UNKNOWN:
      return kAnyScript;
    case USCRIPT_HIRAGANA:
    case USCRIPT_KATAKANA:
      return USCRIPT_HAN;
    default:
      return script;
  }
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
