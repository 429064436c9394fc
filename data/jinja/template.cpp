#include "data/jinja/template.h"

#include <algorithm>

#include "data/jinja/parser.h"
#include "data/tokenizer/utf8.h"

namespace temper::jinja {
namespace {

/// No published template is a hundredth of this.
constexpr std::size_t kLongestTemplate = std::size_t{4} << 20;

bool marks_generations(const Body& body) {
  return std::any_of(body.begin(), body.end(), [](const StatementPointer& statement) {
    return statement->kind == StatementKind::generation || marks_generations(statement->body) ||
           marks_generations(statement->otherwise) ||
           std::any_of(statement->branches.begin(), statement->branches.end(),
                       [](const auto& branch) { return marks_generations(branch.second); });
  });
}

std::string_view checked_source(std::string_view source) {
  if (source.size() > kLongestTemplate) throw limit_error("the template has more than 4 MiB");
  require_utf8(source);
  return source;
}

}  // namespace

Template::Template(std::string_view source)
    : body_(parse_template(checked_source(source))), has_generations_(marks_generations(body_)) {}
Template::~Template() = default;
Template::Template(Template&&) noexcept = default;
Template& Template::operator=(Template&&) noexcept = default;

Rendered Template::render(std::vector<std::pair<std::string, Value>> variables, const std::tm& now,
                          const Limits& limits) const {
  Machine machine(now, limits);
  Rendered rendered;
  rendered.text = machine.render(body_, std::move(variables));
  rendered.generations = machine.generations();
  rendered.steps = machine.spent();
  return rendered;
}

}  // namespace temper::jinja
