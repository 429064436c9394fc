#include "tensor/calls/softmax_cross_entropy.h"

namespace temper::calls {

KernelWork CrossEntropy::work() const { return elementwise_work({logits, d_logits}, 4.0); }

KernelWork BinaryCrossEntropy::work() const { return elementwise_work({logits, logits, d_logits}, 4.0); }

KernelWork MeanSquaredError::work() const { return elementwise_work({predictions, predictions, d_predictions}, 3.0); }

}  // namespace temper::calls
