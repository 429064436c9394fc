// Typed access to the keys of config.json. Each refusal names the file, the key, what was found and what was expected.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>
#include <vector>

namespace temper {

/// A key, and another name that transformers takes for it as well (the attribute_map of its configuration).
struct ConfigKey {
  constexpr ConfigKey(const char* key, std::string_view other_name = {}) : name(key), other(other_name) {}

  std::string_view name;
  std::string_view other;
};

class ConfigKeys {
 public:
  /// Throws Error naming file and byte where the text is no JSON object. `dropout` >= 0 stands in for every rate that
  /// is asked for.
  ConfigKeys(std::string_view json, const std::filesystem::path& path, double dropout = -1.0);

  /// Of an object that lies in the file under `key`, or, with no key, of one that says what the file says in other
  /// words.
  [[nodiscard]] ConfigKeys within(std::string_view key, nlohmann::ordered_json object) const;

  /// Null where there is no such key.
  [[nodiscard]] const nlohmann::ordered_json* find(const ConfigKey& key) const;
  [[nodiscard]] bool is_null(const ConfigKey& key) const;

  // ---- `otherwise` where the key is absent; throw Error for values of another type or out of range ------------------
  [[nodiscard]] std::int64_t integer(const ConfigKey& key, std::int64_t otherwise, std::int64_t lowest,
                                     std::int64_t highest) const;
  /// From 1 to 2^31 - 1.
  [[nodiscard]] std::int64_t size(const ConfigKey& key, std::int64_t otherwise) const;
  [[nodiscard]] float real(const ConfigKey& key, float otherwise, float lowest, float highest) const;
  /// From 0 to 1. null counts as absent.
  [[nodiscard]] float dropout(const ConfigKey& key, float otherwise) const;
  /// true or false, as transformers wants it of a key that its configuration declares.
  [[nodiscard]] bool flag(const ConfigKey& key, bool otherwise) const;
  /// Of a key that transformers does not declare and only asks whether it holds: as in Python, null, false, 0 and what
  /// is empty do not.
  [[nodiscard]] bool truth(const ConfigKey& key, bool otherwise) const;
  /// Of a key that may be null, is_null is asked first.
  [[nodiscard]] std::string text(const ConfigKey& key, std::string_view otherwise) const;
  /// null counts as absent: then there are none.
  [[nodiscard]] std::vector<std::string> texts(const ConfigKey& key) const;

  /// Throws Error for the value that the key has.
  [[noreturn]] void refuse(const ConfigKey& key, const std::string& expected) const;
  /// The file, for messages.
  [[nodiscard]] const std::string& path() const { return path_; }

 private:
  ConfigKeys(std::shared_ptr<const nlohmann::ordered_json> object, std::string path, double dropout);

  std::shared_ptr<const nlohmann::ordered_json> object_;
  std::string path_;
  double dropout_;
};

}  // namespace temper
