// Examples packed for the model: tokens of all sequences one after the other, no padding anywhere.
#pragma once

#include <cstdint>
#include <vector>

namespace temper {

/// Images of one size, one behind the other.
struct Pixels {
  std::vector<float> values;  ///< [images, height, width, channels]
  std::int32_t height = 0;
  std::int32_t width = 0;
  std::int32_t channels = 0;

  friend bool operator==(const Pixels&, const Pixels&) = default;
};

/// Carries tokens or pixels. Only the input layer of a model looks at which: behind it both are sequences of positions.
struct Batch {
  std::vector<std::int32_t> ids;                    ///< [tokens]; of images empty
  std::vector<std::int32_t> types;                  ///< [tokens]
  std::vector<std::int32_t> positions;              ///< [tokens] place in its sequence, from 0
  Pixels pixels;                                    ///< of texts empty
  std::vector<std::int32_t> sequence_starts = {0};  ///< [sequences + 1]
  std::vector<std::uint32_t> examples;              ///< [sequences] row of the source: names the example wherever
                                                    ///< random numbers are drawn for it
  std::vector<std::int32_t> classes;                ///< [sequences], or [tokens] with kUnlabelled; empty without
  std::vector<float> targets;                       ///< [sequences, target_width]
  std::int32_t target_width = 0;

  [[nodiscard]] std::int64_t tokens() const { return static_cast<std::int64_t>(ids.size()); }
  [[nodiscard]] std::int64_t sequences() const { return static_cast<std::int64_t>(sequence_starts.size()) - 1; }
  /// Tokens of the longest sequence; 0 of none.
  [[nodiscard]] std::int64_t max_length() const;

  friend bool operator==(const Batch&, const Batch&) = default;
};

}  // namespace temper
