#include "runtime/tasks/prediction_json.h"

#include <fmt/format.h>

#include <cmath>

namespace temper {
namespace {

std::string dumped(const PredictionJson& json) {
  return json.dump(-1, ' ', false, PredictionJson::error_handler_t::replace);
}

std::string shortest(double number) {
  if (!std::isfinite(number)) return "null";
  std::string digits = fmt::format("{}", number);
  if (digits.find_first_not_of("-0123456789") == std::string::npos) digits += ".0";
  return digits;
}

void write_json(std::string& text, const PredictionJson& json) {
  if (json.is_number_float()) {
    text += shortest(json.get<double>());
  } else if (json.is_object()) {
    std::string_view gap = "{";
    for (const auto& [name, value] : json.items()) {
      text.append(gap).append(dumped(name)) += ':';
      write_json(text, value);
      gap = ",";
    }
    text += json.empty() ? "{}" : "}";
  } else if (json.is_array()) {
    std::string_view gap = "[";
    for (const PredictionJson& value : json) {
      text += gap;
      write_json(text, value);
      gap = ",";
    }
    text += json.empty() ? "[]" : "]";
  } else {
    text += dumped(json);
  }
}

}  // namespace

std::string json_line(const PredictionJson& json) {
  std::string text;
  write_json(text, json);
  return text + "\n";
}

}  // namespace temper
