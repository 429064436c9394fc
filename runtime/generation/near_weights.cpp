#include "runtime/generation/near_weights.h"

#include <cstring>
#include <vector>

#include "base/mapped_file.h"

namespace temper {

bool bring_weights_near(const Model& model, Device& device, std::int64_t processes, std::int64_t available_bytes) {
  if (!device.shares_host_memory()) return false;
  std::vector<const Variable*> mapped;
  std::int64_t bytes = 0;
  for (const Parameter& parameter : model.parameters().all()) {
    const Tensor& value = parameter.variable.value();
    // Of what is quantised so few bytes are read that decoding them takes the time.
    if (is_quantized(value.type())) continue;
    // What products read is a copy already where there is one in the type of the activations.
    const bool is_read = parameter.variable.compute_copy().bytes() == value.bytes();
    if (value.owns_memory() || !is_read) continue;
    mapped.push_back(&parameter.variable);
    bytes += value.size_bytes();
  }
  if (mapped.empty() || bytes * processes > available_bytes / 2) return false;
  for (const Variable* variable : mapped) {
    const Tensor there = variable->value();
    const Tensor here = Tensor::empty(device.memory(), there.shape(), there.type());
    std::memcpy(here.bytes(), there.bytes(), static_cast<std::size_t>(there.size_bytes()));
    variable->set_value(here);
    forget_file_pages({static_cast<const std::byte*>(there.bytes()), static_cast<std::size_t>(there.size_bytes())});
  }
  return true;
}

}  // namespace temper
