// Matrix products by cuBLASLt, with the bias, GELU and the bias' gradient in its epilogues where it has one that fits.
//
// cuBLASLt stores by columns: to it, a row-major matrix is the transposed one. So c = op(a) op(b) is asked for as
// c^T = op(b)^T op(a)^T: the operands change places, its "A" is b, and its D has n rows and m columns.
//
// The same product has the same bits every time: which algorithm is taken depends on types, shapes and strides alone
// (and on whether addresses are multiples of 16 bytes, but not on more of them), and where k is cut into parts, the
// parts are stored in f32 and added in a step of their own.
#include <cublasLt.h>

#include <algorithm>
#include <compare>
#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>

#include "base/error.h"
#include "tensor/kernels/cuda/cuda_kernels.h"
#include "tensor/kernels/cuda/cuda_status.h"
#include "tensor/kernels/cuda/scratch.h"

namespace temper {
namespace {

constexpr std::size_t kWorkspaceBytes = std::size_t{32} << 20;
/// No kernel of cuBLASLt asks for more than this; what goes beyond is not to decide between algorithms.
constexpr std::uint32_t kAlignment = 16;
/// Shapes change with the number of tokens, so there may be ever more of them. Beyond this the cache begins anew.
constexpr std::size_t kMostAlgorithms = 1 << 14;

cudaDataType_t data_type(DType type) {
  if (type == DType::f32) return CUDA_R_32F;
  if (type == DType::bf16) return CUDA_R_16BF;
  throw Error("a matrix product on the GPU was given elements of {}, but takes f32 and bf16; please report this",
              name_of(type));
}

std::uint32_t alignment_of(const void* data) {
  const auto address = reinterpret_cast<std::uintptr_t>(data) | kAlignment;
  return static_cast<std::uint32_t>(address & (~address + 1));
}

bool is_aligned(const void* data) { return alignment_of(data) == kAlignment; }

struct Operand {
  ConstRows matrix;
  bool transposed;
};

/// What happens to a product on its way to memory.
struct Epilogue {
  cublasLtEpilogue_t kind = CUBLASLT_EPILOGUE_DEFAULT;
  const void* bias = nullptr;  ///< read, or for a gradient written; of the type of the result
  Rows auxiliary{};            ///< receives GELU's input
};

/// All that the choice of an algorithm depends on.
struct Problem {
  std::int64_t m;
  std::int64_t n;
  std::int64_t k;
  std::int64_t a_stride;
  std::int64_t b_stride;
  std::int64_t c_stride;
  std::int64_t auxiliary_stride;
  DType operand_type;
  DType result_type;
  bool transpose_a;
  bool transpose_b;
  cublasLtEpilogue_t epilogue;
  std::uint32_t a_alignment;
  std::uint32_t b_alignment;
  std::uint32_t c_alignment;

  auto operator<=>(const Problem&) const = default;
};

struct Algorithm {
  cublasLtMatmulAlgo_t algorithm{};
  float waves = 0;  ///< how much of the GPU it fills
};

/// Destroys a descriptor of cuBLASLt at the end of its scope.
template <typename Handle, cublasStatus_t (*kDestroy)(Handle)>
class Descriptor {
 public:
  Descriptor() = default;
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  ~Descriptor() {
    if (handle_ != nullptr) kDestroy(handle_);
  }

  [[nodiscard]] Handle* address() { return &handle_; }
  [[nodiscard]] Handle get() const { return handle_; }

