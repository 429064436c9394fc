// The part of Python's pickle format (protocols 2 to 5) that a dictionary of tensors needs, read as data: nothing is
// imported, called or executed. Whatever else a pickle asks for is refused by its name. Every file is taken for
// hostile: time and memory are bounded by its size.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "model/huggingface/safetensors.h"

namespace temper {

/// Bytes that tensors are views of.
struct PickledStorage {
  StoredType type;
  std::string key;  ///< names its bytes
  std::int64_t elements = 0;
};

struct PickledTensor {
  std::string name;
  std::size_t storage = 0;  ///< index of PickledTensors::storages
  std::int64_t offset = 0;  ///< in elements
  std::vector<std::int64_t> shape;
  std::vector<std::int64_t> strides;  ///< in elements, one for each extent
};

struct PickledTensors {
  std::vector<PickledStorage> storages;
  std::vector<PickledTensor> tensors;
};

/// One pickle, which may be followed by more.
class Pickle {
 public:
  /// Reads it. `place` opens the messages. Throws Error naming the byte for what is damaged, and the class or function
  /// for a pickle that would call any but those that make tensors.
  Pickle(std::span<const std::byte> bytes, const std::string& place);
  ~Pickle();
  Pickle(Pickle&&) noexcept;

  /// Bytes of the pickle.
  [[nodiscard]] std::size_t size() const;
  /// The tensors of a dictionary, by their names; what is neither a tensor nor holds any is left out. Throws Error if
  /// the pickle is no such dictionary.
  [[nodiscard]] PickledTensors tensors() const;
  /// Where it is a list of texts.
  [[nodiscard]] std::optional<std::vector<std::string>> texts() const;
  /// A truth value of a dictionary; nothing where there is no such key.
  [[nodiscard]] std::optional<bool> truth(std::string_view key) const;

 private:
  struct Parts;
  std::unique_ptr<Parts> parts_;
};

}  // namespace temper
