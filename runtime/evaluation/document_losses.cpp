#include "runtime/evaluation/document_losses.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "base/error.h"
#include "data/token_rows.h"
#include "runtime/steps/device_batch.h"
#include "runtime/steps/finite_weights.h"

namespace temper {

void for_each_token_loss(Model& model, Device& device, const TextWindows& windows, std::int64_t batch_size,
                         const std::function<bool()>& stop_requested, const UseTokenLosses& use) {
  for (std::int64_t first = 0; first < windows.rows() && !stop_requested(); first += batch_size) {
    std::vector<std::int64_t> rows(static_cast<std::size_t>(std::min(batch_size, windows.rows() - first)));
    std::iota(rows.begin(), rows.end(), first);
    const Batch host = windows.read(rows, kEvaluationEpoch);
    const DeviceBatch batch = to_device(host, model.readout(), BatchUse{}, device);
    Tape tape(device, Tape::Mode::evaluation);
    // Rows are those of the tokens that predict one that counts, and no others.
    const RowLosses of_rows{Tensor::empty(device.memory(), {batch.rows}, DType::f64)};
    model.row_losses(tape, batch.input, batch.selection, batch.targets, device.zeros({2}, DType::f64), of_rows);
    const std::vector<double> losses = device.download<double>(of_rows.losses);
    if (!std::all_of(losses.begin(), losses.end(), [](double loss) { return std::isfinite(loss); }))
      refuse_not_finite(model, device, "what the model says is");
    std::size_t next = 0;
    for (std::size_t s = 0; s < rows.size(); ++s) {
      const auto first_class = host.classes.begin() + host.sequence_starts[s];
      const auto count =
          static_cast<std::size_t>(std::count_if(first_class, host.classes.begin() + host.sequence_starts[s + 1],
                                                 [](std::int32_t target) { return target != kUnlabelled; }));
      use(rows[s], std::span(losses).subspan(next, count));
      next += count;
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
