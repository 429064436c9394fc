// A pickle is a program for a machine with a stack and a memo; here the machine knows containers, numbers, texts, and
// three functions by name. Values are small and refer to containers by index, so that a container may be shared, or
// hold itself, at no cost.
#include "model/huggingface/pickle.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <set>
#include <unordered_map>

#include "base/error.h"
#include "model/huggingface/json_object.h"

namespace temper {
namespace {

using Bytes = std::span<const std::byte>;

// A model of a million tensors needs less; a hostile file cannot ask for more.
constexpr std::size_t kMostContainers = 8'000'000;
constexpr std::size_t kDeepestStack = 1'000'000;
constexpr std::size_t kMostDimensions = 64;
// Containers, shapes and keys that the pickle makes from new bytes hold less than one value for each of them; only what
// it copies from values that it remembers again and again holds more.
constexpr std::size_t kMostCopiesOfAByte = 4;
constexpr std::size_t kCopiesOfAnyPickle = 1024;

enum class Kind : std::uint8_t {
  mark,
  none,
  truth,
  integer,
  other,
  text,
  tuple,
  list,
  dictionary,
  function,
  storage,
  tensor
};
enum class Function : std::uint8_t { ordered_dictionary, tensor, parameter, storage_type };

struct Value {
  Kind kind = Kind::none;
  Function function = Function::ordered_dictionary;  // of a function
  StoredType type = StoredType::f32;                 // of a storage type
  std::int64_t number = 0;                           // truth, integer; index of a container, storage or tensor
  std::string_view text = {};
};

struct KnownGlobal {
  std::string_view module;
  std::string_view name;
  Function function;
  StoredType type = StoredType::f32;
};

constexpr std::array<KnownGlobal, 14> kGlobals = {{
    {"collections", "OrderedDict", Function::ordered_dictionary},
    {"torch._utils", "_rebuild_tensor_v2", Function::tensor},
    {"torch._utils", "_rebuild_tensor", Function::tensor},
    {"torch._utils", "_rebuild_parameter", Function::parameter},
    {"torch", "DoubleStorage", Function::storage_type, StoredType::f64},
    {"torch", "FloatStorage", Function::storage_type, StoredType::f32},
    {"torch", "HalfStorage", Function::storage_type, StoredType::f16},
    {"torch", "BFloat16Storage", Function::storage_type, StoredType::bf16},
    {"torch", "LongStorage", Function::storage_type, StoredType::i64},
    {"torch", "IntStorage", Function::storage_type, StoredType::i32},
    {"torch", "ShortStorage", Function::storage_type, StoredType::i16},
    {"torch", "CharStorage", Function::storage_type, StoredType::i8},
    {"torch", "ByteStorage", Function::storage_type, StoredType::u8},
    {"torch", "BoolStorage", Function::storage_type, StoredType::boolean},
}};

enum Opcode : std::uint8_t {
  kMark = '(',
  kStop = '.',
  kBinaryFloat = 'G',
  kBinaryInt = 'J',
  kBinaryInt1 = 'K',
  kBinaryInt2 = 'M',
  kNone = 'N',
  kPersistentId = 'Q',
  kReduce = 'R',
  kBinaryUnicode = 'X',
  kEmptyList = ']',
  kAppend = 'a',
  kBuild = 'b',
  kGlobal = 'c',
  kAppends = 'e',
  kGet = 'h',
  kLongGet = 'j',
  kPut = 'q',
  kLongPut = 'r',
  kSetItem = 's',
  kTuple = 't',
  kSetItems = 'u',
  kEmptyDictionary = '}',
  kEmptyTuple = ')',
  kProtocol = 0x80,
  kTuple1 = 0x85,
  kTuple2 = 0x86,
  kTuple3 = 0x87,
  kTrue = 0x88,
  kFalse = 0x89,
  kLong1 = 0x8a,
  kShortBinaryUnicode = 0x8c,
  kBinaryUnicode8 = 0x8d,
  kStackGlobal = 0x93,
  kMemoize = 0x94,
  kFrame = 0x95,
};

}  // namespace

struct Pickle::Parts {
  Parts(Bytes pickled, const std::string& where) : bytes(pickled), place(where) {}

