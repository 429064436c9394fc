// What describes an architecture: a row of the registry, defined in the architecture's own file. Nothing outside this
// folder refers to an architecture by name.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/image_extent.h"
#include "model/huggingface/config_keys.h"
#include "model/model.h"

namespace temper {

/// What the rest of the program reads of a configuration, whatever its keys are called; 0: the architecture has none.
/// What an architecture of images says of them.
struct ImageSizes {
  std::int64_t channels = 0;  ///< 0: the model reads texts
  ImageExtent extent = {};    ///< the size that the model was made for; 0: config.json names none
  /// How many tokens the last hidden state has of an image of this size. Throws Error, without a place, for a size that
  /// the model cannot take: "... must be a multiple of 16".
  std::function<std::int64_t(ImageExtent extent)> tokens = {};
  /// How many of these stand before the patches: the class token, and others that are of no place. 0: none.
  std::int64_t first_patch = 0;
  /// Which places of an image of this size the tokens behind them are, line after line. Throws as `tokens` does.
  std::function<ImageExtent(ImageExtent extent)> grid = {};
  /// Where tokens stand before the patches: how many of them, from the first one on, have a classifier each, whose mean
  /// is the model's answer.
  std::int64_t classified_tokens = 1;
};

struct ModelSizes {
  std::int64_t vocabulary_size = 0;
  std::int64_t type_vocabulary_size = 0;
  std::int64_t longest_sequence = 0;  ///< tokens; what the position embedding has room for
  /// A text that grows beyond so many tokens is computed anew, since all of it is turned by other angles from there on.
  std::int64_t renewed_beyond = 0;
  std::int64_t width = 0;
  std::int64_t layers = 0;
  std::int64_t heads = 0;
  std::int64_t intermediate_width = 0;
  ImageSizes images = {};

  [[nodiscard]] bool reads_images() const { return images.channels > 0; }
};

/// What transformers calls the class with a head, where its name is not made as others are.
struct HeadClass {
  HeadKind kind;
  std::string_view name;
};

/// What models of images put on top.
inline constexpr std::array kImageHeads{HeadKind::image};
/// What encoders put on top.
inline constexpr std::array kEncoderHeads{HeadKind::sequence, HeadKind::token, HeadKind::masked_language_model};

struct Architecture {
  std::string_view model_type;    ///< of config.json: "bert"
  std::string_view class_prefix;  ///< of transformers' classes: "Bert", of BertForSequenceClassification
  std::string_view layers;        ///< of the blocks' parameters, behind the prefix of all: "encoder.layer."
  /// Reads and checks the keys of config.json. Throws Error for what is out of range, and for variants that cannot be
  /// computed.
  ModelSizes (*sizes)(const ConfigKeys& keys);
  /// Parameters have no values yet (model/weights.h gives them). The kind of the request is one of `heads`. Throws
  /// Error as above.
  ModelParts (*make)(const ConfigKeys& keys, const HeadRequest& request);
  std::span<const HeadClass> own_classes = {};
  std::span<const HeadKind> heads = kEncoderHeads;  ///< that make() knows
  /// Of models that timm saved: its names of them, which config.json calls "architecture". Null: transformers'.
  std::vector<std::string_view> (*timm_names)() = nullptr;

  [[nodiscard]] bool offers(HeadKind kind) const;
};

/// "BertForSequenceClassification", what transformers calls the architecture with this head.
std::string class_name(const Architecture& architecture, HeadKind kind);

// ---- for the files of architectures
// ------------------------------------------------------------------------------------

/// The name of an activation, one of supported_activations(). Throws Error that lists these.
std::string read_activation(const ConfigKeys& keys, const ConfigKey& key, std::string_view otherwise);
/// Throws Error unless the heads divide the width.
void require_heads_divide(const ConfigKeys& keys, const ConfigKey& width_key, std::int64_t width,
                          const ConfigKey& heads_key, std::int64_t heads);

}  // namespace temper
