// The only place where numbers from tokenizers and data are checked against the tables that kernels index with them.
// Kernels do not check their indices: tokenised rows are checked here before they are passed to a model.
#pragma once

#include <cstdint>
#include <string>

#include "data/example_source.h"
#include "model/architectures/model_config.h"
#include "runtime/config/config.h"
#include "runtime/inputs/run_data.h"

namespace temper {

/// What rows may hold for a model.
struct IndexLimits {
  std::int64_t tokens = 0;     ///< ids are below it: rows of the token table
  std::int64_t types = 0;      ///< segments are below it: rows of the type table; 0: the model reads none
  std::int64_t positions = 0;  ///< tokens of the longest row
  std::int64_t outputs = 0;    ///< classes are below it, and there are so many targets a row; 0: the rows have none
};

IndexLimits index_limits(const ModelConfig& config, const HeadRequest& head);

/// Throws Error, beginning with `source`, for the first number that is out of its range: which row has it, the number,
/// the limit, and what to do.
void require_indices(const ExampleSource& rows, const IndexLimits& limits, const std::string& source);
/// The same of rows without labels, whose classes, if there are any, are something else: numbers of words.
void require_token_indices(const ExampleSource& rows, const IndexLimits& limits, const std::string& source);
/// The same of all rows of a run, by the names of their files.
void require_indices(const RunData& data, const Configuration& configuration, const ModelConfig& config);

}  // namespace temper
