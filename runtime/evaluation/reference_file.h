// A file with what a model makes of rows (runtime/evaluation/reference_probabilities.h): of all of them, or of the
// first so many, from which another start goes on.
//
//   "temper reference 2\n", SHA-256 of the rest in 64 hexadecimal digits, and an f64 for each of the first rows
#pragma once

#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <vector>

#include "data/token_store.h"
#include "model/adapters/lora.h"
#include "model/model.h"
#include "tensor/device.h"

namespace temper {

/// Adapters that were drawn for a run and add nothing yet.
struct NewAdapters {
  const Lora* lora = nullptr;       ///< null: adapters, if there are some, are not new
  std::string definition_before{};  ///< Model::definition() without them
};

/// Names all that decides what a model makes of any rows: program, arithmetic, parts and weights. New adapters count by
/// the modules that have one, for the product of a module may take another way beside an adapter, but not by rank,
/// scale and seed.
std::string reference_key(const Model& model, Device& device, DType activations, const NewAdapters& new_adapters);

/// The file of a model's rows.
std::filesystem::path reference_file(const std::filesystem::path& folder, const std::string& key,
                                     const TokenStore& rows);

/// Of the first rows of so many; of none where the file is absent or damaged.
std::vector<double> read_references(const std::filesystem::path& file, std::int64_t rows);

/// In one go: a reader sees the file of before, or this one. Throws Error with the system's reason.
void write_references(const std::filesystem::path& file, std::span<const double> values);

}  // namespace temper
