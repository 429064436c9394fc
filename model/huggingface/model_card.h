// README.md of an exported model: YAML front matter that model hubs read, then where the model comes from.
#pragma once

#include <string>

#include "model/huggingface/lineage.h"

namespace temper {

/// The same lineage gives the same text. Names from outside cannot break out of the table, list or block they are in.
std::string model_card(const Lineage& lineage);

}  // namespace temper
