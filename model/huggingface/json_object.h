// JSON objects that come from files of strangers. Included by sources only: nlohmann's header is heavy and stays out of
// the headers that others read.
#pragma once

#include <filesystem>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

namespace temper {

/// Parses an object whose names must be unique, at most three levels deep (what a safetensors header or index needs).
/// `place` opens each sentence of an Error ("model.safetensors: the header"), `remedy` ends it.
nlohmann::json parse_strict_object(std::string_view text, const std::string& place, const std::string& remedy);

/// A whole file that holds one object, its keys in the order of the file. Throws Error naming file and byte.
nlohmann::ordered_json read_json_object(const std::filesystem::path& path);
nlohmann::ordered_json parse_json_object(std::string_view text, const std::filesystem::path& path);

/// Whether it may be a text of a JSON document.
bool is_utf8(std::string_view text);

/// A name from a file, fit for a message: in quotes, ASCII with escapes, cut where it is longer than 120 bytes.
std::string in_quotes(std::string_view name);
/// A value from a file, fit for a message in the same way.
std::string shown(const nlohmann::ordered_json& value);

}  // namespace temper
