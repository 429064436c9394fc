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
#include "tensor/calls/elementwise.h"
#include "tensor/calls/embedding.h"
#include "tensor/calls/gated.h"
#include "tensor/calls/layer_norm.h"
#include "tensor/calls/lion_step.h"
#include "tensor/calls/matmul.h"
#include "tensor/calls/neighbours.h"
#include "tensor/calls/optimizer_step.h"
#include "tensor/calls/reduction.h"
#include "tensor/calls/rotary.h"
#include "tensor/calls/softmax_cross_entropy.h"
#include "tensor/kernel_table.h"

namespace temper {

using AllCalls = CallList<                                                    //
    calls::Matmul, calls::LinearForward, calls::LinearWeightGradient,         //
    calls::BiasActivationForward, calls::BiasActivationBackward,              //
    calls::ApplyDropout, calls::Copy, calls::Clear,                           //
    calls::AddRows, calls::MultiplyRows, calls::ScaleRows,                    //
    calls::GatedForward, calls::GatedBackward, calls::Rotate,                 //
    calls::LayerNormForward, calls::LayerNormBackward,                        //
    calls::AttentionForward, calls::AttentionBackward,                        //
    calls::EmbeddingSumForward, calls::EmbeddingBackward,                     //
    calls::GatherRows, calls::ScatterAddRows,                                 //
    calls::GatherNeighbours, calls::AddNeighbours,                            //
    calls::CrossEntropy, calls::BinaryCrossEntropy, calls::MeanSquaredError,  //
    calls::AdamW, calls::Sgd, calls::Lion,                                    //
    calls::FactoredSquareSums, calls::AdafactorSquareSums, calls::Adafactor,  //
    calls::Add, calls::AddTree, calls::ChunkSquareSums>;

class Kernels : public KernelTable<AllCalls> {
 public:
  Kernels() { take_parts_from(*this); }
};

}  // namespace temper
