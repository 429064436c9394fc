// What a template computes with: Python's values, as far as templates meet them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "data/jinja/meter.h"
#include "data/jinja/template_error.h"
#include "data/jinja/text.h"

namespace temper::jinja {

/// Python's integers have any length; these refuse to grow beyond 127 bits.
__extension__ using Integer = __int128;

struct Undefined {
  std::string message;        ///< what an operation on it raises
  bool is_forbidden = false;  ///< by the sandbox
};
struct None {
  friend bool operator==(None, None) { return true; }
};

struct Sequence;
struct Dict;
class Object;

using TextPointer = std::shared_ptr<const Text>;
using SequencePointer = std::shared_ptr<Sequence>;
using DictPointer = std::shared_ptr<Dict>;
using ObjectPointer = std::shared_ptr<Object>;

using Value = std::variant<std::shared_ptr<const Undefined>, None, bool, Integer, double, TextPointer, SequencePointer,
                           DictPointer, ObjectPointer>;

/// How Python calls it, and what it can do.
enum class SequenceKind : std::uint8_t { list, tuple, range, keys, values, items, generator, reversed };

struct Sequence {
  SequenceKind kind = SequenceKind::list;
  std::vector<Value> items;
  std::size_t taken = 0;  ///< of a generator: items that were gone through
  int depth = 1;          ///< levels of values in it
  std::string written;    ///< of a range: how it is written
  bool is_group = false;  ///< of groupby: has the attributes grouper and list

  [[nodiscard]] bool is_iterator() const { return kind == SequenceKind::generator || kind == SequenceKind::reversed; }
};

struct Dict {
  std::vector<std::pair<Value, Value>> entries;  ///< in the order of insertion; set() alone adds to them
  int depth = 1;
  /// Where the keys that are texts stand in the entries, once there are many of these: an ordered index, since whoever
  /// writes the data could make the keys of a hash table collide. The bytes are the keys' own.
  std::map<std::string_view, std::size_t> places_of_texts;

  /// Null where there is no such key.
  [[nodiscard]] const Value* find(Meter& meter, const Value& key) const;
  [[nodiscard]] const Value* find(std::string_view key) const;
  /// Throws a TypeError for a key that is or holds a list or a dictionary.
  void set(Meter& meter, const Value& key, Value value);
};

class Machine;

/// Arguments of a call.
struct Arguments {
  std::vector<Value> positional;
  std::vector<std::pair<std::string, Value>> named;
};

/// Functions, macros, namespaces, loops: what has attributes or can be called.
class Object {
 public:
  virtual ~Object() = default;
  [[nodiscard]] virtual std::string type_name() const = 0;
  /// What str() makes of it.
  [[nodiscard]] virtual std::string written() const { return std::string("<").append(type_name()).append(">"); }
  [[nodiscard]] virtual bool callable() const { return false; }
  virtual Value call(Machine& machine, Arguments arguments);
  /// Sets `value`; false where there is no such attribute.
  virtual bool attribute(std::string_view /*name*/, Value& /*value*/) { return false; }
  /// Lets go of all values, so that objects that hold each other end.
  virtual void clear() {}
  /// Levels of values in one that holds values and never lets go of them, such as a method with what it is of.
  [[nodiscard]] virtual int depth() const { return 0; }
};

// ---- making values
Value make_text(Text text);
Value make_text(std::string_view bytes, bool from_data = false);
Value make_undefined(std::string message, bool is_forbidden = false);
/// Levels of values in one that holds this. Throws a limit error for values that nest too deeply.
int depth_around(const Value& held);
Value make_sequence(SequenceKind kind, std::vector<Value> items);
inline Value make_list(std::vector<Value> items) { return make_sequence(SequenceKind::list, std::move(items)); }
inline Value make_tuple(std::vector<Value> items) { return make_sequence(SequenceKind::tuple, std::move(items)); }
inline Value make_generator(std::vector<Value> items) {
  return make_sequence(SequenceKind::generator, std::move(items));
}
Value make_dict(Meter& meter, std::vector<std::pair<Value, Value>> entries);
/// The same outside of templates, for keys that are texts.
Value make_dict(std::vector<std::pair<Value, Value>> entries);
inline Value make_integer(Integer value) { return Value(value); }

// ---- asking
inline bool is_undefined(const Value& value) { return std::holds_alternative<std::shared_ptr<const Undefined>>(value); }
inline bool is_none(const Value& value) { return std::holds_alternative<None>(value); }
inline bool is_text(const Value& value) { return std::holds_alternative<TextPointer>(value); }
inline const Text& text_of(const Value& value) { return *std::get<TextPointer>(value); }
inline const Undefined& undefined_of(const Value& value) { return *std::get<std::shared_ptr<const Undefined>>(value); }
inline bool is_sequence(const Value& value) { return std::holds_alternative<SequencePointer>(value); }
bool is_list(const Value& value);
bool is_tuple(const Value& value);
inline bool is_dict(const Value& value) { return std::holds_alternative<DictPointer>(value); }
bool is_callable(const Value& value);
/// int, bool or float.
bool is_number(const Value& value);
/// int or bool.
bool is_integral(const Value& value);
Integer integral_of(const Value& value);
double real_of(const Value& value);

/// "str", "list", "NoneType": type(value).__name__.
std::string type_name(const Value& value);
/// Throws what an operation on an undefined value raises.
[[noreturn]] void fail_undefined(const Value& value);
void require_defined(const Value& value);

bool truth(const Value& value);
/// Whether a dictionary can have it as a key.
bool is_hashable(Meter& meter, const Value& value);
/// Throws a TypeError for what is not.
void require_hashable(Meter& meter, const Value& value);
bool equal(Meter& meter, const Value& a, const Value& b);
/// a < b. Throws a TypeError, as Python does, for values that have no order; `sign` is what it names.
bool less(Meter& meter, const Value& a, const Value& b, const char* sign = "<");

/// str(value), with origins; and repr(value).
Text string_of(Meter& meter, const Value& value);
Text representation(Meter& meter, const Value& value);
/// str(value) outside of templates.
Text string_of(const Value& value);
/// Of a text alone.
Text representation(const Text& text);
std::string integer_digits(Integer value);
/// As Python writes a float: the shortest digits that give it back.
std::string real_digits(double value);

/// len(). Throws a TypeError.
std::size_t length_of(Meter& meter, const Value& value);
/// Goes through a value, as `for` does; what can be gone through once is then empty. Throws a TypeError.
std::vector<Value> iterate(Meter& meter, const Value& value);
bool is_iterable(const Value& value);

}  // namespace temper::jinja
