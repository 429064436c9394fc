// What a model makes of pairs of answers before it is trained: the reference that its training is measured by.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <span>
#include <string>

#include "comm/communicator.h"
#include "data/paired_rows.h"
#include "data/token_store.h"
#include "model/model.h"
#include "runtime/evaluation/reference_file.h"
#include "tensor/device.h"

namespace temper {

/// About so many tokens of a rank are computed at once; a row of more is alone.
inline constexpr std::int64_t kReferenceBlockTokens = 2048;

struct ReferenceSettings {
  DType activations = DType::f32;
  std::filesystem::path folder = {};                 ///< where they are kept for other starts; empty: nowhere
  std::function<void(const std::string&)> say = {};  ///< is told how far it is
  /// Whether this rank wants to stop; asked behind each block.
  std::function<bool()> stop_requested = [] { return false; };
  NewAdapters new_adapters = {};
  std::int64_t block_tokens = kReferenceBlockTokens;
};

struct ReferenceOutcome {
  bool is_whole = true;   ///< else a rank wanted to stop, and no pairs are to be trained on
  bool has_kept = false;  ///< the folder has something that was computed now
};

/// The last row of a block that begins with `first`, and one.
std::int64_t end_of_reference_block(const TokenStore& rows, std::int64_t first, std::int64_t block_tokens);

/// Collective. The logarithm of the probability of what counts of each sequence of `pairs`, by the model as it is, is
/// what they are compared with from then on. Each sequence is computed by one rank, and its bits depend on neither the
/// ranks nor its company. Ranks meet behind each block; now and then, and where any of them wants to stop, what is
/// known so far goes into the folder. From there it is read where a model with the same weights, a device with the same
/// arithmetic and the same rows left it.
ReferenceOutcome compare_with_model(std::span<PairedRows* const> pairs, Model& model, Device& device,
                                    Communicator& communicator, const ReferenceSettings& settings);

}  // namespace temper