 private:
  Handle handle_ = nullptr;
};
using Operation = Descriptor<cublasLtMatmulDesc_t, cublasLtMatmulDescDestroy>;
using Preference = Descriptor<cublasLtMatmulPreference_t, cublasLtMatmulPreferenceDestroy>;

class Layout : public Descriptor<cublasLtMatrixLayout_t, cublasLtMatrixLayoutDestroy> {
 public:
  explicit Layout(ConstRows matrix) {
    // One row may have any stride, even none; by columns it is one column, whose length the stride must not fall below.
    check_cublas(
        cublasLtMatrixLayoutCreate(address(), data_type(matrix.type), static_cast<std::uint64_t>(matrix.columns),
                                   static_cast<std::uint64_t>(matrix.rows), std::max(matrix.stride, matrix.columns)),
        "cublasLtMatrixLayoutCreate");
  }
};

template <typename Value>
void set(const Operation& operation, cublasLtMatmulDescAttributes_t attribute, const Value& value) {
  check_cublas(cublasLtMatmulDescSetAttribute(operation.get(), attribute, &value, sizeof value),
               "cublasLtMatmulDescSetAttribute");
}

template <typename Value>
void set(const Preference& preference, cublasLtMatmulPreferenceAttributes_t attribute, const Value& value) {
  check_cublas(cublasLtMatmulPreferenceSetAttribute(preference.get(), attribute, &value, sizeof value),
               "cublasLtMatmulPreferenceSetAttribute");
}

void describe(Operation& operation, const Operand& a, const Operand& b, const Epilogue& epilogue) {
  check_cublas(cublasLtMatmulDescCreate(operation.address(), CUBLAS_COMPUTE_32F, CUDA_R_32F),
               "cublasLtMatmulDescCreate");
  set(operation, CUBLASLT_MATMUL_DESC_TRANSA, b.transposed ? CUBLAS_OP_T : CUBLAS_OP_N);
  set(operation, CUBLASLT_MATMUL_DESC_TRANSB, a.transposed ? CUBLAS_OP_T : CUBLAS_OP_N);
  set(operation, CUBLASLT_MATMUL_DESC_EPILOGUE, epilogue.kind);
  if (epilogue.bias != nullptr) set(operation, CUBLASLT_MATMUL_DESC_BIAS_POINTER, epilogue.bias);
  if (epilogue.auxiliary.data != nullptr) {
    set(operation, CUBLASLT_MATMUL_DESC_EPILOGUE_AUX_POINTER, epilogue.auxiliary.data);
    set(operation, CUBLASLT_MATMUL_DESC_EPILOGUE_AUX_LD, epilogue.auxiliary.stride);
  }
}

/// The right operand is bf16 where f32 is multiplied: frozen weights as their file has them.
bool widens(ConstRows a, ConstRows b) { return a.type == DType::f32 && b.type == DType::bf16; }

/// Nothing to compute, or nothing to sum.
bool is_empty(const Operand& a, Rows c) {
  return c.rows == 0 || c.columns == 0 || (a.transposed ? a.matrix.rows : a.matrix.columns) == 0;
}

}  // namespace

class CublasLt {
 public:
  CublasLt(cudaStream_t stream, Memory& memory) : stream_(stream), memory_(memory) {}
  CublasLt(const CublasLt&) = delete;
  CublasLt& operator=(const CublasLt&) = delete;
  ~CublasLt() {
    if (workspace_ != nullptr) memory_.release(workspace_, kWorkspaceBytes);
    if (handle_ != nullptr) cublasLtDestroy(handle_);
  }

  /// Whether the product with this epilogue fills the GPU about as well as the bare one. It may not: what an epilogue
  /// sums over k cannot be cut into parts of k, of which a product with a small result and a large k needs many.
  bool is_worthwhile(const Operand& a, const Operand& b, Rows c, const Epilogue& epilogue) {
    constexpr float kAboutAsWell = 0.75F;
    const auto fused = algorithm(a, b, c, epilogue);
    if (!fused) return false;
    const auto bare = algorithm(a, b, c, {});
    return !bare || fused->waves >= kAboutAsWell * std::min(bare->waves, 1.0F);
  }

  /// c (+)= a b, then the epilogue. Nothing may be empty. False, and nothing is done, if cuBLASLt cannot.
  bool multiply(const Operand& a, const Operand& b, Rows c, bool accumulate, const Epilogue& epilogue) {
    const auto chosen = algorithm(a, b, c, epilogue);
    if (!chosen) return false;
    Operation operation;
    describe(operation, a, b, epilogue);
    const Layout layout_a(b.matrix);
    const Layout layout_b(a.matrix);
    const Layout layout_c{ConstRows(c)};
    const float alpha = 1.0F;
    const float beta = accumulate ? 1.0F : 0.0F;
    check_cublas(cublasLtMatmul(handle_, operation.get(), &alpha, b.matrix.data, layout_a.get(), a.matrix.data,
                                layout_b.get(), &beta, c.data, layout_c.get(), c.data, layout_c.get(),
                                &chosen->algorithm, workspace_, kWorkspaceBytes, stream_),
                 "cublasLtMatmul");
    return true;
  }

