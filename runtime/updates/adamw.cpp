// AdamW: Kingma, Ba: "Adam: a method for stochastic optimization", 2015, with decoupled weight decay (Loshchilov,
// Hutter: "Decoupled weight decay regularization", 2019).
#include "runtime/updates/update_rule.h"

namespace temper {
namespace {

void update_by_adamw(const Update& update) {
  const UpdateSettings& settings = update.settings;
  for (const UpdateSlice& slice : update.slices) {
    const SlotUpdate& slot = update.slots[slice.slot];
    update.device.kernels().run(
        calls::AdamW{.parameters = slice.parameters,
                     .gradients = slice.gradients,
                     .first_moments = slice.state[0],
                     .second_moments = slice.state[1],
                     .compute_copy = slice.compute_copy,
                     .n = slice.size,
                     .step = {slot.learning_rate, settings.beta1, settings.beta2, static_cast<float>(settings.epsilon),
                              slot.weight_decay, update.gradient_scale, slot.updates}});
  }
}

std::vector<UpdateCost> cost_of_adamw(std::int64_t n, bool rounds_to_bf16) {
  return {{calls::AdamW::kKernel, calls::AdamW::work_of(n, rounds_to_bf16)}};
}

}  // namespace

UpdateRule adamw() {
  return {.name = "adamw",
          .summary = "AdamW",
          .hyper_parameters = {"weight_decay", "beta1", "beta2", "epsilon"},
          .defaults = {},
          .state = {{"first_moment"}, {"second_moment"}},
          .supports_lazy_decay = [](const UpdateSettings&) { return true; },
          .update = update_by_adamw,
          .cost = cost_of_adamw};
}

}  // namespace temper