  void run();

  // ---- the program
  [[nodiscard]] Error damaged(std::string_view what) const {
    return Error("{}: byte {}: {}; the file is damaged or cut short: download or save it again", place, at, what);
  }
  Bytes take(std::uint64_t count) {
    if (count > bytes.size() - at) throw damaged("the pickle ends in the middle");
    const Bytes taken = bytes.subspan(at, static_cast<std::size_t>(count));
    at += taken.size();
    return taken;
  }
  template <typename T>
  T number() {
    T value;
    std::memcpy(&value, take(sizeof(T)).data(), sizeof(T));
    return value;
  }
  std::string_view text(std::uint64_t count) {
    const Bytes taken = take(count);
    const std::string_view found(reinterpret_cast<const char*>(taken.data()), taken.size());
    if (!is_utf8(found)) throw damaged("a text is not valid UTF-8");
    return found;
  }
  std::string_view line() {
    const std::string_view rest(reinterpret_cast<const char*>(bytes.data()) + at, bytes.size() - at);
    const std::size_t end = rest.find('\n');
    if (end == std::string_view::npos) throw damaged("the pickle ends in the middle of a name");
    at += end + 1;
    return rest.substr(0, end);
  }

  /// Before `count` values are copied into what is kept.
  void account(std::size_t count) {
    copied += count;
    if (copied > kMostCopiesOfAByte * at + kCopiesOfAnyPickle)
      throw damaged("the pickle repeats its values more often than any model does");
  }

  // ---- the machine
  void push(Value value) {
    if (stack.size() >= kDeepestStack) throw damaged("the pickle piles up more values than any model has");
    stack.push_back(value);
  }
  void push(Kind kind, std::int64_t value = 0) { push(Value{kind, {}, {}, value, {}}); }
  Value pop() {
    if (stack.empty() || stack.back().kind == Kind::mark) throw damaged("the pickle takes a value that is not there");
    const Value value = stack.back();
    stack.pop_back();
    return value;
  }
  /// The values above the last mark, which goes with them.
  std::vector<Value> pop_to_mark() {
    auto mark = stack.end();
    while (mark != stack.begin() && (mark - 1)->kind != Kind::mark) --mark;
    if (mark == stack.begin()) throw damaged("the pickle goes back to a mark that is not there");
    std::vector<Value> values(mark, stack.end());
    stack.erase(mark - 1, stack.end());
    return values;
  }
  Value container(Kind kind, std::vector<Value> values) {
    if (containers.size() >= kMostContainers) throw damaged("the pickle has more containers than any model has");
    account(values.size());
    containers.push_back(std::move(values));
    return {kind, {}, {}, static_cast<std::int64_t>(containers.size()) - 1, {}};
  }
  [[nodiscard]] const std::vector<Value>& values(const Value& value) const {
    return containers[static_cast<std::size_t>(value.number)];
  }
  std::vector<Value>& values(const Value& value) { return containers[static_cast<std::size_t>(value.number)]; }
  /// What `count` values are put into lies under them.
  Value& below(Kind kind) {
    if (stack.empty() || stack.back().kind != kind) throw damaged("the pickle fills a container that is not there");
    return stack.back();
  }

  void memoize(std::uint64_t key) {
    if (stack.empty()) throw damaged("the pickle remembers a value that is not there");
    memo.insert_or_assign(key, stack.back());
  }
  void recall(std::uint64_t key) {
    const auto found = memo.find(key);
    if (found == memo.end()) throw damaged("the pickle recalls a value that it has not remembered");
    push(found->second);
  }

