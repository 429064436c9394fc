// What a language model makes of whole documents: the sum of their tokens' losses, however many windows they take.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <vector>

#include "data/text/running_text.h"
#include "model/model.h"
#include "runtime/tasks/prediction_json.h"
#include "tensor/device.h"

namespace temper {

/// Takes the losses, in nats, of a window's predicted tokens, in order.
using UseTokenLosses = std::function<void(std::int64_t window, std::span<const double> losses)>;

/// The losses of every predicted token of each window, in order of the windows; `batch_size` windows at a time. Throws
/// Error where an output is not finite.
void for_each_token_loss(Model& model, Device& device, const TextWindows& windows, std::int64_t batch_size,
                         const std::function<bool()>& stop_requested, const UseTokenLosses& use);

/// [documents] of the windows' documents, each in the order of its tokens.
std::vector<TextLoss> document_losses(Model& model, Device& device, const TextWindows& windows, std::int64_t documents,
                                      std::int64_t batch_size, const std::function<bool()>& stop_requested);

}  // namespace temper
