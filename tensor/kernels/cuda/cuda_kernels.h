// The CUDA device: cuBLASLt for matrix products, own kernels for the rest. Everything goes to one stream, in order.
// No floating-point atomics: every sum has an order that depends on the shapes alone.
#pragma once

#include <cuda_runtime.h>

#include <memory>

#include "tensor/kernels.h"
#include "tensor/memory.h"

namespace temper {

/// Handle, workspace and chosen algorithms of cuBLASLt (matmul.cpp).
class CublasLt;

class CudaKernels final : public Kernels {
 public:
  /// Scratch is taken from `memory`, whose blocks come and go in the order of `stream`.
  CudaKernels(cudaStream_t stream, Memory& memory);
  ~CudaKernels() override;

  using Kernels::run;
  void run(const calls::Matmul& call) override;
  void run(const calls::LinearForward& call) override;
  void run(const calls::LinearWeightGradient& call) override;

  void run(const calls::BiasActivationForward& call) override;
  void run(const calls::BiasActivationBackward& call) override;
  void run(const calls::ApplyDropout& call) override;
  void run(const calls::Copy& call) override;
  void run(const calls::Clear& call) override;

  void run(const calls::AddRows& call) override;
  void run(const calls::MultiplyRows& call) override;
  void run(const calls::ScaleRows& call) override;
  void run(const calls::GatedForward& call) override;
  void run(const calls::GatedBackward& call) override;
  void run(const calls::Rotate& call) override;

  void run(const calls::LayerNormForward& call) override;
  void run(const calls::LayerNormBackward& call) override;

  void run(const calls::AttentionForward& call) override;
  void run(const calls::AttentionBackward& call) override;

  void run(const calls::EmbeddingSumForward& call) override;
  void run(const calls::EmbeddingBackward& call) override;
  void run(const calls::GatherRows& call) override;
  void run(const calls::ScatterAddRows& call) override;
  void run(const calls::GatherNeighbours& call) override;
  void run(const calls::AddNeighbours& call) override;

  void run(const calls::CrossEntropy& call) override;
  void run(const calls::BinaryCrossEntropy& call) override;
  void run(const calls::MeanSquaredError& call) override;

  void run(const calls::AdamW& call) override;
  void run(const calls::Sgd& call) override;

  void run(const calls::Add& call) override;
  void run(const calls::AddTree& call) override;
  void run(const calls::ChunkSquareSums& call) override;

  void run(const calls::Lion& call) override;
  void run(const calls::FactoredSquareSums& call) override;
  void run(const calls::AdafactorSquareSums& call) override;
  void run(const calls::Adafactor& call) override;

 private:
  cudaStream_t stream_;
  Memory& memory_;
  std::unique_ptr<CublasLt> cublas_;
};

}  // namespace temper
