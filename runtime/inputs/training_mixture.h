// Training files that are mixed by weight (data.train_weights): which rows came of which file, and what an epoch takes
// of each.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "data/diagnostics.h"
#include "data/mixture.h"
#include "data/token_store.h"
#include "runtime/config/config.h"

namespace temper {

/// Rows that one of the names in data.train stands for, in a store of those of all.
struct TrainingPart {
  std::string name;
  std::int64_t first = 0;  ///< row of the store
  std::int64_t rows = 0;
  double weight = 1.0;
};

/// The parts of a run's training rows; none where data.train_weights is not set. `documents_of_files`: how many of the
/// store's documents (TokenStore::document_starts) came from each file of data.train.
std::vector<TrainingPart> training_parts(const DataSection& data, const TokenStore& rows,
                                         std::span<const std::int64_t> documents_of_files);

/// What an epoch takes of the parts, in the examples of the store: rows, or where `pack_length` is above 0, packs of at
/// most so many tokens, each of rows of one part. Null where there are no parts. Throws Error, with its name, for a
/// part without rows, and as Mixture does.
std::shared_ptr<Mixture> mixture_of(const TokenStore& rows, std::span<const TrainingPart> parts,
                                    std::int64_t pack_length);

/// mixture: how many rows of each part an epoch takes, and how often it repeats them.
Finding describe_mixture(const Mixture& mixture, std::span<const TrainingPart> parts, bool packed);

/// How often an epoch takes the rows of a part, on average: the second of two parts may be much larger than its share.
std::vector<double> passes_per_epoch(const Mixture& mixture);

}  // namespace temper
