#include "tensor/ops/preference.h"

#include "base/error.h"
#include "tensor/ops/linear_cross_entropy.h"

namespace temper {

Tensor preference_weights(Tape& tape, const Tensor& losses, const PreferencePairs& pairs, const PreferenceTerms& terms,
                          const Tensor& sum) {
  const std::int64_t sequences = pairs.references.defined() ? pairs.references.size() : 0;
  if (!pairs.starts.defined() || pairs.starts.size() != sequences + 1 || sequences % 2 != 0)
    throw Error("preference_loss: {} sequences have {} references, expected one of each and two sequences to a pair",
                pairs.starts.defined() ? pairs.starts.size() - 1 : 0, sequences);
  Tensor weights = tape.empty({losses.size()});
  tape.kernels().run(calls::PreferenceLoss{.losses = losses.data<double>(),
                                           .rows = losses.size(),
                                           .starts = pairs.starts.data<std::int32_t>(),
                                           .references = pairs.references.data<double>(),
                                           .pairs = sequences / 2,
                                           .terms = terms,
                                           .row_weights = weights.data<float>(),
                                           .sum = sum.data<double>(),
                                           .measures = sum.size() > 2 ? sum.data<double>() + 2 : nullptr});
  return weights;
}

void preference_loss(Tape& tape, const Variable& logits, const Tensor& labels, const PreferencePairs& pairs,
                     const PreferenceTerms& terms, const Tensor& sum) {
  const bool records = tape.records({&logits});
  if (records && logits.gradient_written())
    throw Error("preference_loss: these logits have made way for their gradient");
  Tensor values = logits.value();
  if (values.type() != DType::f32) {
    values = tape.empty(values.shape());
    tape.kernels().run(calls::Copy{.x = logits.value().as_rows(), .y = values.as_rows()});
  }
  const Tensor statistics = tape.empty({values.rows(), kLogitRowDoubles}, DType::f64);
  auto* const rows = static_cast<LogitRow*>(statistics.bytes());
  const auto* const classes = labels.data<std::int32_t>();
  tape.kernels().run(calls::LogitStatistics{
      .logits = values.as_rows().as<float>(), .first_class = 0, .labels = classes, .statistics = rows});
  const Tensor losses = tape.empty({values.rows()}, DType::f64);
  const Tensor unread = tape.empty({2}, DType::f64);
  tape.kernels().run(calls::Clear{.data = unread.bytes(), .bytes = unread.size_bytes()});
  tape.kernels().run(calls::LogitLoss{.statistics = rows,
                                      .labels = classes,
                                      .rows = values.rows(),
                                      .classes = values.columns(),
                                      .sum = unread.data<double>(),
                                      .losses = losses.data<double>()});
  const Tensor weights = preference_weights(tape, losses, pairs, terms, sum);
  if (!records) return;
  const Tensor& gradient = logits.value();
  tape.kernels().run(calls::LogitGradient{.logits = values.as_rows().as<float>(),
                                          .first_class = 0,
                                          .classes = values.columns(),
                                          .labels = classes,
                                          .statistics = rows,
                                          .terms = {.row_weights = weights.data<float>()},
                                          .gradient = gradient.as_rows()});
  Tape::set_gradient(logits, gradient);
}

}  // namespace temper
