// cuBLASLt over matrix_product.h: descriptions, what the library refuses, and the way onto a stream.
#include <cublasLt.h>

#include <algorithm>
#include <cstring>
#include <optional>

#include "tests/simt/device_memory.h"
#include "tests/simt/matrix_product.h"
#include "tests/simt/simulated_gpu.h"
#include "tests/simt/stream.h"

// NOLINTBEGIN: names are CUDA's
struct cublasLtContext {};
struct cublasLtMatmulDescOpaque_t {
  std::int32_t compute, scale;
  std::int32_t pointer_mode = CUBLASLT_POINTER_MODE_HOST;
  std::int32_t transpose_a = CUBLAS_OP_N, transpose_b = CUBLAS_OP_N;
  std::uint32_t epilogue = CUBLASLT_EPILOGUE_DEFAULT;
  void* bias = nullptr;
  void* aux = nullptr;
  std::int64_t aux_stride = 0;
  std::int32_t bias_type = -1;
  std::int32_t aux_type = -1;
};
struct cublasLtMatrixLayoutOpaque_t {
  std::uint32_t type;
  std::int32_t order = CUBLASLT_ORDER_COL;
  std::uint64_t rows, columns;
  std::int64_t stride;
};
struct cublasLtMatmulPreferenceOpaque_t {
  std::uint64_t workspace_bytes = 0;
};
// NOLINTEND

namespace simt {
namespace {

bool fused_epilogues = true;

/// What the algorithm wants of the workspace, where it may have it.
constexpr std::size_t kWorkspace = 4096;

template <typename T>
cublasStatus_t set(T& attribute, const void* value, std::size_t bytes) {
  if (value == nullptr || bytes != sizeof(T)) return CUBLAS_STATUS_INVALID_VALUE;
  std::memcpy(&attribute, value, bytes);
  return CUBLAS_STATUS_SUCCESS;
}

std::size_t element_bytes(std::uint32_t type) { return type == CUDA_R_16BF ? 2 : 4; }

bool is_aux(std::uint32_t epilogue) { return (epilogue & 128U) != 0; }
bool is_relu_mask(std::uint32_t epilogue) { return is_aux(epilogue) && (epilogue & (2U | 8U)) != 0; }
bool uses_bias(std::uint32_t epilogue) {
  return (epilogue & (static_cast<unsigned>(CUBLASLT_EPILOGUE_BIAS) | 16U | 256U | 512U)) != 0;
}
bool is_known(std::uint32_t epilogue) {
  for (const int known :
       {CUBLASLT_EPILOGUE_DEFAULT, CUBLASLT_EPILOGUE_RELU, CUBLASLT_EPILOGUE_BIAS, CUBLASLT_EPILOGUE_RELU_BIAS,
        CUBLASLT_EPILOGUE_GELU, CUBLASLT_EPILOGUE_GELU_BIAS, CUBLASLT_EPILOGUE_RELU_AUX,
        CUBLASLT_EPILOGUE_RELU_AUX_BIAS, CUBLASLT_EPILOGUE_GELU_AUX, CUBLASLT_EPILOGUE_GELU_AUX_BIAS,
        CUBLASLT_EPILOGUE_DRELU, CUBLASLT_EPILOGUE_DRELU_BGRAD, CUBLASLT_EPILOGUE_DGELU, CUBLASLT_EPILOGUE_DGELU_BGRAD,
        CUBLASLT_EPILOGUE_BGRADA, CUBLASLT_EPILOGUE_BGRADB})
    if (epilogue == static_cast<unsigned>(known)) return true;
  return false;
}

Columns columns_of(const cublasLtMatrixLayoutOpaque_t& layout) {
  return {static_cast<cudaDataType>(layout.type), static_cast<std::int64_t>(layout.rows),
          static_cast<std::int64_t>(layout.columns), layout.stride};
}

bool is_valid(const cublasLtMatrixLayoutOpaque_t& layout) {
  return layout.rows > 0 && layout.columns > 0 &&
         layout.stride >= static_cast<std::int64_t>(layout.order == CUBLASLT_ORDER_COL ? layout.rows : layout.columns);
}

/// What the documentation of cublasLtMatmul says of types, leading dimensions and epilogues.
cublasStatus_t checked(const cublasLtMatmulDescOpaque_t& what, const cublasLtMatrixLayoutOpaque_t& a,
                       const cublasLtMatrixLayoutOpaque_t& b, const cublasLtMatrixLayoutOpaque_t& c,
                       const cublasLtMatrixLayoutOpaque_t& d) {
  for (const auto* const layout : {&a, &b, &c, &d})
    if (!is_valid(*layout)) return CUBLAS_STATUS_INVALID_VALUE;
  const bool ta = what.transpose_a != CUBLAS_OP_N;
  const bool tb = what.transpose_b != CUBLAS_OP_N;
  const std::uint64_t k = ta ? a.rows : a.columns;
  if ((ta ? a.columns : a.rows) != d.rows || (tb ? b.rows : b.columns) != d.columns || (tb ? b.columns : b.rows) != k ||
      c.rows != d.rows || c.columns != d.columns)
    return CUBLAS_STATUS_INVALID_VALUE;
  if (what.scale != CUDA_R_32F || what.pointer_mode != CUBLASLT_POINTER_MODE_HOST) return CUBLAS_STATUS_NOT_SUPPORTED;
  const bool bf16 = a.type == CUDA_R_16BF;
  if (a.type != b.type || c.type != d.type || (a.type != CUDA_R_32F && !bf16) ||
      (d.type != CUDA_R_32F && !(bf16 && d.type == CUDA_R_16BF)))
    return CUBLAS_STATUS_NOT_SUPPORTED;
  const std::uint32_t epilogue = what.epilogue;
  if (!is_known(epilogue)) return CUBLAS_STATUS_NOT_SUPPORTED;
  const bool fused = epilogue != CUBLASLT_EPILOGUE_DEFAULT;
  for (const auto* const layout : {&a, &b, &c, &d})
    if (layout->order != CUBLASLT_ORDER_COL) return CUBLAS_STATUS_NOT_SUPPORTED;
  if (fused && !fused_epilogues) return CUBLAS_STATUS_NOT_SUPPORTED;
  if (uses_bias(epilogue) && what.bias_type != -1 && static_cast<std::uint32_t>(what.bias_type) != d.type)
    return CUBLAS_STATUS_NOT_SUPPORTED;
  if (is_aux(epilogue)) {
    if (what.aux_stride < static_cast<std::int64_t>(d.rows)) return CUBLAS_STATUS_INVALID_VALUE;
    if (what.aux_stride % (is_relu_mask(epilogue) ? 128 : 8) != 0) return CUBLAS_STATUS_NOT_SUPPORTED;
    if (!is_relu_mask(epilogue) && what.aux_type != -1 && static_cast<std::uint32_t>(what.aux_type) != d.type)
      return CUBLAS_STATUS_NOT_SUPPORTED;
    if (reinterpret_cast<std::uintptr_t>(what.aux) % 16 != 0) return CUBLAS_STATUS_NOT_SUPPORTED;
  }
  return CUBLAS_STATUS_SUCCESS;
}

bool is_device_matrix(const void* data, const cublasLtMatrixLayoutOpaque_t& layout) {
  const std::size_t elements =
      static_cast<std::size_t>(layout.stride) * (static_cast<std::size_t>(layout.columns) - 1) + layout.rows;
  return reinterpret_cast<std::uintptr_t>(data) % element_bytes(layout.type) == 0 &&
         is_device(data, elements * element_bytes(layout.type));
}

}  // namespace

void set_fused_epilogues(bool supported) { fused_epilogues = supported; }

}  // namespace simt

