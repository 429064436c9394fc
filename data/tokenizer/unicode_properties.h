// What the tokenizers ask about a code point. The answers are those of the Hugging Face library, which mixes several
// versions of Unicode: its BERT categories are those of Unicode 8, its normal forms and scripts those of Unicode 9, its
// expressions (16) and its lower-casing (17) are newer than ICU 72. The differences are few and are listed in the
// source.
#pragma once

#include <cstdint>

namespace temper {

/// The classes that GPT-2's expression tells apart: \p{L}, \p{N}, \s and the rest.
enum class CharacterClass : std::uint8_t { letter, number, space, other };
CharacterClass character_class(char32_t c);

/// White_Space of the Unicode character database.
bool is_white_space(char32_t c);

/// \w of UTS #18: alphabetic, mark, decimal digit, connector punctuation, join control.
bool is_word_character(char32_t c);

/// Of general category N in Unicode 17.
bool is_numeric(char32_t c);

/// Of general category M in Unicode 9.
bool is_combining_mark(char32_t c);

/// Script in Unicode 9 as a number of ICU's, with Hiragana and Katakana counted as Han; kAnyScript of a space and of
/// what has none.
constexpr int kAnyScript = -1;
int script_of_unicode_9(char32_t c);

/// Of general category P in Unicode 8, or one of the ASCII symbols that BERT counts as punctuation ($, +, <, ^, ` ...).
bool is_bert_punctuation(char32_t c);

/// Of category Cc, Cf or Co in Unicode 8, other than tab, line feed and carriage return.
bool is_bert_control(char32_t c);

/// Of category Mn in Unicode 8.
bool is_bert_accent(char32_t c);

/// In one of the blocks that BERT takes apart character by character.
bool is_bert_ideograph(char32_t c);

/// Simple and unconditional special lower-casing: writes 1 or 2 code points to `lower`, returns how many.
int lower_case(char32_t c, char32_t lower[2]);

/// Full canonical decomposition of one code point in Unicode 9: writes 1 to 4 code points, returns how many.
int canonical_decomposition(char32_t c, char32_t decomposed[4]);

/// Canonical combining class in Unicode 9; 0 is a starter.
std::uint8_t combining_class(char32_t c);

}  // namespace temper
