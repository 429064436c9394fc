#include "data/tokenizer/expression_classes.h"

#include <fmt/format.h>
#include <unicode/uchar.h>
#include <unicode/uscript.h>

#include "data/tokenizer/young_characters.h"

namespace temper {
namespace {

/// A general category, as ICU has it and with the characters that ICU does not know.
std::string category(std::uint32_t mask) {
  std::string set;
  const auto young = [&] {
    for (const YoungRange& range : young_characters())
      if ((mask & (1U << range.category)) != 0)
        set += fmt::format("\\x{{{:X}}}-\\x{{{:X}}}", static_cast<std::uint32_t>(range.first),
                           static_cast<std::uint32_t>(range.last));
  };
  if ((mask & U_GC_CN_MASK) == 0) {
    for (std::uint32_t category = 0; category < U_CHAR_CATEGORY_COUNT; ++category)
      if ((mask & (1U << category)) != 0)
        set += fmt::format(
            "\\p{{gc={}}}",
            u_getPropertyValueName(UCHAR_GENERAL_CATEGORY, static_cast<std::int32_t>(category), U_SHORT_PROPERTY_NAME));
    young();
    return set;
  }
  const std::uint32_t assigned = ~mask & ((1U << U_CHAR_CATEGORY_COUNT) - 1);
  return fmt::format("[^{}]", category(assigned));
}

/// Alphabetic of Unicode 16: ICU's, later letters and the marks that joined them.
std::string alphabetic() {
  return "\\p{Alphabetic}\\x{363}-\\x{36F}\\x{897}\\x{1DD3}-\\x{1DE6}\\x{10D69}\\x{10EFC}\\x{113B8}-\\x{113C0}\\x{"
         "113C2}"
         "\\x{113C5}\\x{113C7}-\\x{113CA}\\x{113CC}-\\x{113CD}\\x{1611E}-\\x{1612E}" +
         category(U_GC_L_MASK);
}

std::string word() { return alphabetic() + category(U_GC_M_MASK | U_GC_ND_MASK | U_GC_PC_MASK); }

constexpr std::string_view kSpace =
    "\\x{9}-\\x{D}\\x{20}\\x{85}\\x{A0}\\x{1680}\\x{2000}-\\x{200A}\\x{2028}\\x{2029}\\x{202F}\\x{205F}\\x{3000}";

/// Characters of a script that ICU does not know.
std::string_view young_of_script(UScriptCode script) {
  switch (script) {
    case USCRIPT_HAN:
      return "\\x{2EBF0}-\\x{2EE5D}";
    case USCRIPT_LATIN:
      return "\\x{A7CB}-\\x{A7CD}\\x{A7DA}-\\x{A7DC}";
    case USCRIPT_CYRILLIC:
      return "\\x{1C89}-\\x{1C8A}";
    case USCRIPT_ARABIC:
      return "\\x{897}\\x{10EC2}-\\x{10EC4}\\x{10EFC}";
    default:
      return "";
  }
}

/// Property names are compared without case, spaces, hyphens and underscores.
std::string plain(std::string_view name) {
  std::string result;
  for (const char c : name) {
    if (c == ' ' || c == '-' || c == '_') continue;
    result.push_back(static_cast<char>(c >= 'A' && c <= 'Z' ? c + ('a' - 'A') : c));
  }
  return result;
}

}  // namespace

std::string word_class() { return word() + "\\x{B2}\\x{B3}\\x{B9}\\x{BC}-\\x{BE}"; }

std::optional<std::string> posix_class(std::string_view name) {
  constexpr std::uint32_t kVisible =
      ~(U_GC_CC_MASK | U_GC_CN_MASK | U_GC_CS_MASK | U_GC_Z_MASK) & ((1U << U_CHAR_CATEGORY_COUNT) - 1);
  if (name == "alnum") return alphabetic() + category(U_GC_ND_MASK);
  if (name == "alpha") return alphabetic();
  if (name == "ascii") return "\\x{0}-\\x{7F}";
  if (name == "blank") return "\\x{9}\\p{gc=Zs}";
  if (name == "cntrl") return "\\p{gc=Cc}";
  if (name == "digit") return category(U_GC_ND_MASK);
  if (name == "graph") return category(kVisible);
  if (name == "lower") return "\\p{Lowercase}" + category(U_GC_LL_MASK);
  if (name == "print") return category(kVisible | U_GC_ZS_MASK);
  if (name == "punct") return category(U_GC_P_MASK | U_GC_S_MASK);
  if (name == "space") return std::string(kSpace);
  if (name == "upper") return "\\p{Uppercase}" + category(U_GC_LU_MASK);
  if (name == "xdigit") return "0-9A-Fa-f";
  if (name == "word") return word();
  return std::nullopt;
}

std::optional<std::string> property_class(std::string_view name) {
  const std::string wanted = plain(name);
  if (std::optional<std::string> bracket = posix_class(wanted)) return bracket;
  if (wanted == "alphabetic") return posix_class("alpha");
  if (wanted == "lowercase" || wanted == "uppercase") return posix_class(wanted.substr(0, 5));
  if (wanted == "any") return "\\x{0}-\\x{10FFFF}";
  if (wanted == "assigned") return fmt::format("[^{}]", category(U_GC_CN_MASK));
  if (const std::int32_t mask = u_getPropertyValueEnum(UCHAR_GENERAL_CATEGORY_MASK, wanted.c_str());
      mask != UCHAR_INVALID_CODE)
    return category(static_cast<std::uint32_t>(mask));
  if (const std::int32_t script = u_getPropertyValueEnum(UCHAR_SCRIPT, wanted.c_str()); script != UCHAR_INVALID_CODE)
    return fmt::format("\\p{{sc={}}}{}", uscript_getShortName(static_cast<UScriptCode>(script)),
                       young_of_script(static_cast<UScriptCode>(script)));
  if (const UProperty property = u_getPropertyEnum(wanted.c_str());
      property >= UCHAR_BINARY_START && property < UCHAR_BINARY_LIMIT)
    return fmt::format("\\p{{{}}}", u_getPropertyName(property, U_LONG_PROPERTY_NAME));
  return std::nullopt;
}

}  // namespace temper
