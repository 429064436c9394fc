#include "tensor/cost/idle_device.h"

#include <cstring>
#include <utility>

namespace temper {
namespace {

class IdleKernels final : public Kernels {
 public:
  void matmul(ConstRows, bool, ConstRows, bool, Rows, bool) override {}
  void bias_activation_forward(Rows, ConstRows, Activation, Rows) override {}
  void bias_activation_backward(ConstRows, ConstRows, ConstRows, Activation, Rows, float*, bool) override {}
  void dropout(ConstRows, RowNames, const Dropout&, Rows) override {}
  void copy(ConstRows, Rows, bool) override {}
  void clear(void*, std::int64_t) override {}
  void layer_norm_forward(ConstRows, ConstRows, RowNames, const Dropout&, const float*, const float*, float, Rows, Rows,
                          float*, float*) override {}
  void layer_norm_backward(ConstRows, ConstRows, const float*, const float*, const float*, RowNames, const Dropout&,
                           Rows, Rows, bool, float*, bool, float*, bool) override {}
  void attention_forward(ConstRows, ConstRows, ConstRows, const PackedSequences&, std::int64_t, float, const Dropout&,
                         Rows, float*) override {}
  [[nodiscard]] bool heads_share_keys() const override { return true; }
  void attention_backward(ConstRows, ConstRows, ConstRows, ConstRows, ConstRows, const float*, const PackedSequences&,
                          std::int64_t, float, const Dropout&, Rows, Rows, Rows) override {}
  void embedding_sum_forward(const float*, const std::int32_t*, const float*, const std::int32_t*, const float*,
                             const std::int32_t*, Rows) override {}
  void embedding_backward(ConstRows, const RowGroups&, float*) override {}
  void gather_rows(ConstRows, const std::int32_t*, Rows) override {}
  void scatter_add_rows(ConstRows, const std::int32_t*, Rows) override {}
  void cross_entropy(ConstRows, const std::int32_t*, const float*, float, Rows, double*) override {}
  void binary_cross_entropy(ConstRows, const float*, Rows, double*) override {}
  void mean_squared_error(ConstRows, const float*, Rows, double*) override {}
  void adamw_step(float*, const float*, float*, float*, BFloat16*, std::int64_t, const AdamWStep&) override {}
  void sgd_step(float*, const float*, float*, BFloat16*, std::int64_t, const SgdStep&) override {}
  void lion_step(float*, const float*, float*, BFloat16*, std::int64_t, const LionStep&) override {}
  void factored_square_sums(const float*, const SlicePieces&, std::int64_t, std::int64_t, double*) override {}
  void adafactor_square_sums(const AdafactorSlice&, const SlicePieces&, const AdafactorStep&, double*) override {}
  void adafactor_step(const AdafactorSlice&, BFloat16*, std::int64_t, const AdafactorStep&) override {}
  void add(const float*, const float*, float*, std::int64_t) override {}
  void add_tree(std::span<const float* const>, std::span<const TreeStep>, float*, std::int64_t) override {}
  void chunk_square_sums(const float*, std::int64_t, std::int64_t, double*) override {}
};

}  // namespace

IdleDevice::IdleDevice(std::function<void(std::string_view, const KernelWork&)> see)
    : kernels_(std::make_unique<IdleKernels>()), seen_(*kernels_, [] {}) {
  seen_.observe(std::move(see));
}

IdleDevice::~IdleDevice() = default;

std::int64_t IdleDevice::peak_memory_bytes() const { return static_cast<std::int64_t>(memory_.use().peak); }

std::int64_t IdleDevice::memory_in_use_bytes() const { return static_cast<std::int64_t>(memory_.use().in_use); }

void IdleDevice::upload(const void* from, void* to, std::size_t bytes) { std::memcpy(to, from, bytes); }

void IdleDevice::download(const void* from, void* to, std::size_t bytes) { std::memcpy(to, from, bytes); }

}  // namespace temper
