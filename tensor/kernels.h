// The list of kernels, and what a device implements: run(const Call&) for each, in tensor/kernels/<device>/, one file
// per family. A call (tensor/calls/, also one file per family) is a struct of named arguments that says what the kernel
// does with them, its name and class, and by work() what it needs.
//
// Note: nothing here allocates what the caller keeps, no kernel takes a padded batch, and every `accumulate` flag means
// "add to what the output holds" where false means "overwrite" — a gradient buffer is therefore never cleared before
// its first write. Sums over rows run in an order that depends on the shapes alone, never on the number of threads. An
// argument without a default must be named: the compiler says if it is not.
//
// Every pointer, also inside structs, points to device memory. A call may return before its work is done: work is done
// in the order of the calls, and Device (tensor/device.h) waits for it.
//
// Activations and their gradients are Rows: f32 or, on devices that have it, bf16; the matrices of one call have one
// type unless said otherwise. Whatever is summed (norms, softmax, losses, gradients of parameters) is summed in f32 or
// wider.
#pragma once

#include "tensor/calls/activation.h"
#include "tensor/calls/adafactor_step.h"
#include "tensor/calls/attention.h"
#include "tensor/calls/channel_norm.h"
#include "tensor/calls/depthwise.h"
#include "tensor/calls/column_scale.h"
#include "tensor/calls/elementwise.h"
#include "tensor/calls/embedding.h"
#include "tensor/calls/gated.h"
#include "tensor/calls/image_rows.h"
#include "tensor/calls/layer_norm.h"
#include "tensor/calls/lion_step.h"
#include "tensor/calls/logit_blocks.h"
#include "tensor/calls/matmul.h"
#include "tensor/calls/neighbours.h"
#include "tensor/calls/optimizer_step.h"
#include "tensor/calls/pooling.h"
#include "tensor/calls/preference_loss.h"
#include "tensor/calls/reduction.h"
#include "tensor/calls/rotary.h"
#include "tensor/calls/softmax_cross_entropy.h"
#include "tensor/calls/windows.h"
#include "tensor/kernel_table.h"

namespace temper {

/// EACH(Name) for each call `calls::Name` that there is. Lists of all kernels are made from it: the table below, and
/// the declarations in the classes of devices.
#define TEMPER_KERNEL_CALLS(EACH) \
  TEMPER_MATMUL_CALLS(EACH)       \
  TEMPER_ACTIVATION_CALLS(EACH)   \
  TEMPER_ELEMENTWISE_CALLS(EACH)  \
  TEMPER_GATED_CALLS(EACH)        \
  TEMPER_ROTARY_CALLS(EACH)       \
  TEMPER_LAYER_NORM_CALLS(EACH)   \
  TEMPER_ATTENTION_CALLS(EACH)    \
  TEMPER_EMBEDDING_CALLS(EACH)    \
  TEMPER_NEIGHBOURS_CALLS(EACH)   \
  TEMPER_WINDOW_CALLS(EACH)       \
  TEMPER_DEPTHWISE_CALLS(EACH)    \
  TEMPER_POOLING_CALLS(EACH)      \
  TEMPER_CHANNEL_NORM_CALLS(EACH) \
  TEMPER_IMAGE_ROW_CALLS(EACH)    \
  TEMPER_COLUMN_SCALE_CALLS(EACH) \
  TEMPER_LOSS_CALLS(EACH)         \
  TEMPER_LOGIT_CALLS(EACH)        \
  TEMPER_PREFERENCE_CALLS(EACH)   \
  TEMPER_OPTIMIZER_CALLS(EACH)    \
  TEMPER_LION_CALLS(EACH)         \
  TEMPER_ADAFACTOR_CALLS(EACH)    \
  TEMPER_REDUCTION_CALLS(EACH)

#define TEMPER_CALL_OF_LIST(Name) , calls::Name
using AllCalls = CallList<void TEMPER_KERNEL_CALLS(TEMPER_CALL_OF_LIST)>::Rest;
#undef TEMPER_CALL_OF_LIST

/// Declares run() of a device for each call, in the device's class.
#define TEMPER_OVERRIDE_RUN(Name) void run(const calls::Name& call) override;

class Kernels : public KernelTable<AllCalls> {
 public:
  Kernels() { take_parts_from(*this); }
};

}  // namespace temper