cublasStatus_t cublasLtCreate(cublasLtHandle_t* handle) {
  if (simt::device_error() != cudaSuccess) return CUBLAS_STATUS_NOT_INITIALIZED;
  *handle = new cublasLtContext;
  return CUBLAS_STATUS_SUCCESS;
}
cublasStatus_t cublasLtDestroy(cublasLtHandle_t handle) {
  delete handle;
  return CUBLAS_STATUS_SUCCESS;
}
std::size_t cublasLtGetVersion() { return 120400; }

const char* cublasLtGetStatusName(cublasStatus_t status) {
  switch (status) {
    case CUBLAS_STATUS_SUCCESS:
      return "CUBLAS_STATUS_SUCCESS";
    case CUBLAS_STATUS_NOT_INITIALIZED:
      return "CUBLAS_STATUS_NOT_INITIALIZED";
    case CUBLAS_STATUS_INVALID_VALUE:
      return "CUBLAS_STATUS_INVALID_VALUE";
    case CUBLAS_STATUS_NOT_SUPPORTED:
      return "CUBLAS_STATUS_NOT_SUPPORTED";
    default:
      return "CUBLAS_STATUS_INTERNAL_ERROR";
  }
}
const char* cublasLtGetStatusString(cublasStatus_t status) {
  switch (status) {
    case CUBLAS_STATUS_SUCCESS:
      return "the operation completed";
    case CUBLAS_STATUS_NOT_INITIALIZED:
      return "the library was not initialized";
    case CUBLAS_STATUS_INVALID_VALUE:
      return "an unsupported value or parameter was passed";
    case CUBLAS_STATUS_NOT_SUPPORTED:
      return "the requested functionality is not supported";
    default:
      return "an internal operation failed";
  }
}

