// The small JSON files of a model folder, each one object.
#pragma once

#include <filesystem>
#include <nlohmann/json.hpp>
#include <optional>

namespace temper {

/// The object of a file; nothing where there is no such file. Throws Error naming the file and the byte if it cannot be
/// read, is not JSON or is no object.
std::optional<nlohmann::json> read_optional_object(const std::filesystem::path& path);

}  // namespace temper
