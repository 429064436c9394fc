#include "runtime/inputs/training_mixture.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "base/counted.h"
#include "base/error.h"
#include "base/human_numbers.h"
#include "data/packed_rows.h"
#include "data/row_range.h"
#include "data/tables/table_reader.h"

namespace temper {

std::vector<TrainingPart> training_parts(const DataSection& data, const TokenStore& rows,
                                         std::span<const std::int64_t> documents_of_files) {
  std::vector<TrainingPart> parts;
  if (data.train_weights.empty()) return parts;
  std::size_t file = 0;
  std::int64_t document = 0;
  std::int64_t first = 0;
  for (std::size_t i = 0; i < data.train.values.size(); ++i) {
    const std::size_t files = files_named(std::span(&data.train.values[i], 1)).size();
    if (file + files > documents_of_files.size())
      throw Error("{}: stands for other files than when the run began to read; leave them as they are",
                  data.train.values[i]);
    for (const std::size_t end = file + files; file < end; ++file) document += documents_of_files[file];
    // A document may be several rows, and a row begins where it does.
    const std::int64_t token = rows.document_starts()[static_cast<std::size_t>(document)];
    const std::span<const std::int64_t> starts = rows.starts();
    const std::int64_t end = std::lower_bound(starts.begin(), starts.end(), token) - starts.begin();
    parts.push_back({data.train.values[i], first, end - first, data.train_weights[i]});
    first = end;
  }
  return parts;
}

std::shared_ptr<Mixture> mixture_of(const TokenStore& rows, std::span<const TrainingPart> parts,
                                    std::int64_t pack_length) {
  if (parts.empty()) return nullptr;
  std::vector<WeightedSource> sources;
  for (const TrainingPart& part : parts) {
    if (part.rows == 0)
      throw Error("{}: holds no rows to train on, but data.train_weights gives it a weight; take both out", part.name);
    std::shared_ptr<const ExampleSource> source;
    if (pack_length > 0) {
      source = std::make_shared<const PackedRows>(rows, pack_length, part.first, part.rows);
    } else {
      source = std::make_shared<const RowRange>(rows, part.first, part.rows);
    }
    sources.push_back({std::move(source), part.weight});
  }
  return std::make_shared<Mixture>(std::move(sources));
}

Finding describe_mixture(const Mixture& mixture, std::span<const TrainingPart> parts, bool packed) {
  std::string sentence = fmt::format("an epoch takes {}{}", grouped(mixture.epoch_rows(), "row"),
                                     packed ? ", into which texts are packed" : "");
  double most = 0.0;
  for (std::size_t i = 0; i < parts.size(); ++i) {
    const std::int64_t taken = mixture.rows_taken(i);
    const std::int64_t rows = mixture.rows_of(i);
    const double passes = static_cast<double>(taken) / static_cast<double>(rows);
    most = std::max(most, passes);
    sentence += fmt::format("{} {} of {}", i == 0 ? ":" : ",", grouped(taken), parts[i].name);
    if (taken == rows) {
      sentence += " (each once)";
    } else if (taken < rows) {
      sentence += fmt::format(" (of {}, {:.3g} % of them)", grouped(rows), 100.0 * passes);
    } else {
      sentence += fmt::format(" (of {}, so each {:.3g} times)", grouped(rows), passes);
    }
  }
  return {Severity::note, "mixture", std::move(sentence), most};
}

std::vector<double> passes_per_epoch(const Mixture& mixture) {
  std::vector<double> passes;
  for (std::size_t part = 0; part < mixture.parts(); ++part)
    passes.push_back(static_cast<double>(mixture.rows_taken(part)) / static_cast<double>(mixture.rows_of(part)));
  return passes;
}

}  // namespace temper
