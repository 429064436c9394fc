// Stochastic gradient descent with momentum, as torch.optim.SGD has it (Sutskever, Martens, Dahl, Hinton: "On the
// importance of initialization and momentum in deep learning", 2013): weight decay is part of the gradient.
#include "runtime/updates/update_rule.h"

namespace temper {
namespace {

void update_by_sgd(const Update& update) {
  const auto momentum = static_cast<float>(update.settings.momentum);
  for (const UpdateSlice& slice : update.slices) {
    const SlotUpdate& slot = update.slots[slice.slot];
    update.device.kernels().run(
        calls::Sgd{.parameters = slice.parameters,
                   .gradients = slice.gradients,
                   .momenta = slice.state[0],
                   .compute_copy = slice.compute_copy,
                   .n = slice.size,
                   .step = {slot.learning_rate, momentum, slot.weight_decay, update.gradient_scale}});
  }
}

std::vector<UpdateCost> cost_of_sgd(std::int64_t n, bool rounds_to_bf16) {
  return {{calls::Sgd::kKernel, calls::Sgd::work_of(n, true, rounds_to_bf16)}};
}

}  // namespace

UpdateRule sgd() {
  return {.name = "sgd",
          .summary = "SGD with momentum",
          .hyper_parameters = {"weight_decay", "momentum"},
          .defaults = {},
          .state = {{"momentum"}},
          // The decay goes through the momentum.
          .supports_lazy_decay = [](const UpdateSettings& settings) { return settings.weight_decay == 0.0; },
          .update = update_by_sgd,
          .cost = cost_of_sgd};
}

}  // namespace temper
