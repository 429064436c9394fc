// What a model is fine-tuned for.
#pragma once

#include <cstdint>
#include <string>

namespace temper {

enum class Task : std::uint8_t { sequence_classification, regression, multi_label, token_classification, masked_lm };

/// "sequence-classification" and so on; throws a usage Error that lists the tasks.
Task parse_task(const std::string& name);
std::string name_of(Task task);
/// True where the loss is taken on tokens rather than on whole sequences.
bool is_token_task(Task task);

}  // namespace temper