cublasStatus_t cublasLtMatmulDescCreate(cublasLtMatmulDesc_t* description, cublasComputeType_t compute,
                                        cudaDataType scale) {
  *description = new cublasLtMatmulDescOpaque_t{.compute = compute, .scale = scale};
  return CUBLAS_STATUS_SUCCESS;
}
cublasStatus_t cublasLtMatmulDescDestroy(cublasLtMatmulDesc_t description) {
  delete description;
  return CUBLAS_STATUS_SUCCESS;
}
cublasStatus_t cublasLtMatmulDescSetAttribute(cublasLtMatmulDesc_t to, cublasLtMatmulDescAttributes_t attribute,
                                              const void* value, std::size_t bytes) {
  switch (attribute) {
    case CUBLASLT_MATMUL_DESC_COMPUTE_TYPE:
      return simt::set(to->compute, value, bytes);
    case CUBLASLT_MATMUL_DESC_SCALE_TYPE:
      return simt::set(to->scale, value, bytes);
    case CUBLASLT_MATMUL_DESC_POINTER_MODE:
      return simt::set(to->pointer_mode, value, bytes);
    case CUBLASLT_MATMUL_DESC_TRANSA:
      return simt::set(to->transpose_a, value, bytes);
    case CUBLASLT_MATMUL_DESC_TRANSB:
      return simt::set(to->transpose_b, value, bytes);
    case CUBLASLT_MATMUL_DESC_EPILOGUE:
      return simt::set(to->epilogue, value, bytes);
    case CUBLASLT_MATMUL_DESC_BIAS_POINTER:
      return simt::set(to->bias, value, bytes);
    case CUBLASLT_MATMUL_DESC_EPILOGUE_AUX_POINTER:
      return simt::set(to->aux, value, bytes);
    case CUBLASLT_MATMUL_DESC_EPILOGUE_AUX_LD:
      return simt::set(to->aux_stride, value, bytes);
    case CUBLASLT_MATMUL_DESC_EPILOGUE_AUX_DATA_TYPE:
      return simt::set(to->aux_type, value, bytes);
    case CUBLASLT_MATMUL_DESC_BIAS_DATA_TYPE:
      return simt::set(to->bias_type, value, bytes);
  }
  return CUBLAS_STATUS_INVALID_VALUE;
}

cublasStatus_t cublasLtMatrixLayoutCreate(cublasLtMatrixLayout_t* layout, cudaDataType type, std::uint64_t rows,
                                          std::uint64_t columns, std::int64_t leading_dimension) {
  *layout = new cublasLtMatrixLayoutOpaque_t{
      .type = static_cast<std::uint32_t>(type), .rows = rows, .columns = columns, .stride = leading_dimension};
  return CUBLAS_STATUS_SUCCESS;
}
cublasStatus_t cublasLtMatrixLayoutDestroy(cublasLtMatrixLayout_t layout) {
  delete layout;
  return CUBLAS_STATUS_SUCCESS;
}
cublasStatus_t cublasLtMatrixLayoutSetAttribute(cublasLtMatrixLayout_t to, cublasLtMatrixLayoutAttribute_t attribute,
                                                const void* value, std::size_t bytes) {
  switch (attribute) {
    case CUBLASLT_MATRIX_LAYOUT_TYPE:
      return simt::set(to->type, value, bytes);
    case CUBLASLT_MATRIX_LAYOUT_ORDER:
      return simt::set(to->order, value, bytes);
    case CUBLASLT_MATRIX_LAYOUT_ROWS:
      return simt::set(to->rows, value, bytes);
    case CUBLASLT_MATRIX_LAYOUT_COLS:
      return simt::set(to->columns, value, bytes);
    case CUBLASLT_MATRIX_LAYOUT_LD:
      return simt::set(to->stride, value, bytes);
  }
  return CUBLAS_STATUS_INVALID_VALUE;
}

cublasStatus_t cublasLtMatmulPreferenceCreate(cublasLtMatmulPreference_t* preference) {
  *preference = new cublasLtMatmulPreferenceOpaque_t;
  return CUBLAS_STATUS_SUCCESS;
}
cublasStatus_t cublasLtMatmulPreferenceDestroy(cublasLtMatmulPreference_t preference) {
  delete preference;
  return CUBLAS_STATUS_SUCCESS;
}
cublasStatus_t cublasLtMatmulPreferenceSetAttribute(cublasLtMatmulPreference_t to,
                                                    cublasLtMatmulPreferenceAttributes_t attribute, const void* value,
                                                    std::size_t bytes) {
  if (attribute == CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES) return simt::set(to->workspace_bytes, value, bytes);
  std::uint32_t ignored = 0;
  return simt::set(ignored, value, bytes);
}

