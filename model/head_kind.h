// What an architecture can put on top of its stack. What a head is trained for is the task's business
// (runtime/tasks/task.h): several tasks share a kind.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>

namespace temper {

enum class HeadKind : std::uint8_t {
  sequence,               ///< outputs of whole sequences
  token,                  ///< outputs of each token
  masked_language_model,  ///< the words that were masked
  causal_language_model,  ///< the word that follows each token
  image,                  ///< outputs of whole images
};

inline constexpr std::array kHeadKinds{HeadKind::sequence, HeadKind::token, HeadKind::masked_language_model,
                                       HeadKind::causal_language_model, HeadKind::image};

/// Whether it gives a number for each entry of the vocabulary, whatever labels there are.
constexpr bool is_over_vocabulary(HeadKind kind) {
  return kind == HeadKind::masked_language_model || kind == HeadKind::causal_language_model;
}

/// Whether what it is put on reads images; else texts.
constexpr bool is_of_images(HeadKind kind) { return kind == HeadKind::image; }

/// What the names of transformers' classes end with: "ForTokenClassification". Some architectures have names of their
/// own (Architecture::own_classes).
constexpr std::string_view class_suffix(HeadKind kind) {
  switch (kind) {
    case HeadKind::token:
      return "ForTokenClassification";
    case HeadKind::masked_language_model:
      return "ForMaskedLM";
    case HeadKind::causal_language_model:
      return "ForCausalLM";
    case HeadKind::image:
      return "ForImageClassification";
    case HeadKind::sequence:
      break;
  }
  return "ForSequenceClassification";
}

}  // namespace temper
