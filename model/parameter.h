// Parameters: named tensors in the order in which a forward pass meets them.
#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "model/initialization.h"
#include "tensor/tape.h"

namespace temper {

enum class ParameterRole : std::uint8_t {
  weight,     ///< of the pre-trained network: files must have it
  head,       ///< behind the network: pooler, classifier, language-model head; drawn where files lack it
  adapter,    ///< beside a weight that stays as it is; drawn where files lack it
  statistic,  ///< measured by the forward pass, never trained; files must have it
};

/// The pixels that a convolution's kernel covers. The weight lies as products read it, [out, taps * in], the channels
/// of each tap side by side, and in files as [out, in, height, width]. Of a depthwise convolution, which has a kernel
/// for each channel, it lies as [taps, channels], and in files as [channels, 1, height, width].
struct KernelExtent {
  std::int64_t height = 0;  ///< 0: the parameter is no such weight
  std::int64_t width = 0;
  bool is_depthwise = false;

  [[nodiscard]] std::int64_t taps() const { return height * width; }
};

struct Parameter {
  /// As patterns, checkpoints and messages call it. Files may call it otherwise (model/weight_names.h).
  std::string name;
  Shape shape;
  /// The lowest stage that reads it: 0 the input layer, 1 the first block, ..., blocks + 1 the head. Layer decay counts
  /// by it, and below it a model may be frozen.
  std::int64_t stage = 0;
  ParameterRole role = ParameterRole::weight;
  Initialization initialization = Initialization::zeros();
  bool decays = true;    ///< weight decay shrinks it
  bool is_base = false;  ///< stays as it is, whatever is frozen: adapters beside it are trained in its place
  /// Only products and lookups of rows read it, which take it in f32, bf16 or (on CPUs) f16 or quantised: while it is
  /// not trained, its value may have the type that its file has.
  bool is_read_narrow = false;
  KernelExtent kernel = {};
  bool is_count = false;  ///< a statistic that counts: files have it as a whole number, without extents, or not at all
  DType loaded = DType::f32;  ///< bf16 or f16 where the files have it so
  Variable variable = Variable(Tensor());

  [[nodiscard]] bool trainable() const { return variable.requires_gradient(); }
  [[nodiscard]] std::int64_t size() const { return shape.elements(); }
};

class LowRank;

/// What a layer is there for, as far as it is asked for by that ("all layers of the attention").
enum class ModulePart : std::uint8_t { other, attention, feed_forward, output };

/// A layer that multiplies with a weight, or looks up in it, beside which an adapter may stand.
struct AdaptableModule {
  enum class Kind : std::uint8_t { linear, embedding };
  std::string name;  ///< of its parameters: NAME.weight, NAME.bias
  Kind kind = Kind::linear;
  ModulePart part = ModulePart::other;
  std::shared_ptr<const LowRank> adapter = nullptr;  ///< model/layers/low_rank.h; null: there is none
};

/// Owns parameters; references stay valid as more are added at the end.
class ParameterList {
 public:
  Parameter& add(Parameter parameter);
  /// Puts parameters behind the one of this name; references become invalid. Throws Error where there is none.
  void insert_behind(const std::string& name, std::vector<Parameter> added);
  /// Takes those out that are adapters; references become invalid.
  void erase_adapters();

  /// Modules whose parameters are in the list, in the order in which they were made. They share each with its layer.
  [[nodiscard]] std::span<const std::shared_ptr<AdaptableModule>> modules() const { return modules_; }
  std::shared_ptr<AdaptableModule> add_module(std::string name, AdaptableModule::Kind kind);

  [[nodiscard]] std::deque<Parameter>& all() { return parameters_; }
  [[nodiscard]] const std::deque<Parameter>& all() const { return parameters_; }
  /// Null where there is none of that name.
  [[nodiscard]] Parameter* find(const std::string& name);
  [[nodiscard]] const Parameter* find(const std::string& name) const;

 private:
  std::deque<Parameter> parameters_;
  std::vector<std::shared_ptr<AdaptableModule>> modules_;
};

/// Where a module adds its parameters, and what they have in common. A module that several blocks share is made once,
/// in the place of the lowest of them.
struct ParameterPlace {
  ParameterList& list;
  std::int64_t stage;
  ParameterRole role;
  Initialization weights;   ///< how matrices and tables are drawn
  std::string prefix = {};  ///< of the names that are added

  /// The place of a module's part: its names begin with `module` and a dot.
  [[nodiscard]] ParameterPlace within(const std::string& module) const;
  /// The same, where matrices are drawn otherwise.
  [[nodiscard]] ParameterPlace drawing(Initialization weights_otherwise) const;
  /// Weight decay spares what has one dimension, biases and norms, unless told otherwise.
  Variable add(const std::string& name, const Shape& shape, Initialization initialization,
               std::optional<bool> decays = std::nullopt) const;
  /// A matrix that products and lookups of rows alone read (Parameter::is_read_narrow), drawn as this place says.
  Variable add_matrix(const std::string& name, std::int64_t rows, std::int64_t columns) const;
  /// The weight of a convolution, [out, taps * in] or, depthwise, [taps, out], drawn as this place says.
  Variable add_kernel(const std::string& name, std::int64_t out, std::int64_t in, const KernelExtent& kernel) const;
  /// What the forward pass measures, f32 [size], and `value` everywhere where there is no file.
  Variable add_statistic(const std::string& name, std::int64_t size, Initialization value) const;
  /// How often it did, f32 [1].
  Variable add_count(const std::string& name) const;
};

}  // namespace temper
