#include "data/tokenizer/chat_files.h"

#include <algorithm>
#include <optional>

#include "base/error.h"
#include "base/mapped_file.h"
#include "data/tokenizer/json_file.h"
#include "data/tokenizer/json_node.h"

namespace temper {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

std::string text_of_template_file(const fs::path& path) {
  const MappedFile file(path);
  return std::string(file.text());
}

/// The member chat_template of an object: a text, or a list of named ones.
std::map<std::string, std::string> templates_in(const json& object, const std::string& place) {
  const auto found = object.find("chat_template");
  if (found == object.end() || found->is_null()) return {};
  const JsonNode node(*found, place, "chat_template");
  if (node.is_text()) return {{"default", node.text()}};
  std::map<std::string, std::string> templates;
  if (found->is_object()) {
    for (const auto& [name, source] : found->items())
      templates[name] = JsonNode(source, place, "chat_template." + name).text();
    return templates;
  }
  for (const JsonNode& one : node.elements()) templates[one.member("name").text()] = one.member("template").text();
  return templates;
}

}  // namespace

ChatFiles chat_files_of(const json& config, const FolderTokens& tokens, const std::string& place) {
  ChatFiles chat;
  chat.place = place;
  chat.templates = templates_in(config, place);
  for (const NamedToken& named : tokens.named)
    if (!named.token.content.empty()) chat.special_tokens.emplace_back(named.key, named.token.content);
  return chat;
}

ChatFiles read_chat_files(const fs::path& folder, const json& config, const FolderTokens& tokens) {
  ChatFiles chat = chat_files_of(config, tokens, (folder / "tokenizer_config.json").string());
  std::error_code ignored;
  if (const fs::path path = folder / "chat_template.json"; fs::exists(path, ignored)) {
    if (const std::optional<json> object = read_optional_object(path); object && object->contains("chat_template")) {
      chat.templates = templates_in(*object, path.string());
      chat.place = path.string();
    }
  }
  if (const fs::path path = folder / "chat_template.jinja"; fs::exists(path, ignored)) {
    chat.templates = {{"default", text_of_template_file(path)}};
    chat.place = path.string();
  }
  const fs::path more = folder / "additional_chat_templates";
  if (fs::is_directory(more, ignored))
    for (const auto& entry : fs::directory_iterator(more))
      if (entry.path().extension() == ".jinja")
        chat.templates[entry.path().stem().string()] = text_of_template_file(entry.path());
  return chat;
}

}  // namespace temper
