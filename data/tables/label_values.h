// Parsing the fields of label columns, one at a time.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace temper {

/// What a row's label is: one of several classes, any number of labels, numbers, a class for each word, nothing, of
/// each token, the one that follows, or that, in two rows of which the first is preferred.
enum class LabelKind { single_class, multi_label, regression, token_class, none, next_token, preference };

/// Whether rows may be conversations, of which turns are learnt.
constexpr bool takes_conversations(LabelKind kind) {
  return kind == LabelKind::next_token || kind == LabelKind::preference;
}

/// Whether labels have names, each of which is a class.
constexpr bool has_names(LabelKind kind) {
  return kind == LabelKind::single_class || kind == LabelKind::multi_label || kind == LabelKind::token_class;
}

/// Whether labels are read from a column of their own.
constexpr bool has_label_column(LabelKind kind) { return has_names(kind) || kind == LabelKind::regression; }

/// Whether there is nothing, or white space alone (as Unicode has it).
bool is_blank(std::string_view text);

/// The labels of a row of several: a list (printed_list.h), or names between '|'. Blanks around the latter are not part
/// of them; without a name there are no labels. Throws Error for brackets that are no list, and for a null in it.
std::vector<std::string> split_labels(std::string_view text);

/// The words of a text: a list of strings, or what stands between blanks (ASCII white space). Throws Error for a null
/// in a list.
std::vector<std::string> split_words(std::string_view text);

/// The labels of words: a list, or what stands between blanks. Nothing for a word that has none: null, None or nan in a
/// list, and -100. Throws Error for brackets that are no list.
std::vector<std::optional<std::string>> split_word_labels(std::string_view text);

/// What stands in a file in place of a label that is to be left out of the loss, as PyTorch's cross entropy takes it.
bool is_ignore_index(std::string_view label);

/// The number that a text consists of; nothing if it is none or is not finite.
std::optional<double> parse_number(std::string_view text);

/// 0, 1, 0.0, 1.0, true or false, in any case of letters; nothing for any other text.
std::optional<bool> parse_indicator(std::string_view text);

}  // namespace temper
