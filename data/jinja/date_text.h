// strftime_now: a date as Python's strftime writes it in the C locale.
#pragma once

#include <ctime>

#include "data/jinja/text.h"

namespace temper::jinja {

/// Throws a ValueError for a pattern that gives more than a few thousand characters.
Text date_text(const Text& pattern, const std::tm& date);

}  // namespace temper::jinja
