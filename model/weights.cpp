#include "model/weights.h"

#include <algorithm>
#include <map>
#include <set>
#include <span>
#include <vector>

#include "base/error.h"
#include "model/width_scaling.h"

namespace temper {
namespace {

std::string join(const std::vector<std::string>& names) {
  constexpr std::size_t kShown = 8;
  std::string out;
  for (std::size_t i = 0; i < std::min(names.size(), kShown); ++i) out += (i == 0 ? "" : ", ") + names[i];
  if (names.size() > kShown) out += fmt::format(" and {} more", names.size() - kShown);
  return out;
}

/// Files that lack it are no reason to stop.
bool may_be_drawn(const Parameter& parameter) {
  return parameter.role == ParameterRole::head || parameter.role == ParameterRole::adapter;
}

void draw(const Parameter& parameter, Device& device, std::uint64_t seed) {
  std::vector<float> values(static_cast<std::size_t>(parameter.size()));
  initialize(values, parameter.shape, parameter.initialization, seed, parameter.name);
  parameter.variable.set_value(device.upload(std::span<const float>(values), parameter.shape));
}

/// Of a tensor with more dimensions than any parameter has, a scalar's.
Shape shape_of(const TensorView& stored) {
  return Shape(stored.shape.size() <= Shape::kMaxDimensions ? std::span<const std::int64_t>(stored.shape)
                                                            : std::span<const std::int64_t>());
}

/// Calls visit(here, there) for each element of a parameter: where it lies in the parameter, and where in the tensor
/// that holds it.
template <typename Visit>
void for_each_element(const Shape& parameter, const StoredForm& form, const Visit& visit) {
  const std::int64_t rows = parameter[0];
  const std::int64_t columns = rows > 0 ? parameter.elements() / rows : 0;
  const std::int64_t all_rows = form.rows > 0 ? form.rows : rows;
  for (std::int64_t row = 0; row < rows; ++row) {
    for (std::int64_t column = 0; column < columns; ++column) {
      const std::int64_t there =
          form.transposed ? column * all_rows + form.row_of(row) : form.row_of(row) * columns + column;
      visit(static_cast<std::size_t>(row * columns + column), static_cast<std::size_t>(there));
    }
  }
}

/// The rows of a tensor where they lie together.
TensorView rows_of(const TensorView& tensor, const StoredForm& form, std::int64_t rows) {
  if (form.rows == 0) return tensor;
  TensorView part = tensor;
  const std::size_t row_bytes = tensor.bytes.size() / static_cast<std::size_t>(form.rows);
  part.shape.front() = rows;
  part.bytes = tensor.bytes.subspan(static_cast<std::size_t>(form.first_row) * row_bytes,
                                    static_cast<std::size_t>(rows) * row_bytes);
  return part;
}

/// Of a tensor that is stored transposed: of each of its rows the columns of this parameter, a band of rows at a time,
/// so that nothing is converted that other parameters hold, nor the whole held twice.
std::vector<float> turned(const TensorView& stored, const StoredForm& form, const Shape& shape) {
  constexpr std::int64_t kBandRows = 16;
  const std::int64_t outs = shape[0];
  const std::int64_t ins = shape[1];
  const std::int64_t all_outs = form.rows > 0 ? form.rows : outs;
  const std::size_t element = size_in_bytes(stored.type);
  std::vector<float> values(static_cast<std::size_t>(shape.elements()));
  std::vector<float> band(static_cast<std::size_t>(kBandRows * outs));
  TensorView part = stored;
  part.shape = {outs};
  for (std::int64_t first = 0; first < ins; first += kBandRows) {
    const std::int64_t rows = std::min(kBandRows, ins - first);
    for (std::int64_t row = 0; row < rows; ++row) {
      part.bytes = stored.bytes.subspan(static_cast<std::size_t>((first + row) * all_outs + form.first_row) * element,
                                        static_cast<std::size_t>(outs) * element);
      to_f32(part, std::span(band).subspan(static_cast<std::size_t>(row * outs), static_cast<std::size_t>(outs)));
    }
    for (std::int64_t out = 0; out < outs; ++out)
      for (std::int64_t row = 0; row < rows; ++row)
        values[static_cast<std::size_t>(out * ins + first + row)] = band[static_cast<std::size_t>(row * outs + out)];
  }
  return values;
}

Tensor value_of(const TensorView& stored, const StoredForm& form, const Shape& shape, Device& device) {
  // What is decoded may have its rows in another order there.
  const bool is_decoded_part = stored.type == StoredType::gguf && (form.rows != 0 || form.transposed);
  if (is_decoded_part || form.block != 0)
    return device.upload(std::span<const float>(parameter_values(stored, form, shape)), shape);
  if (form.transposed) return device.upload(std::span<const float>(turned(stored, form, shape)), shape);
  const TensorView rows = rows_of(stored, form, shape[0]);
  if (is_mappable_f32(rows) && device.shares_host_memory())
    // The tape never writes to a parameter that is not in an arena, so the mapping may stay read-only.
    return Tensor::view(const_cast<std::byte*>(rows.bytes.data()), shape);
  std::vector<float> values(static_cast<std::size_t>(shape.elements()));
  to_f32(rows, values);
  return device.upload(std::span<const float>(values), shape);
}

/// The tensor that holds a parameter, and how; null where no file has it.
std::pair<const TensorView*, StoredForm> find_stored(const Model& model, const Parameter& parameter,
                                                     const WeightFiles& files) {
  for (StoredForm& candidate : model.names().forms_of(parameter))
    if (const TensorView* stored = files.find(candidate.name)) return {stored, std::move(candidate)};
  return {nullptr, {}};
}

[[noreturn]] void refuse_shape(const TensorView& stored, const Shape& expected, const WeightFiles& files) {
  throw Error(
      "{}: tensor '{}' has shape {}, but config.json asks for {}; the weights and the configuration do not "
      "belong together",
      files.file_of(stored.name).string(), stored.name, shape_of(stored).text(), expected.text());
}

void require_all(const std::vector<std::string>& missing, const WeightFiles& files) {
  if (missing.empty()) return;
  const std::vector<std::string> names = files.names();
  throw Error("{}: {} of the model's tensors are missing: {}; the file does not hold a model of this architecture",
              names.empty() ? std::string("model.safetensors") : files.file_of(names.front()).string(), missing.size(),
              join(missing));
}

}  // namespace

std::vector<float> parameter_values(const TensorView& stored, const StoredForm& form, const Shape& shape) {
  std::vector<float> all(static_cast<std::size_t>(element_count(stored.shape).value_or(0)));
  to_f32(stored, all);
  std::vector<float> values(static_cast<std::size_t>(shape.elements()));
  for_each_element(shape, form, [&](std::size_t here, std::size_t there) { values[here] = all[there]; });
  return values;
}

void check_weights(const Model& model, const WeightFiles& files) {
  std::vector<std::string> missing;
  for (const Parameter& parameter : model.parameters().all()) {
    if (may_be_drawn(parameter)) continue;
    const auto [stored, form] = find_stored(model, parameter, files);
    if (stored == nullptr) {
      missing.push_back(parameter.name);
    } else if (const Shape expected = form.shape_of_tensor(parameter.shape); shape_of(*stored) != expected) {
      refuse_shape(*stored, expected, files);
    }
  }
  require_all(missing, files);
}

LoadReport load_weights(Model& model, const WeightFiles& files, Device& device, const LoadOptions& options) {
  if (options.initialize && options.base_width > 0) scale_initialization(model, options.base_width);
  LoadReport report;
  std::vector<std::string> missing;
  std::set<std::string> used;
  for (const Parameter& parameter : model.parameters().all()) {
    const auto [stored, form] = find_stored(model, parameter, files);
    if (stored == nullptr) {
      if (!may_be_drawn(parameter) && !options.initialize) {
        missing.push_back(parameter.name);
        continue;
      }
      draw(parameter, device, options.seed);
      report.initialized.push_back(parameter.name);
      continue;
    }
    used.insert(form.name);
    const Shape shape = shape_of(*stored);
    const Shape expected = form.shape_of_tensor(parameter.shape);
    if (shape == expected) {
      parameter.variable.set_value(value_of(*stored, form, parameter.shape, device));
      continue;
    }
    if (!may_be_drawn(parameter)) refuse_shape(*stored, expected, files);
    if (!options.replace_head)
      throw Error(
          "{}: the head's tensor '{}' has shape {}, but this task needs {}; {}to drop the stored head and train a new "
          "one, set model.replace_head = true",
          files.file_of(stored->name).string(), stored->name, shape.text(), expected.text(),
          options.keeps_head.empty() ? "" : fmt::format("to keep it, set {}; ", options.keeps_head));
    draw(parameter, device, options.seed);
    report.replaced.push_back(parameter.name);
  }
  require_all(missing, files);
  for (const std::string& name : files.names())
    if (!used.contains(name) && !model.names().is_unread(name)) report.unexpected.push_back(name);
  return report;
}

namespace {

std::vector<ParameterToStore> weights_of(const Model& model) {
  std::vector<ParameterToStore> weights;
  for (const Parameter& parameter : model.parameters().all())
    if (parameter.role != ParameterRole::adapter)
      weights.push_back({&parameter, model.names().forms_of(parameter).front()});
  return weights;
}

}  // namespace

StoredWeights::StoredWeights(const Model& model, Device& device) : StoredWeights(weights_of(model), device) {}

StoredWeights::StoredWeights(std::span<const ParameterToStore> parameters, Device& device) {
  const auto extents_of = [](const Shape& shape) {
    return std::vector<std::int64_t>(shape.extents().begin(), shape.extents().end());
  };
  std::map<std::string, std::vector<float>*> composed;
  for (const auto& [stored, form] : parameters) {
    const Parameter& parameter = *stored;
    const Shape shape = form.shape_of_tensor(parameter.shape);
    if (form.is_plain()) {
      copies_.emplace_back(device, parameter.variable.value());
      tensors_.push_back({form.name, extents_of(shape), copies_.back().values()});
      continue;
    }
    std::vector<float>*& values = composed[form.name];
    if (values == nullptr) {
      values = &composed_.emplace_back(static_cast<std::size_t>(shape.elements()));
      tensors_.push_back({form.name, extents_of(shape), *values});
    }
    const HostCopy copy(device, parameter.variable.value());
    for_each_element(parameter.shape, form,
                     [&](std::size_t here, std::size_t there) { (*values)[there] = copy.values()[here]; });
  }
}

}  // namespace temper
