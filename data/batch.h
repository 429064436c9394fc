// Examples packed for the model: all sequences one after the other, no padding anywhere.
#pragma once

#include <cstdint>
#include <variant>
#include <vector>

#include "base/image_extent.h"

namespace temper {

/// What the input layer of a model of texts looks up.
struct Tokens {
  std::vector<std::int32_t> ids;    ///< [tokens]
  std::vector<std::int32_t> types;  ///< [tokens] segment of each token

  friend bool operator==(const Tokens&, const Tokens&) = default;
};

/// Images of one size, one after the other.
struct Pixels {
  std::vector<float> values;  ///< [images, height, width, channels]; empty where only the outline was asked for
  std::int32_t height = 0;
  std::int32_t width = 0;
  std::int32_t channels = 0;

  friend bool operator==(const Pixels&, const Pixels&) = default;
};

/// Sequences, what they hold, and targets. What they hold only the input layer of a model looks at: above it texts and
/// images are sequences of tokens, those of an image being its patches.
struct Batch {
  std::variant<Tokens, Pixels> content;
  std::vector<std::int32_t> positions;              ///< [tokens] place in its sequence, from 0
  std::vector<std::int32_t> sequence_starts = {0};  ///< [sequences + 1]
  std::vector<std::uint32_t> examples;              ///< [sequences] row of the source: names the example wherever
                                                    ///< random numbers are drawn for it
  std::vector<std::int32_t> classes;                ///< [sequences], or [tokens] with kUnlabelled; empty without
  /// Of examples that are mixed of several, the sequence that each class is of, in order; empty: each has one.
  std::vector<std::int32_t> class_sequences;
  std::vector<float> weights;  ///< [tokens], or [classes] of mixed examples: what each token's class counts in the loss
                               ///< of training; empty: each counts 1
  std::vector<float> targets;  ///< [sequences, target_width]
  std::int32_t target_width = 0;
  std::vector<double> references;  ///< of pairs (data/paired_rows.h), [sequences]: the logarithm of the probability of
                                   ///< what counts of each under the model that another is compared with; else empty

  /// The content of a batch of texts. Throws Error for images.
  [[nodiscard]] const Tokens& text() const;
  [[nodiscard]] Tokens& text();
  /// Of each image; of a batch of texts nothing.
  [[nodiscard]] ImageExtent image_extent() const;
  [[nodiscard]] std::int64_t tokens() const { return sequence_starts.back(); }
  [[nodiscard]] std::int64_t sequences() const { return static_cast<std::int64_t>(sequence_starts.size()) - 1; }
  /// Tokens of the longest sequence; 0 of none.
  [[nodiscard]] std::int64_t max_length() const;

  friend bool operator==(const Batch&, const Batch&) = default;
};

}  // namespace temper
