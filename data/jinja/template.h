// A Jinja template as chat templates are written: parsed once, rendered as often as there are conversations. What it
// writes is byte for byte what jinja2 3.1 writes with transformers' environment (trim_blocks, lstrip_blocks, the
// sandbox that forbids changing lists and dictionaries, loop controls, generation blocks, tojson, strftime_now,
// raise_exception); what these refuse, it refuses, with the line.
#pragma once

#include <cstdint>
#include <ctime>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "data/jinja/machine.h"

namespace temper::jinja {

struct Rendered {
  Text text;
  /// Bytes [begin, end) that generation blocks enclose.
  std::vector<std::pair<std::size_t, std::size_t>> generations;
  std::int64_t steps = 0;  ///< that it took, of those of Limits
};

/// Immutable, and safe to share among threads.
class Template {
 public:
  /// Throws TemplateError.
  explicit Template(std::string_view source);
  ~Template();
  Template(Template&&) noexcept;
  Template& operator=(Template&&) noexcept;

  /// Of variables of one name the first counts. `now`: what strftime_now writes. Throws TemplateError.
  [[nodiscard]] Rendered render(std::vector<std::pair<std::string, Value>> variables, const std::tm& now,
                                const Limits& limits = {}) const;
  /// Whether it marks with {% generation %} what the model is to say.
  [[nodiscard]] bool has_generations() const { return has_generations_; }

 private:
  Body body_;
  bool has_generations_ = false;
};

}  // namespace temper::jinja