cublasStatus_t cublasLtMatmulAlgoGetHeuristic(cublasLtHandle_t handle, cublasLtMatmulDesc_t description,
                                              cublasLtMatrixLayout_t a, cublasLtMatrixLayout_t b,
                                              cublasLtMatrixLayout_t c, cublasLtMatrixLayout_t d,
                                              cublasLtMatmulPreference_t preference, int requested,
                                              cublasLtMatmulHeuristicResult_t results[], int* returned) {
  *returned = 0;
  if (handle == nullptr) return CUBLAS_STATUS_NOT_INITIALIZED;
  if (requested <= 0 || preference == nullptr) return CUBLAS_STATUS_INVALID_VALUE;
  if (const cublasStatus_t status = simt::checked(*description, *a, *b, *c, *d); status != CUBLAS_STATUS_SUCCESS)
    return status;
  results[0] = {};
  results[0].workspaceSize = std::min<std::size_t>(simt::kWorkspace, preference->workspace_bytes);
  results[0].algo.data[0] = results[0].workspaceSize;
  results[0].algo.data[1] = description->epilogue;
  results[0].state = CUBLAS_STATUS_SUCCESS;
  results[0].wavesCount = 1;
  *returned = 1;
  return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t cublasLtMatmul(cublasLtHandle_t handle, cublasLtMatmulDesc_t description, const void* alpha,
                              const void* a, cublasLtMatrixLayout_t a_layout, const void* b,
                              cublasLtMatrixLayout_t b_layout, const void* beta, const void* c,
                              cublasLtMatrixLayout_t c_layout, void* d, cublasLtMatrixLayout_t d_layout,
                              const cublasLtMatmulAlgo_t* algorithm, void* workspace, std::size_t workspace_bytes,
                              cudaStream_t stream) {
  if (handle == nullptr) return CUBLAS_STATUS_NOT_INITIALIZED;
  const cublasLtMatmulDescOpaque_t& what = *description;
  if (const cublasStatus_t status = simt::checked(what, *a_layout, *b_layout, *c_layout, *d_layout);
      status != CUBLAS_STATUS_SUCCESS)
    return status;
  // An algorithm serves the description that it was chosen for.
  std::size_t scratch = 0;
  if (algorithm != nullptr) {
    scratch = algorithm->data[0];
    if (algorithm->data[1] != what.epilogue || scratch > workspace_bytes) return CUBLAS_STATUS_INVALID_VALUE;
  }
  const std::lock_guard lock(simt::runtime_mutex());
  simt::MatrixMultiplication task;
  std::memcpy(&task.alpha, alpha, sizeof(float));
  std::memcpy(&task.beta, beta, sizeof(float));
  if (task.beta == 0 && c == nullptr) c = d;
  // On the device these would be accesses to addresses that are not its own.
  if (!simt::is_device_matrix(a, *a_layout) || !simt::is_device_matrix(b, *b_layout) ||
      !simt::is_device_matrix(c, *c_layout) || !simt::is_device_matrix(d, *d_layout) ||
      (scratch > 0 &&
       (!simt::is_device(workspace, workspace_bytes) || reinterpret_cast<std::uintptr_t>(workspace) % 16 != 0)))
    return CUBLAS_STATUS_INVALID_VALUE;
  if (simt::uses_bias(what.epilogue) && !simt::is_device(what.bias, 1)) return CUBLAS_STATUS_INVALID_VALUE;
  if (simt::is_aux(what.epilogue) && !simt::is_device(what.aux, 1)) return CUBLAS_STATUS_INVALID_VALUE;
  if (c == d && c_layout->stride != d_layout->stride) return CUBLAS_STATUS_INVALID_VALUE;
  task.transpose_a = what.transpose_a != CUBLAS_OP_N;
  task.transpose_b = what.transpose_b != CUBLAS_OP_N;
  task.tf32 = what.compute == CUBLAS_COMPUTE_32F_FAST_TF32;
  task.epilogue = static_cast<int>(what.epilogue);
  task.a = a;
  task.b = b;
  task.c = c;
  task.d = d;
  task.bias = what.bias;
  task.aux = what.aux;
  task.a_layout = simt::columns_of(*a_layout);
  task.b_layout = simt::columns_of(*b_layout);
  task.c_layout = simt::columns_of(*c_layout);
  task.d_layout = simt::columns_of(*d_layout);
  task.bias_type = task.d_layout.type;
  task.aux_type = task.d_layout.type;
  task.aux_stride = what.aux_stride;
  const cudaError_t error = simt::enqueue_once(stream, [task, workspace, scratch] {
    if (scratch > 0) std::memset(workspace, 0xFF, scratch);
    simt::multiply(task);
  });
  return error == cudaSuccess ? CUBLAS_STATUS_SUCCESS : CUBLAS_STATUS_EXECUTION_FAILED;
}
