#include "data/chat/json_value.h"

#include <nlohmann/json.hpp>
#include <string>
#include <utility>
#include <vector>

#include "base/error.h"

namespace temper {
namespace {

/// Takes the events of the parser, which keep numbers as they are written.
class ValueBuilder {
 public:
  using Json = nlohmann::json;

  jinja::Value result = jinja::None{};
  std::string error;

  bool null() { return add(jinja::None{}); }
  bool boolean(bool value) { return add(value); }
  bool number_integer(std::int64_t value) { return add(jinja::make_integer(value)); }
  bool number_unsigned(std::uint64_t value) { return add(jinja::make_integer(static_cast<jinja::Integer>(value))); }
  bool number_float(double value, const std::string& digits) {
    if (digits.find_first_of(".eE") != std::string::npos) return add(value);
    const bool negative = digits.starts_with('-');
    jinja::Integer whole = 0;
    for (const char digit : std::string_view(digits).substr(negative ? 1 : 0)) {
      if (whole > (jinja::Integer{1} << 120)) {
        error = "it holds an integer of more than 36 digits";
        return false;
      }
      whole = whole * 10 + (digit - '0');
    }
    return add(jinja::make_integer(negative ? -whole : whole));
  }
  bool string(std::string& value) { return add(jinja::make_text(value, /*from_data=*/true)); }
  bool binary(Json::binary_t& /*value*/) { return false; }  // JSON text has none
  bool start_object(std::size_t /*size*/) { return open(false); }
  bool start_array(std::size_t /*size*/) { return open(true); }
  bool key(std::string& name) {
    open_.back().key = jinja::make_text(name, /*from_data=*/true);
    return true;
  }
  bool end_object() {
    Part part = take();
    return add(jinja::make_dict(std::move(part.entries)));
  }
  bool end_array() {
    Part part = take();
    return add(jinja::make_list(std::move(part.items)));
  }
  bool parse_error(std::size_t position, const std::string& /*token*/, const Json::exception& /*exception*/) {
    error = fmt::format("it is no JSON at byte {}", position);
    return false;
  }

 private:
  struct Part {
    bool is_list = false;
    std::vector<jinja::Value> items;
    std::vector<std::pair<jinja::Value, jinja::Value>> entries;
    jinja::Value key = jinja::None{};
  };

  bool open(bool is_list) {
    constexpr std::size_t kDeepest = 200;
    if (open_.size() >= kDeepest) {
      error = fmt::format("it nests more than {} levels deep", kDeepest);
      return false;
    }
    open_.emplace_back().is_list = is_list;
    return true;
  }
  Part take() {
    Part part = std::move(open_.back());
    open_.pop_back();
    return part;
  }
  bool add(jinja::Value value) {
    if (open_.empty()) {
      result = std::move(value);
    } else if (open_.back().is_list) {
      open_.back().items.push_back(std::move(value));
    } else {
      open_.back().entries.emplace_back(open_.back().key, std::move(value));
    }
    return true;
  }

  std::vector<Part> open_;
};

}  // namespace

jinja::Value parse_json_value(std::string_view json) {
  ValueBuilder builder;
  if (nlohmann::json::sax_parse(json.begin(), json.end(), &builder)) return std::move(builder.result);
  throw Error("{}", builder.error.empty() ? "it is no JSON" : builder.error);
}

}  // namespace temper
