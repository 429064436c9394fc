// What temper inspect reports about running text, seen as a run of causal-lm would read it.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "comm/communicator.h"

namespace temper {

/// How the texts are read: as the keys of a configuration say.
struct TextQuestion {
  std::string path;   ///< a file, a pattern, or a folder of texts
  std::string model;  ///< the folder whose tokenizer cuts them, or an adapter's
  std::vector<std::string> adapters = {};
  std::string text = "text";
  std::string documents = "line";
  std::string pack = "documents";
  std::int64_t max_length = 0;  ///< tokens of a row; 0: the model's positions
};

/// Collective. Documents and their tokens, the longest of them, bytes a token, how full rows are, and what training on
/// the texts would warn of, such as documents that occur twice. Throws Error as a run would.
nlohmann::ordered_json inspect_running_text(const TextQuestion& question, Communicator& communicator);

}  // namespace temper
