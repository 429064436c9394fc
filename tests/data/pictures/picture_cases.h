// Picture files of each kind and what other programs read in them (make_picture_cases.py).
#pragma once

#include <cstddef>
#include <nlohmann/json.hpp>
#include <span>
#include <string>
#include <vector>

#include "base/mapped_file.h"
#include "data/pictures/decode.h"
#include "data/tokenizer/base64.h"
#include "tests/places.h"

namespace temper::testing_support {

inline std::vector<std::byte> bytes_of_base64(const nlohmann::json& text) {
  const std::string bytes = decode_base64(text.get<std::string>()).value();
  const auto view = std::as_bytes(std::span(bytes));
  return {view.begin(), view.end()};
}

struct PictureCase {
  nlohmann::json said;
  std::string name;
  std::vector<std::byte> file;
  DecodeOptions options;
};

/// `part`: "cases", that can be read, or "refused".
inline std::vector<PictureCase> picture_cases(const char* part) {
  const auto all = nlohmann::json::parse(read_text_file(source_directory() / "tests/data/pictures/picture_cases.json"));
  std::vector<PictureCase> cases;
  for (const nlohmann::json& one : all.at(part)) {
    PictureCase made{one, one.at("name"), bytes_of_base64(one.at("file")), {}};
    const nlohmann::json& options = one.at("options");
    if (options.contains("frame")) made.options.frame = options.at("frame");
    if (options.contains("slice")) made.options.slice = options.at("slice");
    made.options.axis = options.value("axis", 2);
    if (options.contains("window"))
      made.options.window = PictureWindow{options.at("window").at(0), options.at("window").at(1)};
    cases.push_back(std::move(made));
  }
  return cases;
}

}  // namespace temper::testing_support
