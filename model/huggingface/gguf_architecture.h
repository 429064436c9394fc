// What llama.cpp's architectures are called in Hugging Face folders: names of tensors, keys of config.json, and how the
// rows of some tensors lie. A table for reading and writing (names from the gguf package's tensor_mapping.py and
// constants.py, orders of rows from llama.cpp's convert_hf_to_gguf.py).
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace temper {

/// What llama.cpp does to a tensor of a Hugging Face file.
enum class GgufChange : std::uint8_t {
  none,
  paired_queries,  ///< the two halves of each head's rows, which rotate together, lie as neighbouring rows
  paired_keys,
  plus_one,    ///< the weight of a norm that Hugging Face files hold as its distance from 1
  apart,       ///< queries, keys and values of all heads one after the other, not head by head
  transposed,  ///< [out, in] where the Hugging Face file has [in, out]; biases are left alone
};

/// "{}" stands for the number of a layer; ".weight" and ".bias" are left out.
struct GgufTensorName {
  std::string_view gguf;
  std::string_view huggingface;
  GgufChange change = GgufChange::none;
};

enum class GgufKeyKind : std::uint8_t { size, real, flag };

/// A key behind "ARCHITECTURE.", and what config.json calls it.
struct GgufKey {
  std::string_view gguf;
  std::string_view huggingface;
  GgufKeyKind kind = GgufKeyKind::size;
  bool required = true;    ///< in a GGUF file
  double otherwise = 0.0;  ///< what transformers takes where config.json lacks it; 0: config.json must have it
};

/// Where an architecture's rotary positions are described, and what part of a head they turn.
enum class GgufRotary : std::uint8_t { none, whole_head, part_of_head };

struct GgufArchitecture {
  std::string_view name;        ///< general.architecture
  std::string_view model_type;  ///< of config.json
  std::string_view class_name;  ///< of a causal language model
  std::vector<GgufKey> keys;
  std::vector<GgufTensorName> names;
  GgufRotary rotary = GgufRotary::whole_head;
  bool gated = true;  ///< its feed-forward layer is gated by SiLU
};

/// Null where it is none of those that are read.
const GgufArchitecture* find_gguf_architecture(std::string_view name);
const GgufArchitecture* gguf_architecture_of(std::string_view model_type);
/// "llama, qwen2, ..."
std::string gguf_architecture_names();

struct GgufName {
  std::string name;
  GgufChange change = GgufChange::none;
};

/// The name in a Hugging Face folder of a tensor of a GGUF file, and the other way; nothing for a name that the
/// architecture does not have.
std::optional<GgufName> huggingface_name(const GgufArchitecture& architecture, std::string_view gguf);
std::optional<GgufName> gguf_name(const GgufArchitecture& architecture, std::string_view huggingface);

}  // namespace temper
