// Cutting texts and putting them together as the methods of str do, with the origin of every byte.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "data/jinja/text.h"

namespace temper::jinja {

/// str.split(separator, most); `most` below 0: no limit. From the right: str.rsplit.
std::vector<Text> split_at(const Text& text, const std::string& separator, std::int64_t most, bool from_right);
/// str.split() without a separator: at runs of white space.
std::vector<Text> split_at_space(const Text& text, std::int64_t most, bool from_right);
std::vector<Text> split_lines(const Text& text, bool keeps_ends);
/// str.replace; `most` below 0: no limit.
Text replace_in(const Text& text, const std::string& old, const Text& replacement, std::int64_t most);
/// str.ljust ('<'), rjust ('>') and center ('^').
Text align_text(const Text& text, std::int64_t width, const Text& fill, char align);

}  // namespace temper::jinja
