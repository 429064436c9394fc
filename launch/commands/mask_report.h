// What of conversations a model would learn: shown token by token, before anything is trained.
#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "runtime/config/config.h"

namespace temper {

struct MaskArguments {
  std::string model;
  std::vector<std::string> adapters = {};  ///< that go on it
  std::int64_t rows = 3;                   ///< that are shown
  std::int64_t max_length = 0;             ///< 0: the model's positions
  std::string html;                        ///< a file to write; empty: none
  std::string learn = "assistant";
  std::vector<std::string> learn_roles{"assistant"};
  std::string chat_template = "tokenizer";
  std::string long_documents = "split";
};

/// {"rows": [{"line", "tokens", "learnt_tokens", "ids", "learnt", "pieces": [{"text", "learnt"}]}], "findings": [...]}:
/// the first rows whole (with "weights" where turns have some), and what is found over all rows. Throws Error as
/// ChatEncoder does, naming file and line.
nlohmann::ordered_json mask_report(const std::string& data, const MaskArguments& arguments);

/// Shows it: what is learnt in colour on a terminal, else between marks.
void print_mask_report(const nlohmann::ordered_json& report, bool in_colour);

/// What a page begins with.
inline constexpr std::string_view kPageBeginning = "<!DOCTYPE html>";
/// The same as a page of its own.
std::string mask_page(const nlohmann::ordered_json& report, const std::string& title);

}  // namespace temper
