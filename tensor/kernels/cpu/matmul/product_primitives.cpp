#include "tensor/kernels/cpu/matmul/product_primitives.h"

#include <omp.h>

#include <cstdlib>
#include <oneapi/dnnl/dnnl.hpp>

#include "base/error.h"
#include "tensor/kernels/cpu/vector/instruction_set.h"

namespace temper {
namespace {

constexpr std::size_t kMostPrimitives = 512;

dnnl::engine& host_engine() {
  static dnnl::engine engine(dnnl::engine::kind::cpu, 0);
  return engine;
}

dnnl::memory::data_type type_of(DType type) {
  return type == DType::bf16 ? dnnl::memory::data_type::bf16 : dnnl::memory::data_type::f32;
}

/// A matrix [rows, columns] as op gives it, which lies in memory with `stride` elements between its rows.
dnnl::memory::desc describe(std::int64_t rows, std::int64_t columns, DType type, std::int64_t stride, bool transposed) {
  const dnnl::memory::dims strides = transposed ? dnnl::memory::dims{1, stride} : dnnl::memory::dims{stride, 1};
  return {{rows, columns}, type_of(type), strides};
}

/// oneDNN makes a primitive for as many threads as OpenMP would give it now, and some ask again when they run.
class OneThread {
 public:
  OneThread() : before_(omp_get_max_threads()) {
    if (before_ > 1) omp_set_num_threads(1);
  }
  OneThread(const OneThread&) = delete;
  OneThread& operator=(const OneThread&) = delete;
  ~OneThread() {
    if (before_ > 1) omp_set_num_threads(before_);
  }

 private:
  int before_;
};

/// Memory that grows to the most that was asked of it.
class Room {
 public:
  void* at_least(std::size_t bytes) {
    constexpr std::size_t kAlignment = 4096;
    if (bytes > size_) {
      size_ = (bytes + kAlignment - 1) / kAlignment * kAlignment;
      block_.reset(std::aligned_alloc(kAlignment, size_));
      if (block_ == nullptr) throw Error("out of memory: {} bytes for a matrix product", size_);
    }
    return block_.get();
  }

 private:
  struct Free {
    void operator()(void* block) const { std::free(block); }
  };
  std::unique_ptr<void, Free> block_;
  std::size_t size_ = 0;
};

dnnl::stream& host_stream() {
  thread_local dnnl::stream stream(host_engine());
  return stream;
}

dnnl::memory as_memory(const dnnl::memory::desc& description, const void* data) {
  return {description, host_engine(), const_cast<void*>(data)};
}

class OneDnnProduct final : public Product {
 public:
  explicit OneDnnProduct(const ProductShape& shape) {
    make_product(shape);
    // By all threads: where an element goes does not depend on who brings it there.
    if (shape.packed_b)
      packing_ = dnnl::reorder(dnnl::reorder::primitive_desc(host_engine(), plain_b_, host_engine(), b_));
  }

  const void* pack(const void* b) const override {
    thread_local Room room;
    void* packed = room.at_least(b_.get_size());
    dnnl::memory from = as_memory(plain_b_, b);
    dnnl::memory to = as_memory(b_, packed);
    packing_.execute(host_stream(), from, to);
    return packed;
  }

  bool packs_like(const Product& other) const override {
    const auto* product = dynamic_cast<const OneDnnProduct*>(&other);
    return product != nullptr && product->b_ == b_;
  }

  void run(const void* a, const void* b, const void* bias, void* c) const override {
    const OneThread one_thread;
    thread_local Room scratchpad;
    std::unordered_map<int, dnnl::memory> arguments{
        {DNNL_ARG_SRC, as_memory(a_, a)}, {DNNL_ARG_WEIGHTS, as_memory(b_, b)}, {DNNL_ARG_DST, as_memory(c_, c)}};
    if (has_bias_) arguments.emplace(DNNL_ARG_BIAS, as_memory(bias_, bias));
    if (scratchpad_bytes_ > 0)
      arguments.emplace(DNNL_ARG_SCRATCHPAD, as_memory(scratchpad_, scratchpad.at_least(scratchpad_bytes_)));
    primitive_.execute(host_stream(), arguments);
  }

