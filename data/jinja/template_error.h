// Why a template refuses: what Jinja, Python or the template itself would say, and in which line.
#pragma once

#include <string>
#include <string_view>

#include "base/error.h"

namespace temper::jinja {

enum class Refusal {
  raised,        ///< by the template, with raise_exception
  not_template,  ///< Jinja's own errors: syntax, undefined values, what its sandbox forbids
  operation,     ///< an operation that Python refuses
  limit          ///< more steps, text or depth than is allowed
};

class TemplateError : public Error {
 public:
  /// `name`: of the exception that Jinja or Python raises; `line`: of the template, 0 where it is not known yet.
  TemplateError(Refusal refusal, std::string_view name, const std::string& message, int line = 0)
      : Error(ErrorKind::failure, message), refusal_(refusal), name_(name), line_(line) {}

  [[nodiscard]] Refusal refusal() const noexcept { return refusal_; }
  [[nodiscard]] const std::string& name() const noexcept { return name_; }
  [[nodiscard]] int line() const noexcept { return line_; }
  void set_line(int line) { line_ = line; }

 private:
  Refusal refusal_;
  std::string name_;
  int line_;
};

inline TemplateError type_error(const std::string& message) { return {Refusal::operation, "TypeError", message}; }
inline TemplateError value_error(const std::string& message) { return {Refusal::operation, "ValueError", message}; }
inline TemplateError undefined_error(const std::string& message) {
  return {Refusal::not_template, "UndefinedError", message};
}
inline TemplateError limit_error(const std::string& message) { return {Refusal::limit, "LimitError", message}; }

}  // namespace temper::jinja