 private:
  void start() {
    if (handle_ == nullptr) check_cublas(cublasLtCreate(&handle_), "cublasLtCreate");
    if (workspace_ == nullptr) workspace_ = memory_.allocate(kWorkspaceBytes);
  }

  /// From the cache, or else what cuBLASLt recommends; nothing if it has none.
  std::optional<Algorithm> algorithm(const Operand& a, const Operand& b, Rows c, const Epilogue& epilogue) {
    const Problem problem{
        .m = c.rows,
        .n = c.columns,
        .k = a.transposed ? a.matrix.rows : a.matrix.columns,
        .a_stride = a.matrix.stride,
        .b_stride = b.matrix.stride,
        .c_stride = c.stride,
        .auxiliary_stride = epilogue.auxiliary.stride,
        .operand_type = a.matrix.type,
        .result_type = c.type,
        .transpose_a = a.transposed,
        .transpose_b = b.transposed,
        .epilogue = epilogue.kind,
        .a_alignment = alignment_of(a.matrix.data),
        .b_alignment = alignment_of(b.matrix.data),
        .c_alignment = alignment_of(c.data),
    };
    const auto known = algorithms_.find(problem);
    if (known != algorithms_.end()) return known->second;
    start();
    if (algorithms_.size() >= kMostAlgorithms) algorithms_.clear();
    return algorithms_.emplace(problem, recommended(problem, a, b, c, epilogue)).first->second;
  }

  [[nodiscard]] std::optional<Algorithm> recommended(const Problem& problem, const Operand& a, const Operand& b, Rows c,
                                                     Epilogue epilogue) const {
    // Of these it looks at the address, to see how it is aligned; it is told of the least that there may be.
    void* const least_aligned = reinterpret_cast<void*>(std::uintptr_t{kAlignment});
    if (epilogue.bias != nullptr) epilogue.bias = least_aligned;
    if (epilogue.auxiliary.data != nullptr) epilogue.auxiliary.data = least_aligned;
    Operation operation;
    describe(operation, a, b, epilogue);
    const Layout layout_a(b.matrix);
    const Layout layout_b(a.matrix);
    const Layout layout_c{ConstRows(c)};
    Preference preference;
    check_cublas(cublasLtMatmulPreferenceCreate(preference.address()), "cublasLtMatmulPreferenceCreate");
    set(preference, CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES, std::uint64_t{kWorkspaceBytes});
    set(preference, CUBLASLT_MATMUL_PREF_REDUCTION_SCHEME_MASK,
        static_cast<std::uint32_t>(CUBLASLT_REDUCTION_SCHEME_COMPUTE_TYPE));
    set(preference, CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES, problem.b_alignment);
    set(preference, CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_B_BYTES, problem.a_alignment);
    set(preference, CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_C_BYTES, problem.c_alignment);
    set(preference, CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_D_BYTES, problem.c_alignment);
    cublasLtMatmulHeuristicResult_t result{};
    int results = 0;
    const cublasStatus_t status =
        cublasLtMatmulAlgoGetHeuristic(handle_, operation.get(), layout_a.get(), layout_b.get(), layout_c.get(),
                                       layout_c.get(), preference.get(), 1, &result, &results);
    // Of what it does not support it says so in one of three ways.
    if (status == CUBLAS_STATUS_NOT_SUPPORTED || status == CUBLAS_STATUS_INVALID_VALUE) return std::nullopt;
    check_cublas(status, "cublasLtMatmulAlgoGetHeuristic");
    if (results == 0 || result.state != CUBLAS_STATUS_SUCCESS) return std::nullopt;
    return Algorithm{result.algo, result.wavesCount};
  }