 private:
  void make_product(const ProductShape& shape) {
    const OneThread one_thread;
    const auto a = describe(shape.m, shape.k, shape.inputs, shape.a_stride, shape.transpose_a);
    const auto plain_b = describe(shape.k, shape.n, shape.inputs, shape.b_stride, shape.transpose_b);
    const auto b = shape.packed_b
                       ? dnnl::memory::desc({shape.k, shape.n}, type_of(shape.inputs), dnnl::memory::format_tag::any)
                       : plain_b;
    const auto c = describe(shape.m, shape.n, shape.output, shape.c_stride, false);
    const auto bias = describe(1, shape.n, shape.bias, shape.n, false);
    const dnnl::matmul::desc product = shape.has_bias ? dnnl::matmul::desc(a, b, bias, c) : dnnl::matmul::desc(a, b, c);
    dnnl::primitive_attr attributes;
    attributes.set_scratchpad_mode(dnnl::scratchpad_mode::user);
    if (shape.accumulate) {
      dnnl::post_ops sum;
      sum.append_sum(1.0F);
      attributes.set_post_ops(sum);
    }
    const dnnl::matmul::primitive_desc description(product, attributes, host_engine());
    primitive_ = dnnl::matmul(description);
    scratchpad_bytes_ = description.scratchpad_desc().get_size();
    a_ = description.src_desc();
    b_ = description.weights_desc();
    c_ = description.dst_desc();
    bias_ = bias;
    scratchpad_ = description.scratchpad_desc();
    has_bias_ = shape.has_bias;
    plain_b_ = plain_b;
  }

  dnnl::matmul primitive_;
  dnnl::reorder packing_;
  dnnl::memory::desc a_;
  dnnl::memory::desc plain_b_;
  dnnl::memory::desc b_;
  dnnl::memory::desc c_;
  dnnl::memory::desc bias_;
  dnnl::memory::desc scratchpad_;
  std::size_t scratchpad_bytes_ = 0;
  bool has_bias_ = false;
};

}  // namespace

ProductPrimitives::ProductPrimitives() {
  // Kept here already; oneDNN's own cache would hold every shape a second time.
  dnnl::set_primitive_cache_capacity(0);
}
ProductPrimitives::~ProductPrimitives() = default;

std::size_t ProductPrimitives::Hash::operator()(const ProductShape& shape) const {
  std::size_t hash =
      static_cast<std::size_t>(shape.inputs) | (static_cast<std::size_t>(shape.output) << 4) |
      (static_cast<std::size_t>(shape.transpose_a) << 8) | (static_cast<std::size_t>(shape.transpose_b) << 9) |
      (static_cast<std::size_t>(shape.accumulate) << 10) | (static_cast<std::size_t>(shape.has_bias) << 11) |
      (static_cast<std::size_t>(shape.packed_b) << 12);
  for (const std::int64_t number : {shape.m, shape.n, shape.k, shape.a_stride, shape.b_stride, shape.c_stride})
    hash = (hash ^ static_cast<std::size_t>(number)) * 0x9E3779B97F4A7C15U + (hash >> 29);
  return hash;
}

std::shared_ptr<const Product> ProductPrimitives::find(const ProductShape& shape) {
  if (const auto place = places_.find(shape); place != places_.end()) {
    by_use_.splice(by_use_.begin(), by_use_, place->second);
    return place->second->second;
  }
  std::shared_ptr<const Product> product;
  try {
    product = std::make_shared<OneDnnProduct>(shape);
  } catch (const dnnl::error& error) {
    throw Error("oneDNN refused the {} matrix product [{}, {}] [{}, {}] with status {}. Please report this.",
                name_of(shape.inputs), shape.m, shape.k, shape.k, shape.n, static_cast<int>(error.status));
  }
  if (by_use_.size() == kMostPrimitives) {
    places_.erase(by_use_.back().first);
    by_use_.pop_back();
  }
  by_use_.emplace_front(shape, product);
  places_.emplace(shape, by_use_.begin());
  return product;
}

bool processor_multiplies_bf16() { return may_use(InstructionSet::avx512_bf16); }

}  // namespace temper