  void push_global(std::string_view module, std::string_view name) {
    for (const KnownGlobal& known : kGlobals)
      if (known.module == module && known.name == name)
        return push(Value{Kind::function, known.function, known.type, 0, {}});
    throw Error(
        "{}: asks for {}.{}, which weights do not need and which is not called here; where you trust the file, "
        "save the weights alone",
        place, in_quotes(module), in_quotes(name));
  }
  void append(const std::vector<Value>& added) {
    account(added.size());
    std::vector<Value>& list = values(below(Kind::list));
    list.insert(list.end(), added.begin(), added.end());
  }
  void set(const std::vector<Value>& pairs) {
    if (pairs.size() % 2 != 0) throw damaged("the pickle gives a dictionary a key without a value");
    account(pairs.size());
    std::vector<Value>& dictionary = values(below(Kind::dictionary));
    dictionary.insert(dictionary.end(), pairs.begin(), pairs.end());
  }
  void persistent_id(const Value& id);
  void reduce(const Value& function, const Value& arguments);
  Value rebuild_tensor(const std::vector<Value>& arguments);
  Value ordered_dictionary(const std::vector<Value>& arguments);
  std::int64_t whole(const Value& value, std::string_view what) const {
    if (value.kind != Kind::integer || value.number < 0) throw damaged(fmt::format("{} is no whole number", what));
    return value.number;
  }
  [[nodiscard]] std::vector<std::int64_t> whole_numbers(const Value& value, std::string_view what) const {
    if (value.kind != Kind::tuple && value.kind != Kind::list) throw damaged(fmt::format("{} is no tuple", what));
    std::vector<std::int64_t> numbers;
    for (const Value& element : values(value)) numbers.push_back(whole(element, what));
    return numbers;
  }

