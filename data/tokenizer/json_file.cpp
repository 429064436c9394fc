#include "data/tokenizer/json_file.h"

#include "base/error.h"
#include "base/mapped_file.h"

namespace temper {

std::optional<nlohmann::json> read_optional_object(const std::filesystem::path& path) {
  std::error_code ignored;
  if (!std::filesystem::exists(path, ignored)) return std::nullopt;
  const std::string text = read_text_file(path);
  nlohmann::json object;
  try {
    object = nlohmann::json::parse(text);
  } catch (const nlohmann::json::parse_error& error) {
    throw Error("{}: is not valid JSON at byte {}; fetch the file again", path.string(), error.byte);
  }
  if (!object.is_object()) throw Error("{}: holds no JSON object; fetch the file again", path.string());
  return object;
}

}  // namespace temper
