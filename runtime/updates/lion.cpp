// Lion: the sign of an average of gradient and momentum (Chen, Liang, Huang, Real, Wang, Liu, Pham, Dong, Luong, Hsieh,
// Lu, Le: "Symbolic discovery of optimization algorithms", 2023, program 1).
#include "runtime/updates/update_rule.h"

namespace temper {
namespace {

void update_by_lion(const Update& update) {
  const UpdateSettings& settings = update.settings;
  for (const UpdateSlice& slice : update.slices) {
    const SlotUpdate& slot = update.slots[slice.slot];
    update.device.kernels().run(calls::Lion{
        .parameters = slice.parameters,
        .gradients = slice.gradients,
        .momenta = slice.state[0],
        .compute_copy = slice.compute_copy,
        .n = slice.size,
        .step = {slot.learning_rate, settings.beta1, settings.beta2, slot.weight_decay, update.gradient_scale}});
  }
}

std::vector<UpdateCost> cost_of_lion(std::int64_t n, bool rounds_to_bf16) {
  return {{calls::Lion::kKernel, calls::Lion::work_of(n, rounds_to_bf16)}};
}

}  // namespace

UpdateRule lion() {
  return {.name = "lion",
          .summary = "Lion",
          .hyper_parameters = {"weight_decay", "beta1", "beta2"},
          .defaults = {{"beta2", 0.99}},
          .state = {{"momentum"}},
          .supports_lazy_decay = [](const UpdateSettings&) { return true; },
          .update = update_by_lion,
          .cost = cost_of_lion};
}

}  // namespace temper
