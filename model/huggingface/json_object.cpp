#include "model/huggingface/json_object.h"

#include <algorithm>

#include <unordered_set>
#include <vector>

#include "base/error.h"
#include "base/mapped_file.h"

namespace temper {
namespace {

constexpr std::size_t kShownBytes = 120;
constexpr int kStrictLevels = 3;

std::string cut(std::string text) {
  if (text.size() > kShownBytes) text.replace(kShownBytes, std::string::npos, "...");
  return text;
}

}  // namespace

nlohmann::json parse_strict_object(std::string_view text, const std::string& place, const std::string& remedy) {
  using Event = nlohmann::json::parse_event_t;
  std::vector<std::unordered_set<std::string>> names_of_level(kStrictLevels);
  const auto check = [&](int depth, Event event, nlohmann::json& parsed) {
    if ((event == Event::object_start || event == Event::array_start) && depth >= kStrictLevels)
      throw Error("{} nests deeper than {} levels; {}", place, kStrictLevels, remedy);
    if (event == Event::object_start) names_of_level[static_cast<std::size_t>(depth)].clear();
    if (event == Event::key) {
      const auto& name = parsed.get_ref<const std::string&>();
      if (!names_of_level[static_cast<std::size_t>(depth - 1)].insert(name).second)
        throw Error("{} has the name {} twice, expected each name once; {}", place, in_quotes(name), remedy);
    }
    return true;
  };
  try {
    nlohmann::json object = nlohmann::json::parse(text, check);
    if (!object.is_object()) throw Error("{} is a JSON {}, expected an object; {}", place, object.type_name(), remedy);
    return object;
  } catch (const nlohmann::json::parse_error& error) {
    throw Error("{} is not valid JSON at byte {}; {}", place, error.byte, remedy);
  } catch (const nlohmann::json::exception&) {
    throw Error("{} holds a number that is out of range; {}", place, remedy);
  }
}

nlohmann::ordered_json read_json_object(const std::filesystem::path& path) {
  return parse_json_object(MappedFile(path).text(), path);
}

nlohmann::ordered_json parse_json_object(std::string_view text, const std::filesystem::path& path) {
  try {
    nlohmann::ordered_json object = nlohmann::ordered_json::parse(text);
    if (!object.is_object())
      throw Error("{}: holds a JSON {}, expected an object {{...}}; download the file again", path.string(),
                  object.type_name());
    return object;
  } catch (const nlohmann::json::parse_error& error) {
    throw Error("{}: is not valid JSON at byte {}; correct the file there, or download it again", path.string(),
                error.byte);
  } catch (const nlohmann::json::exception&) {
    throw Error("{}: holds a number that is out of range; correct the file, or download it again", path.string());
  }
}

bool is_utf8(std::string_view text) {
  if (std::all_of(text.begin(), text.end(), [](char byte) { return static_cast<unsigned char>(byte) < 0x80; }))
    return true;
  try {
    return !nlohmann::json(text).dump().empty();
  } catch (const nlohmann::json::type_error&) {
    return false;
  }
}

std::string in_quotes(std::string_view name) {
  return cut(nlohmann::json(name).dump(-1, ' ', true, nlohmann::json::error_handler_t::replace));
}

std::string shown(const nlohmann::ordered_json& value) {
  return cut(value.dump(-1, ' ', true, nlohmann::json::error_handler_t::replace));
}

}  // namespace temper
