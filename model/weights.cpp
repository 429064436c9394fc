#include "model/weights.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <map>
#include <optional>
#include <set>
#include <span>
#include <vector>

#include "base/error.h"
#include "base/half_float.h"
#include "model/weight_values.h"
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
  return parameter.role == ParameterRole::head || parameter.role == ParameterRole::adapter || parameter.is_count;
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

/// The tensor that holds a parameter, and how; null where no file has it. The first name that a file has, unless a
/// later one has the shape that is expected and it has not: layouts of different age may use one name for two things.
std::pair<const TensorView*, StoredForm> find_stored(const Model& model, const Parameter& parameter,
                                                     const WeightFiles& files) {
  std::pair<const TensorView*, StoredForm> found{nullptr, {}};
  for (StoredForm& candidate : model.names().forms_of(parameter)) {
    const TensorView* stored = files.find(candidate.name);
    if (stored == nullptr) continue;
    const bool fits = shape_of(*stored) == candidate.shape_of_tensor(parameter.shape);
    if (found.first != nullptr && !fits) continue;
    found = {stored, std::move(candidate)};
    if (fits) break;
  }
  return found;
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
  std::vector<float> values(static_cast<std::size_t>(shape.elements()));
  if (form.is_count) {
    Parameter count{.name = form.name, .shape = shape, .is_count = true};
    WeightValue(count, stored, form, true).convert(std::as_writable_bytes(std::span(values)));
    return values;
  }
  std::vector<float> all(static_cast<std::size_t>(element_count(stored.shape).value_or(0)));
  to_f32(stored, all);
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

namespace {

/// Values that do not lie in files as the model reads them, in memory of the device, or once for the ranks of a node.
void convert_values(std::span<const std::pair<const Parameter*, WeightValue>> values, Device& device,
                    SharedWeightRoom* room) {
  if (room == nullptr || !device.shares_host_memory()) {
    for (const auto& [parameter, value] : values) parameter->variable.set_value(value.upload(device));
    return;
  }
  std::vector<SharedWeightRoom::Want> wanted;
  for (const auto& [parameter, value] : values) wanted.push_back({value.shape(), value.type()});
  const std::vector<Tensor> made =
      room->make(wanted, [&](std::size_t i, std::span<std::byte> bytes) { values[i].second.convert(bytes); });
  for (std::size_t i = 0; i < values.size(); ++i) values[i].first->variable.set_value(made[i]);
}

}  // namespace

LoadReport load_weights(Model& model, const WeightFiles& files, Device& device, const LoadOptions& options,
                        SharedWeightRoom* room) {
  if (options.initialize && options.base_width > 0) scale_initialization(model, options.base_width);
  LoadReport report;
  std::vector<std::string> missing;
  std::set<std::string> used;
  std::vector<std::pair<const Parameter*, WeightValue>> converted;
  for (Parameter& parameter : model.parameters().all()) {
    const auto [stored, form] = find_stored(model, parameter, files);
    parameter.loaded = stored == nullptr ? DType::f32 : narrow_type(*stored);
    if (stored == nullptr) {
      if (!may_be_drawn(parameter) && !options.initialize) {
        missing.push_back(parameter.name);
        continue;
      }
      draw(parameter, device, options.seed);
      if (!parameter.is_count) report.initialized.push_back(parameter.name);
      continue;
    }
    used.insert(form.name);
    const Shape shape = shape_of(*stored);
    const Shape expected = form.shape_of_tensor(parameter.shape);
    if (shape == expected) {
      const WeightValue value(parameter, *stored, form, device.shares_host_memory());
      value.require_numbers();
      if (value.lies_in_file() && device.shares_host_memory()) {
        parameter.variable.set_value(value.view());
      } else {
        converted.emplace_back(&parameter, value);
      }
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
    parameter.loaded = DType::f32;
    report.replaced.push_back(parameter.name);
  }
  convert_values(converted, device, room);
  if (room != nullptr && !room->note().empty()) report.notes.push_back(room->note());
  require_all(missing, files);
  for (const std::string& name : files.names())
    if (!used.contains(name) && !model.names().is_unread(name)) report.unexpected.push_back(name);
  return report;
}

std::vector<DType> held_types(const Model& model, const WeightFiles& files) {
  std::vector<DType> held;
  for (const Parameter& parameter : model.parameters().all()) {
    const auto [stored, form] = find_stored(model, parameter, files);
    const bool is_there = stored != nullptr && shape_of(*stored) == form.shape_of_tensor(parameter.shape);
    held.push_back(is_there ? WeightValue(parameter, *stored, form, true).type() : DType::f32);
  }
  return held;
}

namespace {

/// The values in the narrow type that files have them in, if nothing is lost by it.
std::optional<std::vector<std::uint16_t>> as_loaded(const Parameter& parameter, std::span<const float> values) {
  if (!is_narrow(parameter.loaded)) return std::nullopt;
  const bool is_bf16 = parameter.loaded == DType::bf16;
  std::vector<std::uint16_t> narrow(values.size());
  for (std::size_t i = 0; i < values.size(); ++i) {
    narrow[i] = is_bf16 ? to_bf16(values[i]) : to_f16(values[i]);
    const float again = is_bf16 ? from_bf16(narrow[i]) : from_f16(narrow[i]);
    if (std::bit_cast<std::uint32_t>(again) != std::bit_cast<std::uint32_t>(values[i])) return std::nullopt;
  }
  return narrow;
}

std::vector<ParameterToStore> weights_of(const Model& model) {
  std::vector<ParameterToStore> weights;
  for (const Parameter& parameter : model.parameters().all())
    if (parameter.role != ParameterRole::adapter)
      weights.push_back({&parameter, model.names().forms_of(parameter).front()});
  return weights;
}

StoredType stored_type(DType narrow) { return narrow == DType::f16 ? StoredType::f16 : StoredType::bf16; }

}  // namespace

StoredWeights::StoredWeights(const Model& model, Device& device, ImageExtent images) {
  std::vector<ParameterToStore> weights = weights_of(model);
  if (const auto table = images.pixels() > 0 ? model.resized_table(device, images) : std::nullopt) {
    for (ParameterToStore& weight : weights) {
      if (!(weight.parameter->variable == table->table)) continue;
      resized_ = *weight.parameter;
      resized_->shape = table->value.shape();
      resized_->variable = Variable(table->value);
      weight.parameter = &*resized_;
    }
  }
  add(weights, device);
}

StoredWeights::StoredWeights(std::span<const ParameterToStore> parameters, Device& device) { add(parameters, device); }

void StoredWeights::add(std::span<const ParameterToStore> parameters, Device& device) {
  const auto extents_of = [](const Shape& shape) {
    return std::vector<std::int64_t>(shape.extents().begin(), shape.extents().end());
  };
  std::map<std::string, std::vector<ParameterToStore>> composed;
  std::vector<std::string> order;
  for (const ParameterToStore& stored : parameters) {
    const bool is_first = composed.find(stored.form.name) == composed.end();
    if (is_first) order.push_back(stored.form.name);
    composed[stored.form.name].push_back(stored);
  }
  for (const std::string& name : order) {
    const std::vector<ParameterToStore>& parts = composed[name];
    const auto& [parameter, form] = parts.front();
    TensorToWrite& tensor = tensors_.emplace_back();
    tensor.name = name;
    tensor.shape = extents_of(form.shape_of_tensor(parameter->shape));
    if (form.is_count) {
      counts_.push_back(std::llround(HostCopy(device, parameter->variable.value()).values().front()));
      tensor.counts = {&counts_.back(), 1};
    } else if (form.is_plain()) {
      add_plain(tensor, *parameter, device);
    } else {
      compose(tensor, parts, device);
    }
  }
}

void StoredWeights::add_plain(TensorToWrite& tensor, const Parameter& parameter, Device& device) {
  const Tensor& value = parameter.variable.value();
  tensor.narrow_type = stored_type(parameter.loaded);
  if (size_of(value.type()) == sizeof(std::uint16_t) && device.shares_host_memory()) {
    viewed_.push_back(value);
    tensor.narrow = {static_cast<const std::uint16_t*>(value.bytes()), static_cast<std::size_t>(value.size())};
    return;
  }
  copies_.emplace_back(device, value);
  if (auto narrow = as_loaded(parameter, copies_.back().values())) {
    narrow_.push_back(*std::move(narrow));
    tensor.narrow = narrow_.back();
  } else {
    tensor.values = copies_.back().values();
  }
}

void StoredWeights::compose(TensorToWrite& tensor, const std::vector<ParameterToStore>& parts, Device& device) {
  const auto elements = static_cast<std::size_t>(element_count(tensor.shape).value_or(0));
  std::vector<std::vector<std::uint16_t>> of_parts;
  for (const auto& [parameter, form] : parts) {
    const HostCopy copy(device, parameter->variable.value());
    if (auto narrow = as_loaded(*parameter, copy.values())) of_parts.push_back(*std::move(narrow));
  }
  if (of_parts.size() == parts.size()) {
    std::vector<std::uint16_t>& all = narrow_.emplace_back(elements);
    for (std::size_t i = 0; i < parts.size(); ++i)
      for_each_element(parts[i].parameter->shape, parts[i].form,
                       [&](std::size_t here, std::size_t there) { all[there] = of_parts[i][here]; });
    tensor.narrow = all;
    tensor.narrow_type = stored_type(parts.front().parameter->loaded);
    return;
  }
  std::vector<float>& all = composed_.emplace_back(elements);
  for (const auto& [parameter, form] : parts) {
    const HostCopy copy(device, parameter->variable.value());
    for_each_element(parameter->shape, form,
                     [&](std::size_t here, std::size_t there) { all[there] = copy.values()[here]; });
  }
  tensor.values = all;
}

}  // namespace temper
