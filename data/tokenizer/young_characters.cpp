#include "data/tokenizer/young_characters.h"

#include <unicode/uchar.h>

#include <algorithm>
#include <iterator>

namespace temper {
namespace {

constexpr std::uint8_t kLu = U_UPPERCASE_LETTER;
constexpr std::uint8_t kLl = U_LOWERCASE_LETTER;
constexpr std::uint8_t kLm = U_MODIFIER_LETTER;
constexpr std::uint8_t kLo = U_OTHER_LETTER;
constexpr std::uint8_t kMn = U_NON_SPACING_MARK;
constexpr std::uint8_t kMc = U_COMBINING_SPACING_MARK;
constexpr std::uint8_t kNd = U_DECIMAL_DIGIT_NUMBER;
constexpr std::uint8_t kPd = U_DASH_PUNCTUATION;
constexpr std::uint8_t kPo = U_OTHER_PUNCTUATION;
constexpr std::uint8_t kSm = U_MATH_SYMBOL;
constexpr std::uint8_t kSo = U_OTHER_SYMBOL;

constexpr YoungRange kYoung[] = {
    {0x897, 0x897, kMn},     {0x1B4E, 0x1B4F, kPo},   {0x1B7F, 0x1B7F, kPo},   {0x1C89, 0x1C89, kLu},
    {0x1C8A, 0x1C8A, kLl},   {0x2427, 0x2429, kSo},   {0x2FFC, 0x2FFF, kSo},   {0x31E4, 0x31E5, kSo},
    {0x31EF, 0x31EF, kSo},   {0xA7CB, 0xA7CC, kLu},   {0xA7CD, 0xA7CD, kLl},   {0xA7DA, 0xA7DA, kLu},
    {0xA7DB, 0xA7DB, kLl},   {0xA7DC, 0xA7DC, kLu},   {0x105C0, 0x105F3, kLo}, {0x10D40, 0x10D49, kNd},
    {0x10D4A, 0x10D4D, kLo}, {0x10D4E, 0x10D4E, kLm}, {0x10D4F, 0x10D4F, kLo}, {0x10D50, 0x10D65, kLu},
    {0x10D69, 0x10D6D, kMn}, {0x10D6E, 0x10D6E, kPd}, {0x10D6F, 0x10D6F, kLm}, {0x10D70, 0x10D85, kLl},
    {0x10D8E, 0x10D8F, kSm}, {0x10EC2, 0x10EC4, kLo}, {0x10EFC, 0x10EFC, kMn}, {0x11380, 0x11389, kLo},
    {0x1138B, 0x1138B, kLo}, {0x1138E, 0x1138E, kLo}, {0x11390, 0x113B5, kLo}, {0x113B7, 0x113B7, kLo},
    {0x113B8, 0x113BA, kMc}, {0x113BB, 0x113C0, kMn}, {0x113C2, 0x113C2, kMc}, {0x113C5, 0x113C5, kMc},
    {0x113C7, 0x113CA, kMc}, {0x113CC, 0x113CD, kMc}, {0x113CE, 0x113CE, kMn}, {0x113CF, 0x113CF, kMc},
    {0x113D0, 0x113D0, kMn}, {0x113D1, 0x113D1, kLo}, {0x113D2, 0x113D2, kMn}, {0x113D3, 0x113D3, kLo},
    {0x113D4, 0x113D5, kPo}, {0x113D7, 0x113D8, kPo}, {0x113E1, 0x113E2, kMn}, {0x116D0, 0x116E3, kNd},
    {0x11BC0, 0x11BE0, kLo}, {0x11BE1, 0x11BE1, kPo}, {0x11BF0, 0x11BF9, kNd}, {0x11F5A, 0x11F5A, kMn},
    {0x13460, 0x143FA, kLo}, {0x16100, 0x1611D, kLo}, {0x1611E, 0x16129, kMn}, {0x1612A, 0x1612C, kMc},
    {0x1612D, 0x1612F, kMn}, {0x16130, 0x16139, kNd}, {0x16D40, 0x16D42, kLm}, {0x16D43, 0x16D6A, kLo},
    {0x16D6B, 0x16D6C, kLm}, {0x16D6D, 0x16D6F, kPo}, {0x16D70, 0x16D79, kNd}, {0x18CFF, 0x18CFF, kLo},
    {0x1CC00, 0x1CCEF, kSo}, {0x1CCF0, 0x1CCF9, kNd}, {0x1CD00, 0x1CEB3, kSo}, {0x1E5D0, 0x1E5ED, kLo},
    {0x1E5EE, 0x1E5EF, kMn}, {0x1E5F0, 0x1E5F0, kLo}, {0x1E5F1, 0x1E5FA, kNd}, {0x1E5FF, 0x1E5FF, kPo},
    {0x1F8B2, 0x1F8BB, kSo}, {0x1F8C0, 0x1F8C1, kSo}, {0x1FA89, 0x1FA89, kSo}, {0x1FA8F, 0x1FA8F, kSo},
    {0x1FABE, 0x1FABE, kSo}, {0x1FAC6, 0x1FAC6, kSo}, {0x1FADC, 0x1FADC, kSo}, {0x1FADF, 0x1FADF, kSo},
    {0x1FAE9, 0x1FAE9, kSo}, {0x1FBCB, 0x1FBEF, kSo}, {0x2EBF0, 0x2EE5D, kLo}};

}  // namespace

std::span<const YoungRange> young_characters() { return kYoung; }

std::uint8_t young_category(char32_t c) {
  const YoungRange* after = std::upper_bound(std::begin(kYoung), std::end(kYoung), c,
                                             [](char32_t value, const YoungRange& r) { return value < r.first; });
  if (after == std::begin(kYoung) || c > std::prev(after)->last) return U_UNASSIGNED;
  return std::prev(after)->category;
}

}  // namespace temper
