// == and < as Python has them, and dictionaries, which are looked up by them.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "data/jinja/value.h"

namespace temper::jinja {
namespace {

constexpr int kNoOrder = 2;

/// -1, 0 or 1, and kNoOrder for what is not a number: exactly, as Python compares, without rounding the integer.
int compare(Integer whole, double real) {
  constexpr double kBeyond = 0x1p127;
  if (std::isnan(real)) return kNoOrder;
  if (real >= kBeyond) return -1;
  if (real < -kBeyond) return 1;
  const double floor = std::floor(real);
  const auto below = static_cast<Integer>(floor);
  if (whole != below) return whole < below ? -1 : 1;
  return real > floor ? -1 : 0;
}

int compare_numbers(const Value& a, const Value& b) {
  if (is_integral(a) && is_integral(b)) {
    const Integer x = integral_of(a);
    const Integer y = integral_of(b);
    return x < y ? -1 : x == y ? 0 : 1;
  }
  if (is_integral(a)) return compare(integral_of(a), std::get<double>(b));
  if (is_integral(b)) {
    const int other_way = compare(integral_of(b), std::get<double>(a));
    return other_way == kNoOrder ? kNoOrder : -other_way;
  }
  const double x = std::get<double>(a);
  const double y = std::get<double>(b);
  return x < y ? -1 : x > y ? 1 : x == y ? 0 : kNoOrder;
}

bool equal_sequences(Meter& meter, const SequencePointer& x, const SequencePointer& y) {
  if (x == y) return true;
  if (x->kind != y->kind || x->is_iterator() || x->kind == SequenceKind::values) return false;
  return std::equal(x->items.begin(), x->items.end(), y->items.begin(), y->items.end(),
                    [&](const Value& one, const Value& other) { return equal(meter, one, other); });
}

bool equal_dicts(Meter& meter, const Dict& x, const Dict& y) {
  if (&x == &y) return true;
  if (x.entries.size() != y.entries.size()) return false;
  return std::all_of(x.entries.begin(), x.entries.end(), [&](const auto& entry) {
    const Value* other = y.find(meter, entry.first);
    return other != nullptr && equal(meter, entry.second, *other);
  });
}

}  // namespace

bool is_hashable(Meter& meter, const Value& value) {
  meter.spend(1);
  if (is_dict(value)) return false;
  if (!is_sequence(value)) return true;
  const Sequence& sequence = *std::get<SequencePointer>(value);
  if (sequence.kind == SequenceKind::tuple)
    return std::all_of(sequence.items.begin(), sequence.items.end(),
                       [&](const Value& item) { return is_hashable(meter, item); });
  return sequence.kind != SequenceKind::list && sequence.kind != SequenceKind::keys &&
         sequence.kind != SequenceKind::items;
}

void require_hashable(Meter& meter, const Value& value) {
  if (is_hashable(meter, value)) return;
  // Of a tuple it is an element that Python names.
  if (is_tuple(value))
    for (const Value& item : std::get<SequencePointer>(value)->items) require_hashable(meter, item);
  throw type_error(fmt::format("unhashable type: '{}'", type_name(value)));
}

bool equal(Meter& meter, const Value& a, const Value& b) {
  meter.spend(1);
  if (is_undefined(a) || is_undefined(b)) return is_undefined(a) && is_undefined(b);
  if (is_number(a) && is_number(b)) return compare_numbers(a, b) == 0;
  if (a.index() != b.index()) return false;
  if (is_none(a)) return true;
  if (is_text(a)) {
    if (text_of(a).size() != text_of(b).size()) return false;
    meter.spend_text(text_of(a).size());
    return text_of(a).bytes() == text_of(b).bytes();
  }
  if (is_sequence(a)) return equal_sequences(meter, std::get<SequencePointer>(a), std::get<SequencePointer>(b));
  if (is_dict(a)) return equal_dicts(meter, *std::get<DictPointer>(a), *std::get<DictPointer>(b));
  return std::get<ObjectPointer>(a) == std::get<ObjectPointer>(b);
}

bool less(Meter& meter, const Value& a, const Value& b, const char* sign) {
  meter.spend(1);
  require_defined(a);
  require_defined(b);
  if (is_number(a) && is_number(b)) return compare_numbers(a, b) == -1;
  if (is_text(a) && is_text(b)) {
    meter.spend_text(std::min(text_of(a).size(), text_of(b).size()));
    return text_of(a).bytes() < text_of(b).bytes();
  }
  if ((is_list(a) && is_list(b)) || (is_tuple(a) && is_tuple(b))) {
    const std::vector<Value>& x = std::get<SequencePointer>(a)->items;
    const std::vector<Value>& y = std::get<SequencePointer>(b)->items;
    for (std::size_t i = 0; i < std::min(x.size(), y.size()); ++i)
      if (!equal(meter, x[i], y[i])) return less(meter, x[i], y[i], sign);
    return x.size() < y.size();
  }
  throw type_error(
      fmt::format("'{}' not supported between instances of '{}' and '{}'", sign, type_name(a), type_name(b)));
}

// ---- dictionaries

namespace {

/// Dictionaries of no more entries have no index.
constexpr std::size_t kFewEntries = 16;

/// Where a key stands; past the end where there is none.
std::size_t place_of(const Dict& dict, std::string_view key) {
  if (dict.entries.size() > kFewEntries) {
    const auto place = dict.places_of_texts.find(key);
    return place == dict.places_of_texts.end() ? dict.entries.size() : place->second;
  }
  const auto found = std::find_if(dict.entries.begin(), dict.entries.end(), [&](const auto& entry) {
    return is_text(entry.first) && text_of(entry.first).bytes() == key;
  });
  return static_cast<std::size_t>(found - dict.entries.begin());
}

std::size_t place_of(Meter& meter, const Dict& dict, const Value& key) {
  if (is_text(key)) {
    meter.spend_text(text_of(key).size());
    return place_of(dict, text_of(key).bytes());
  }
  if (dict.places_of_texts.size() == dict.entries.size()) return dict.entries.size();
  meter.spend_items(dict.entries.size());
  const auto found = std::find_if(dict.entries.begin(), dict.entries.end(), [&](const auto& entry) {
    return !is_text(entry.first) && equal(meter, entry.first, key);
  });
  return static_cast<std::size_t>(found - dict.entries.begin());
}

}  // namespace

const Value* Dict::find(Meter& meter, const Value& key) const {
  const std::size_t place = place_of(meter, *this, key);
  return place == entries.size() ? nullptr : &entries[place].second;
}

const Value* Dict::find(std::string_view key) const {
  const std::size_t place = place_of(*this, key);
  return place == entries.size() ? nullptr : &entries[place].second;
}

void Dict::set(Meter& meter, const Value& key, Value value) {
  require_hashable(meter, key);
  meter.spend_new(1);
  depth = std::max({depth, depth_around(value), depth_around(key)});
  if (const std::size_t place = place_of(meter, *this, key); place < entries.size()) {
    entries[place].second = std::move(value);
    return;
  }
  entries.emplace_back(key, std::move(value));
  if (entries.size() <= kFewEntries) return;
  // With the entry that makes them many those before it are indexed, too.
  for (std::size_t place = entries.size() == kFewEntries + 1 ? 0 : entries.size() - 1; place < entries.size(); ++place)
    if (is_text(entries[place].first)) places_of_texts.emplace(text_of(entries[place].first).bytes(), place);
}

}  // namespace temper::jinja
