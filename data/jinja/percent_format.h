// Numbers and texts put into a pattern: "%05.2f" % x, and "{:>10}".format(x).
#pragma once

#include "data/jinja/machine.h"

namespace temper::jinja {

/// pattern % values: a tuple gives its elements, a dictionary those that %(name)s asks for. Throws as Python does.
Text percent_format(Machine& machine, const Text& pattern, const Value& values);

/// pattern.format(...): fields {}, {0}, {name} with attributes and subscripts, !r and !s, and format specifications of
/// texts and numbers.
Text brace_format(Machine& machine, const Text& pattern, const Arguments& arguments);

}  // namespace temper::jinja
