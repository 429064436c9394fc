#include "runtime/evaluation/document_losses.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "base/error.h"
#include "data/token_rows.h"
#include "runtime/steps/device_batch.h"
#include "runtime/steps/finite_weights.h"
#include "tensor/host_copy.h"

namespace temper {

void for_each_token_loss(Model& model, Device& device, const TextWindows& windows, std::int64_t batch_size,
                         const std::function<bool()>& stop_requested, const UseTokenLosses& use) {
  for (std::int64_t first = 0; first < windows.rows() && !stop_requested(); first += batch_size) {
    std::vector<std::int64_t> rows(static_cast<std::size_t>(std::min(batch_size, windows.rows() - first)));
    std::iota(rows.begin(), rows.end(), first);
    const Batch host = windows.read(rows, kEvaluationEpoch);
    // The outputs are those of the tokens that predict one that counts, and of no others.
    const DeviceBatch batch = to_device(host, model.readout(), BatchUse{}, device);
    Tape tape(device, Tape::Mode::evaluation);
    const Tensor outputs = model.forward(tape, batch.input, batch.selection).value();
    const HostCopy on_host(device, outputs);
    if (!all_finite(on_host.values())) refuse_not_finite(model, device, "what the model says is");
    const auto columns = static_cast<std::size_t>(outputs.columns());
    std::size_t next = 0;
    for (std::size_t s = 0; s < rows.size(); ++s) {
      std::vector<double> losses;
      for (std::int32_t t = host.sequence_starts[s]; t < host.sequence_starts[s + 1]; ++t) {
        const std::int32_t target = host.classes[static_cast<std::size_t>(t)];
        if (target == kUnlabelled) continue;
        losses.push_back(negative_log_likelihood(on_host.values().subspan(next++ * columns, columns), target));
      }
      use(rows[s], losses);
    }
  }
}

std::vector<TextLoss> document_losses(Model& model, Device& device, const TextWindows& windows, std::int64_t documents,
                                      std::int64_t batch_size, const std::function<bool()>& stop_requested) {
  std::vector<TextLoss> of(static_cast<std::size_t>(documents));
  for_each_token_loss(model, device, windows, batch_size, stop_requested,
                      [&](std::int64_t window, std::span<const double> losses) {
                        TextLoss& document = of[static_cast<std::size_t>(windows.document(window))];
                        for (const double loss : losses) document.sum += loss;
                        document.tokens += static_cast<std::int64_t>(losses.size());
                      });
  return of;
}

}  // namespace temper
