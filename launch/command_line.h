// What is wrong with a command line that names no command there is.
#pragma once

#include <CLI/CLI.hpp>

#include <span>
#include <string>

namespace temper {

/// A sentence about the first word that stands where a sub-command is needed and is none: "trian is no command of
/// temper; did you mean train?". Empty where there is no such word.
std::string unknown_command(const CLI::App& app, std::span<const char* const> words);

}  // namespace temper
