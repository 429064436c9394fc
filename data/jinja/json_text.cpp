#include "data/jinja/json_text.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

namespace temper::jinja {
namespace {

class JsonWriter {
 public:
  JsonWriter(Machine& machine, const JsonStyle& style) : machine_(machine), style_(style) {}

  Text written(const Value& value) {
    write(value, 0);
    machine_.spend_text(out_.size());
    return std::move(out_);
  }

 private:
  void add(std::string_view bytes) { out_.append(bytes, false); }

  void write(const Value& value, std::size_t level) {
    machine_.spend(1);
    if (is_none(value)) {
      add("null");
    } else if (const auto* boolean = std::get_if<bool>(&value)) {
      add(*boolean ? "true" : "false");
    } else if (is_number(value)) {
      add(number(value));
    } else if (is_text(value)) {
      write_text(text_of(value));
    } else if (is_list(value) || is_tuple(value)) {
      write_list(std::get<SequencePointer>(value)->items, level);
    } else if (is_dict(value)) {
      write_dict(*std::get<DictPointer>(value), level);
    } else {
      throw type_error(fmt::format("Object of type {} is not JSON serializable", type_name(value)));
    }
  }

  static std::string number(const Value& value) {
    if (is_integral(value)) return integer_digits(integral_of(value));
    const double real = std::get<double>(value);
    if (std::isnan(real)) return "NaN";
    if (std::isinf(real)) return real < 0 ? "-Infinity" : "Infinity";
    return real_digits(real);
  }

  void break_line(std::size_t level) {
    machine_.spend(static_cast<std::int64_t>(level / 16));
    add("\n");
    for (std::size_t i = 0; i < level; ++i) add(*style_.indent);
  }

  void write_list(const std::vector<Value>& items, std::size_t level) {
    if (items.empty()) return add("[]");
    add("[");
    if (style_.indent) break_line(level + 1);
    for (std::size_t i = 0; i < items.size(); ++i) {
      if (i > 0) separate(level);
      write(items[i], level + 1);
    }
    if (style_.indent) break_line(level);
    add("]");
  }

  void separate(std::size_t level) {
    add(style_.item_separator);
    if (style_.indent) break_line(level + 1);
  }

  void write_dict(const Dict& dict, std::size_t level) {
    if (dict.entries.empty()) return add("{}");
    machine_.spend_items(dict.entries.size());
    std::vector<const std::pair<Value, Value>*> entries;
    for (const auto& entry : dict.entries) entries.push_back(&entry);
    if (style_.sorted)
      std::stable_sort(entries.begin(), entries.end(),
                       [&](const auto* a, const auto* b) { return less(machine_, a->first, b->first); });
    add("{");
    if (style_.indent) break_line(level + 1);
    for (std::size_t i = 0; i < entries.size(); ++i) {
      if (i > 0) separate(level);
      write_key(entries[i]->first);
      add(style_.key_separator);
      write(entries[i]->second, level + 1);
    }
    if (style_.indent) break_line(level);
    add("}");
  }

  void write_key(const Value& key) {
    if (is_text(key)) {
      write_text(text_of(key));
    } else if (is_none(key)) {
      add("\"null\"");
    } else if (const auto* boolean = std::get_if<bool>(&key)) {
      add(*boolean ? "\"true\"" : "\"false\"");
    } else if (is_number(key)) {
      add(fmt::format("\"{}\"", number(key)));
    } else {
      throw type_error(fmt::format("keys must be str, int, float, bool or None, not {}", type_name(key)));
    }
  }

  void write_text(const Text& text) {
    machine_.spend_text(4 * text.size());
    add("\"");
    for (const Text::Run& run : text.runs()) {
      std::string bytes;
      for (std::size_t at = 0; at < run.bytes.size();) {
        const std::size_t length = character_bytes(run.bytes[at]);
        const char32_t c = character_at(run.bytes, at);
        if (c == '"') {
          bytes += "\\\"";
        } else if (c == '\\') {
          bytes += "\\\\";
        } else if (c == '\n') {
          bytes += "\\n";
        } else if (c == '\r') {
          bytes += "\\r";
        } else if (c == '\t') {
          bytes += "\\t";
        } else if (c == '\f') {
          bytes += "\\f";
        } else if (c == '\b') {
          bytes += "\\b";
        } else if (c < 0x20 || (style_.ascii && c >= 0x80 && c < 0x10000)) {
          bytes += fmt::format("\\u{:04x}", static_cast<unsigned>(c));
        } else if (style_.ascii && c >= 0x10000) {
          bytes += fmt::format("\\u{:04x}\\u{:04x}", static_cast<unsigned>(0xD800 + ((c - 0x10000) >> 10)),
                               static_cast<unsigned>(0xDC00 + ((c - 0x10000) & 0x3FF)));
        } else {
          bytes += run.bytes.substr(at, length);
        }
        at += length;
      }
      out_.append(bytes, run.from_data);
    }
    add("\"");
  }

  Machine& machine_;
  const JsonStyle& style_;
  Text out_;
};

}  // namespace

Text json_text(Machine& machine, const Value& value, const JsonStyle& style) {
  return JsonWriter(machine, style).written(value);
}

}  // namespace temper::jinja
