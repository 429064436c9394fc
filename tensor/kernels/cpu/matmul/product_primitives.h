// oneDNN's matrix products, one primitive per shape, kept from call to call.
//
// Note: a primitive is generated code for exactly one shape, set of strides and number of threads, and takes 0.2 ms to
// make. Training meets the same shapes again and again, but as many as there are numbers of tokens in a batch; so the
// least recently used one goes when there are too many.
#pragma once

#include <cstddef>
#include <cstdint>
#include <list>
#include <memory>
#include <unordered_map>

#include "tensor/dtype.h"

namespace temper {

/// c [m, n] (+)= op(a) [m, k] op(b) [k, n] (+ bias [n]); a and b of one type. Strides are between rows as they lie.
struct ProductShape {
  std::int64_t m = 0;
  std::int64_t n = 0;
  std::int64_t k = 0;
  std::int64_t a_stride = 0;
  std::int64_t b_stride = 0;
  std::int64_t c_stride = 0;
  DType inputs = DType::f32;
  DType output = DType::f32;
  DType bias = DType::f32;  ///< read where there is one
  bool transpose_a = false;
  bool transpose_b = false;
  bool accumulate = false;
  bool has_bias = false;
  bool packed_b = false;  ///< run() is given b as pack() returns it
  friend bool operator==(const ProductShape&, const ProductShape&) = default;
};

/// A product of one shape; may be run by several threads at once.
class Product {
 public:
  Product() = default;
  Product(const Product&) = delete;
  Product& operator=(const Product&) = delete;
  virtual ~Product() = default;
  /// Packs b into the layout that oneDNN prefers for this shape, in memory of the calling thread, until it packs again.
  /// Only if the shape says packed_b.
  [[nodiscard]] virtual const void* pack(const void* b) const = 0;
  /// Whether run() may be given what `other` packed.
  [[nodiscard]] virtual bool packs_like(const Product& other) const = 0;
  /// `bias` is read only if the shape has one. Runs in the calling thread alone.
  virtual void run(const void* a, const void* b, const void* bias, void* c) const = 0;
};

/// Not for several threads at once.
class ProductPrimitives {
 public:
  ProductPrimitives();
  ~ProductPrimitives();

  /// Makes it if need be, for one thread. Throws Error if oneDNN refuses the shape.
  std::shared_ptr<const Product> find(const ProductShape& shape);

 private:
  struct Hash {
    std::size_t operator()(const ProductShape& shape) const;
  };
  using Entry = std::pair<ProductShape, std::shared_ptr<const Product>>;

  std::list<Entry> by_use_;  ///< the last used first
  std::unordered_map<ProductShape, std::list<Entry>::iterator, Hash> places_;
};

/// True where oneDNN has products of bf16 in this processor's own instructions.
bool processor_multiplies_bf16();

}  // namespace temper
