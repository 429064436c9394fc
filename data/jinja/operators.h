// What signs do, as Python has it.
#pragma once

#include <string_view>

#include "data/jinja/machine.h"

namespace temper::jinja {

/// `sign`: + - * / // % **. Throws as Python does, and a limit error for an integer of more than 127 bits.
Value arithmetic(Machine& machine, std::string_view sign, const Value& a, const Value& b);
Value negated(const Value& value, bool negates);
/// a + b. Throws a limit error for a sum of more than 127 bits.
Integer checked_add(Integer a, Integer b);
/// `sign`: == != < <= > >= in, not in.
bool compares(Meter& meter, std::string_view sign, const Value& a, const Value& b);
/// `value in container`.
bool contains(Meter& meter, const Value& container, const Value& value);

/// Begin, end and step of a slice over `length` elements, as Python's slice.indices gives them.
struct SliceIndices {
  std::int64_t begin = 0;
  std::int64_t step = 1;
  std::int64_t count = 0;
};
SliceIndices slice_indices(std::int64_t length, const Value& begin, const Value& end, const Value& step);

/// markupsafe.escape: & < > ' " become entities.
Text escaped(const Text& text);

}  // namespace temper::jinja
