// Cutting texts and putting them together as the methods of str do, with the origin of every byte.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "data/jinja/meter.h"
#include "data/jinja/text.h"

namespace temper::jinja {

/// Where a part first stands in a text from an offset on, or last; npos: nowhere. Takes time that grows with the length
/// of the text alone, which std::string's search does not.
std::size_t find_part(Meter& meter, std::string_view text, std::string_view part, std::size_t from = 0);
std::size_t find_last_part(Meter& meter, std::string_view text, std::string_view part);

/// str.split(separator, most); `most` below 0: no limit. From the right: str.rsplit.
std::vector<Text> split_at(Meter& meter, const Text& text, std::string_view separator, std::int64_t most,
                           bool from_right);
/// str.split() without a separator: at runs of white space.
std::vector<Text> split_at_space(Meter& meter, const Text& text, std::int64_t most, bool from_right);
std::vector<Text> split_lines(Meter& meter, const Text& text, bool keeps_ends);
/// str.replace; `most` below 0: no limit.
Text replace_in(Meter& meter, const Text& text, std::string_view old, const Text& replacement, std::int64_t most);
/// str.ljust ('<'), rjust ('>') and center ('^').
Text align_text(Meter& meter, const Text& text, std::int64_t width, const Text& fill, char align);

}  // namespace temper::jinja