  cudaStream_t stream_;
  Memory& memory_;
  cublasLtHandle_t handle_ = nullptr;
  void* workspace_ = nullptr;
  std::map<Problem, std::optional<Algorithm>> algorithms_;
};

CudaKernels::CudaKernels(cudaStream_t stream, Memory& memory)
    : stream_(stream), memory_(memory), cublas_(std::make_unique<CublasLt>(stream, memory)) {}

CudaKernels::~CudaKernels() = default;

// cuBLASLt multiplies matrices of one type, so weights are widened first, for as long as the product takes.
template <typename Call>
void CudaKernels::run_widened(Call call, ConstRows Call::*weights) {
  const ConstRows narrow = call.*weights;
  const DeviceScratch<float> room(memory_, narrow.rows * narrow.columns);
  const Matrix wide{room.data(), narrow.rows, narrow.columns, narrow.columns};
  run(calls::Copy{.x = narrow, .y = wide});
  call.*weights = wide;
  run(call);
}

void CudaKernels::run(const calls::Matmul& call) {
  if (widens(call.a, call.b)) return run_widened(call, &calls::Matmul::b);
  const Operand left{call.a, call.transpose_a};
  const Operand right{call.b, call.transpose_b};
  if (is_empty(left, call.c)) {
    const auto element = static_cast<std::int64_t>(size_of(call.c.type));
    for (std::int64_t row = 0; row < call.c.rows && !call.accumulate; ++row) {
      run(calls::Clear{.data = static_cast<std::byte*>(call.c.data) + row * call.c.stride * element,
                       .bytes = call.c.columns * element});
    }
    return;
  }
  if (!cublas_->multiply(left, right, call.c, call.accumulate, {})) {
    throw Error("cuBLASLt has no algorithm for the product [{}, {}] = [{}, {}]{} [{}, {}]{} of {}; please report this",
                call.c.rows, call.c.columns, call.a.rows, call.a.columns, call.transpose_a ? "^T" : "", call.b.rows,
                call.b.columns, call.transpose_b ? "^T" : "", name_of(call.a.type));
  }
}

// `row_by_row` has no meaning here: whichever rows there are, cuBLASLt chooses how to add up by their number.
void CudaKernels::run(const calls::LinearForward& call) {
  if (widens(call.x, call.weight)) return run_widened(call, &calls::LinearForward::weight);
  const Operand left{call.x, false};
  const Operand right{call.weight, true};
  const bool bias_fits = call.bias.data != nullptr && call.bias.type == call.z.type && is_aligned(call.bias.data) &&
                         !is_empty(left, call.z);
  // In f32 the GELU is left to our own kernel, which is as exact as the CPU's.
  if (bias_fits && call.activation == Activation::gelu_tanh && call.z.type == DType::bf16) {
    const bool keeps_z = call.y.data != call.z.data;
    const Epilogue epilogue = keeps_z ? Epilogue{CUBLASLT_EPILOGUE_GELU_AUX_BIAS, call.bias.data, call.z}
                                      : Epilogue{CUBLASLT_EPILOGUE_GELU_BIAS, call.bias.data};
    // What cuBLASLt demands of an auxiliary matrix.
    const bool z_fits = !keeps_z || (call.z.stride % 8 == 0 && is_aligned(call.z.data));
    if (z_fits && cublas_->multiply(left, right, call.y, false, epilogue)) return;
  }
  if (bias_fits && cublas_->multiply(left, right, call.z, false, {CUBLASLT_EPILOGUE_BIAS, call.bias.data})) {
    whole().run(calls::BiasActivationForward{.z = call.z, .activation = call.activation, .y = call.y});
    return;
  }
  call.run_parts(whole());
}

void CudaKernels::run(const calls::LinearWeightGradient& call) {
  const Operand left{call.dz, true};
  const Operand right{call.x, false};
  if (call.d_bias != nullptr && !call.accumulate_bias && is_aligned(call.d_bias) && !is_empty(left, call.d_weight)) {
    const Epilogue epilogue{CUBLASLT_EPILOGUE_BGRADB, call.d_bias};
    if (cublas_->is_worthwhile(left, right, call.d_weight, epilogue) &&
        cublas_->multiply(left, right, call.d_weight, call.accumulate_weight, epilogue)) {
      return;
    }
  }
  call.run_parts(whole());
}

}  // namespace temper