  Bytes bytes;
  std::string place;
  std::size_t at = 0;
  std::size_t copied = 0;  // values in containers, extents and strides of tensors, bytes of keys
  std::vector<Value> stack;
  std::unordered_map<std::uint64_t, Value> memo;
  std::vector<std::vector<Value>> containers;
  std::vector<PickledStorage> storages;
  std::vector<PickledTensor> tensors;  // without names
  Value result;
};

/// ("storage", torch.FloatStorage, key, device, elements), and in files before PyTorch 1.6 a view, which is None.
void Pickle::Parts::persistent_id(const Value& id) {
  if (id.kind != Kind::tuple) throw damaged("the id of a storage is no tuple");
  const std::vector<Value>& parts = values(id);
  const bool fits = parts.size() >= 5 && parts[0].kind == Kind::text && parts[0].text == "storage" &&
                    parts[1].kind == Kind::function && parts[1].function == Function::storage_type &&
                    parts[2].kind == Kind::text && (parts.size() == 5 || parts[5].kind == Kind::none);
  if (!fits) throw damaged("the id of a storage is not of the form (\"storage\", type, key, device, elements)");
  if (storages.size() >= kMostContainers) throw damaged("the pickle has more storages than any model has");
  account(parts[2].text.size());
  storages.push_back({parts[1].type, std::string(parts[2].text), whole(parts[4], "the size of a storage")});
  push(Kind::storage, static_cast<std::int64_t>(storages.size()) - 1);
}

/// (storage, offset, shape, strides, ...): what follows concerns gradients.
Value Pickle::Parts::rebuild_tensor(const std::vector<Value>& arguments) {
  if (arguments.size() < 4 || arguments[0].kind != Kind::storage) throw damaged("a tensor is not made of a storage");
  PickledTensor tensor;
  tensor.storage = static_cast<std::size_t>(arguments[0].number);
  tensor.offset = whole(arguments[1], "the offset of a tensor");
  tensor.shape = whole_numbers(arguments[2], "the shape of a tensor");
  tensor.strides = whole_numbers(arguments[3], "the strides of a tensor");
  if (tensor.shape.size() != tensor.strides.size() || tensor.shape.size() > kMostDimensions)
    throw damaged("a tensor has not one stride for each extent");
  if (tensors.size() >= kMostContainers) throw damaged("the pickle has more tensors than any model has");
  account(tensor.shape.size() + tensor.strides.size());
  tensors.push_back(std::move(tensor));
  return {Kind::tensor, {}, {}, static_cast<std::int64_t>(tensors.size()) - 1, {}};
}

/// Empty, or of a list of pairs.
Value Pickle::Parts::ordered_dictionary(const std::vector<Value>& arguments) {
  std::vector<Value> pairs;
  if (arguments.size() > 1 || (arguments.size() == 1 && arguments[0].kind != Kind::list))
    throw damaged("a dictionary is not made of a list");
  if (arguments.size() == 1) {
    // Counted before they are copied, and looked at: a list that is recalled costs but two bytes.
    account(values(arguments[0]).size());
    for (const Value& pair : values(arguments[0])) {
      const bool fits = (pair.kind == Kind::list || pair.kind == Kind::tuple) && values(pair).size() == 2;
      if (!fits) throw damaged("a dictionary is not made of pairs");
      pairs.insert(pairs.end(), values(pair).begin(), values(pair).end());
    }
  }
  return container(Kind::dictionary, std::move(pairs));
}

void Pickle::Parts::reduce(const Value& function, const Value& arguments) {
  if (function.kind != Kind::function || arguments.kind != Kind::tuple)
    throw damaged("the pickle calls what is no function");
  switch (function.function) {
    case Function::ordered_dictionary:
      account(values(arguments).size());
      return push(ordered_dictionary(std::vector<Value>(values(arguments))));
    case Function::tensor:
      return push(rebuild_tensor(values(arguments)));
    case Function::parameter:
      if (values(arguments).empty() || values(arguments).front().kind != Kind::tensor)
        throw damaged("a parameter is not made of a tensor");
      return push(Value(values(arguments).front()));
    case Function::storage_type:
      break;
  }
  throw damaged("the pickle calls a type of storage");
}

void Pickle::Parts::run() {
  while (true) {
    const auto opcode = number<std::uint8_t>();
    switch (opcode) {
      case kProtocol:
        if (const auto version = number<std::uint8_t>(); version < 2 || version > 5)
          throw damaged(fmt::format("the pickle is of protocol {}, expected 2 to 5", version));
        break;
      case kFrame:
        number<std::uint64_t>();
        break;
      case kMark:
        push(Kind::mark);
        break;
      case kNone:
        push(Kind::none);
        break;
      case kTrue:
      case kFalse:
        push(Kind::truth, opcode == kTrue ? 1 : 0);
        break;
      case kBinaryInt:
        push(Kind::integer, number<std::int32_t>());
        break;
      case kBinaryInt1:
        push(Kind::integer, number<std::uint8_t>());
        break;
      case kBinaryInt2:
        push(Kind::integer, number<std::uint16_t>());
        break;
      case kLong1: {
        const Bytes digits = take(number<std::uint8_t>());
        std::uint64_t value = 0;
        for (std::size_t i = 0; i < std::min<std::size_t>(digits.size(), 8); ++i)
          value |= static_cast<std::uint64_t>(digits[i]) << (8 * i);
        // Shorter numbers have their sign in their last byte.
        if (!digits.empty() && digits.size() < 8 && (digits.back() & std::byte{0x80}) != std::byte{0})
          value |= ~std::uint64_t{0} << (8 * digits.size());
        push(digits.size() <= 8 ? Kind::integer : Kind::other, static_cast<std::int64_t>(value));
        break;
      }
      case kBinaryFloat:
        take(sizeof(double));
        push(Kind::other);
        break;
      case kBinaryUnicode: {
        const auto length = number<std::uint32_t>();
        push(Value{Kind::text, {}, {}, 0, text(length)});
        break;
      }
      case kShortBinaryUnicode: {
        const auto length = number<std::uint8_t>();
        push(Value{Kind::text, {}, {}, 0, text(length)});
        break;
      }
      case kBinaryUnicode8: {
        const auto length = number<std::uint64_t>();
        push(Value{Kind::text, {}, {}, 0, text(length)});
        break;
      }
      case kEmptyTuple:
        push(container(Kind::tuple, {}));
        break;
      case kTuple1:
      case kTuple2:
      case kTuple3: {
        std::vector<Value> elements(static_cast<std::size_t>(opcode - kTuple1 + 1));
        for (auto element = elements.rbegin(); element != elements.rend(); ++element) *element = pop();
        push(container(Kind::tuple, std::move(elements)));
        break;
      }
      case kTuple: {
        std::vector<Value> elements = pop_to_mark();
        push(container(Kind::tuple, std::move(elements)));
        break;
      }
      case kEmptyList:
        push(container(Kind::list, {}));
        break;
      case kEmptyDictionary:
        push(container(Kind::dictionary, {}));
        break;
      case kAppend:
        append({pop()});
        break;
      case kAppends:
        append(pop_to_mark());
        break;
      case kSetItem: {
        const Value value = pop();
        const Value key = pop();
        set({key, value});
        break;
      }
      case kSetItems:
        set(pop_to_mark());
        break;
      case kPut:
        memoize(number<std::uint8_t>());
        break;
      case kLongPut:
        memoize(number<std::uint32_t>());
        break;
      case kMemoize:
        memoize(memo.size());
        break;
      case kGet:
        recall(number<std::uint8_t>());
        break;
      case kLongGet:
        recall(number<std::uint32_t>());
        break;
      case kGlobal: {
        const std::string_view module = line();
        push_global(module, line());
        break;
      }
      case kStackGlobal: {
        const Value name = pop();
        const Value module = pop();
        if (name.kind != Kind::text || module.kind != Kind::text) throw damaged("the pickle names what is no name");
        push_global(module.text, name.text);
        break;
      }
      case kPersistentId:
        persistent_id(pop());
        break;
      case kReduce: {
        const Value arguments = pop();
        reduce(pop(), arguments);
        break;
      }
      case kBuild: {
        // Attributes of a dictionary, such as the versions of modules: nothing that weights need.
        const Value state = pop();
        if (state.kind != Kind::dictionary) throw damaged("the pickle sets up an object");
        below(Kind::dictionary);
        break;
      }
      case kStop:
        result = pop();
        if (!stack.empty()) throw damaged("the pickle leaves values over");
        return;
      default:
        --at;
        throw damaged(fmt::format("the instruction 0x{:02x} is none that weights need", opcode));
    }
  }
}

Pickle::Pickle(Bytes bytes, const std::string& place) : parts_(std::make_unique<Parts>(bytes, place)) { parts_->run(); }
Pickle::~Pickle() = default;
Pickle::Pickle(Pickle&&) noexcept = default;

std::size_t Pickle::size() const { return parts_->at; }

PickledTensors Pickle::tensors() const {
  Parts& parts = *parts_;
  if (parts.result.kind != Kind::dictionary)
    throw Error("{}: holds no dictionary of tensors; save the state_dict() of the model", parts.place);
  PickledTensors found{parts.storages, {}};
  std::set<std::string_view> names;
  const std::vector<Value>& pairs = parts.values(parts.result);
  for (std::size_t i = 0; i < pairs.size(); i += 2) {
    const Value& key = pairs[i];
    const Value& value = pairs[i + 1];
    if (key.kind != Kind::text)
      throw Error("{}: has a key that is no text, expected a dictionary of tensors by their names", parts.place);
    if (value.kind == Kind::dictionary || value.kind == Kind::list || value.kind == Kind::tuple)
      throw Error("{}: holds no tensor under {} but a container; save the state_dict() of the model alone", parts.place,
                  in_quotes(key.text));
    if (value.kind != Kind::tensor) continue;
    if (!names.insert(key.text).second)
      throw Error("{}: the tensor {} occurs twice; save the model again", parts.place, in_quotes(key.text));
    const PickledTensor& unnamed = parts.tensors[static_cast<std::size_t>(value.number)];
    parts.account(unnamed.shape.size() + unnamed.strides.size());
    PickledTensor& tensor = found.tensors.emplace_back(unnamed);
    tensor.name = key.text;
  }
  return found;
}

std::optional<std::vector<std::string>> Pickle::texts() const {
  if (parts_->result.kind != Kind::list) return std::nullopt;
  std::vector<std::string> texts;
  for (const Value& value : parts_->values(parts_->result)) {
    if (value.kind != Kind::text) return std::nullopt;
    texts.emplace_back(value.text);
  }
  return texts;
}

std::optional<bool> Pickle::truth(std::string_view key) const {
  if (parts_->result.kind != Kind::dictionary) return std::nullopt;
  const std::vector<Value>& pairs = parts_->values(parts_->result);
  for (std::size_t i = 0; i < pairs.size(); i += 2)
    if (pairs[i].kind == Kind::text && pairs[i].text == key && pairs[i + 1].kind == Kind::truth)
      return pairs[i + 1].number != 0;
  return std::nullopt;
}

}  // namespace temper
