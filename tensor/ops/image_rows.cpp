#include "tensor/ops/image_rows.h"

#include <algorithm>

#include "base/error.h"
#include "tensor/ops/gradients.h"

namespace temper {
namespace {

/// A tensor without gaps as a matrix of so many rows.
Rows in_rows(const Tensor& tensor, std::int64_t rows) {
  const std::int64_t columns = rows == 0 ? 0 : tensor.size() / rows;
  return {tensor.bytes(), rows, columns, columns, tensor.type()};
}

std::vector<MixedRow> transposed(std::int64_t rows_in, const std::vector<MixedRow>& rows) {
  std::vector<MixedRow> back(static_cast<std::size_t>(rows_in));
  for (std::size_t row = 0; row < rows.size(); ++row)
    for (std::size_t i = 0; i < rows[row].sources.size(); ++i)
      back[static_cast<std::size_t>(rows[row].sources[i])].add(static_cast<std::int64_t>(row), rows[row].weights[i]);
  return back;
}

}  // namespace

RowMap::Arrays::Arrays(const std::vector<MixedRow>& rows) {
  std::vector<std::int32_t> all_starts{0};
  std::vector<std::int32_t> all_sources;
  std::vector<float> all_weights;
  for (const MixedRow& row : rows) {
    all_sources.insert(all_sources.end(), row.sources.begin(), row.sources.end());
    all_weights.insert(all_weights.end(), row.weights.begin(), row.weights.end());
    all_starts.push_back(static_cast<std::int32_t>(all_sources.size()));
  }
  // An array of nothing has no memory.
  if (all_sources.empty()) {
    all_sources.push_back(0);
    all_weights.push_back(0.0F);
  }
  starts = ConstantArray<std::int32_t>(std::move(all_starts));
  sources = ConstantArray<std::int32_t>(std::move(all_sources));
  weights = ConstantArray<float>(std::move(all_weights));
}

RowMap::OnDevice RowMap::Arrays::on(Device& device, std::int64_t rows_in, std::int64_t rows_out) const {
  return {starts.on(device), sources.on(device), weights.on(device), rows_in, rows_out};
}

RowMap::RowMap(std::int64_t rows_in, const std::vector<MixedRow>& rows)
    : rows_in_(rows_in), rows_out_(static_cast<std::int64_t>(rows.size())), there_(rows) {
  for (const MixedRow& row : rows)
    for (const std::int32_t source : row.sources)
      if (source < 0 || source >= rows_in)
        throw Error("mix_rows: a row is made of row {}, but there are {}", source, rows_in);
  back_ = Arrays(transposed(rows_in, rows));
}

RowMap RowMap::of_places(std::int64_t rows_in, const std::vector<std::int64_t>& sources) {
  std::vector<MixedRow> rows(sources.size());
  for (std::size_t row = 0; row < rows.size(); ++row) rows[row].add(sources[row]);
  return RowMap(rows_in, rows);
}

Variable patches(Tape& tape, const Tensor& pixels, const PatchShape& shape) {
  const std::int64_t each = shape.height * shape.width;
  if (each <= 0 || shape.patches() <= 0 || pixels.rows() % each != 0)
    throw Error("patches: {} rows of pixels are not those of images of {} x {} with patches of {} x {}", pixels.rows(),
                shape.height, shape.width, shape.patch_height, shape.patch_width);
  const std::int64_t images = pixels.rows() / each;
  const Tensor y = tape.empty({images * shape.patches(), pixels.columns() * shape.patch_height * shape.patch_width},
                              tape.activations());
  tape.kernels().run(calls::GatherPatches{.x = pixels.as_rows(),
                                          .height = shape.height,
                                          .width = shape.width,
                                          .patch_height = shape.patch_height,
                                          .patch_width = shape.patch_width,
                                          .y = y.as_rows()});
  return Variable(y);
}

Variable mix_rows(Tape& tape, const Variable& x, const RowMap& map, std::int64_t images, const Variable& added,
                  std::int64_t joined) {
  const std::int64_t rows_in = images * map.rows_in();
  const std::int64_t rows_out = images * map.rows_out();
  if (rows_in == 0 || x.value().size() % rows_in != 0 || rows_out % joined != 0)
    throw Error("mix_rows: an input of shape {} is not made of the {} rows of {} images, of which {} are joined",
                x.shape().text(), map.rows_in(), images, joined);
  const std::int64_t columns = x.value().size() / rows_in;
  if (added.defined() && added.value().size() != map.rows_out() * columns)
    throw Error("mix_rows: what is added has shape {}, expected {} elements", added.shape().text(),
                map.rows_out() * columns);
  const Tensor y = tape.empty({rows_out / joined, columns * joined}, x.value().type());
  tape.kernels().run(calls::MixRows{.x = in_rows(x.value(), rows_in),
                                    .mixture = map.on(tape.device()).mixture(),
                                    .images = images,
                                    .added = added.defined() ? added.value().data<float>() : nullptr,
                                    .y = in_rows(y, rows_out)});
  Variable out(y, tape.records({&x, &added}));
  if (!out.requires_gradient()) return out;
  const RowMap::OnDevice back = map.transposed_on(tape.device());
  tape.record({&x, &added}, [&tape, x = x.without_value(), added = added.defined() ? added.without_value() : Variable(),
                             back, images, rows_in, rows_out, out = out.without_value()] {
    const Tensor dy = out.gradient();
    if (x.requires_gradient()) {
      const GradientTarget dx = tape.gradient_of(x);
      tape.kernels().run(calls::MixRows{.x = in_rows(dy, rows_out),
                                        .mixture = back.mixture(),
                                        .images = images,
                                        .y = in_rows(dx.tensor, rows_in),
                                        .accumulate = dx.accumulate});
    }
    if (added.requires_gradient()) {
      const GradientTarget sum = tape.gradient_of(added);
      tape.kernels().run(calls::SumImages{
          .x = in_rows(dy, rows_out), .images = images, .sum = sum.tensor.data<float>(), .accumulate = sum.accumulate});
    }
  });
  return out;
}

Variable drop_images(Tape& tape, const Variable& x, const Tensor& examples, const Dropout& dropout) {
  if (!dropout.active()) return x;
  const std::int64_t images = examples.size();
  if (images == 0 || x.value().rows() % images != 0)
    throw Error("drop_images: an input of shape {} has no rows for each of {} images", x.shape().text(), images);
  const Tensor y = tape.empty(x.shape(), x.value().type());
  tape.kernels().run(calls::DropImages{.x = x.value().as_rows(),
                                       .images = images,
                                       .examples = examples.data<std::uint32_t>(),
                                       .dropout = dropout,
                                       .y = y.as_rows()});
  Variable out(y, tape.records({&x}));
  if (!out.requires_gradient()) return out;
  tape.record({&x}, [&tape, x = x.without_value(), images, examples, dropout, out = out.without_value()] {
    const GradientTarget dx = tape.gradient_of(x);
    tape.kernels().run(calls::DropImages{.x = out.gradient().as_rows(),
                                         .images = images,
                                         .examples = examples.data<std::uint32_t>(),
                                         .dropout = dropout,
                                         .y = dx.tensor.as_rows(),
                                         .accumulate = dx.accumulate});
  });
  return out;
}

Variable scale_columns(Tape& tape, const Variable& x, const Variable& factors) {
  if (factors.value().size() != x.value().columns())
    throw Error("scale_columns: {} factors for an input of shape {}", factors.value().size(), x.shape().text());
  const Tensor y = tape.empty(x.shape(), x.value().type());
  tape.kernels().run(
      calls::ScaleColumns{.x = x.value().as_rows(), .factors = factors.value().data<float>(), .y = y.as_rows()});
  Variable out(y, tape.records({&x, &factors}));
  if (!out.requires_gradient()) return out;
  const Variable kept_x = factors.requires_gradient() ? x : x.without_value();
  tape.record({&x, &factors}, [&tape, x = kept_x, factors, out = out.without_value()] {
    const Rows dy = out.gradient().as_rows();
    if (factors.requires_gradient()) {
      const GradientTarget sums = tape.gradient_of(factors);
      tape.kernels().run(calls::SumColumnProducts{
          .a = dy, .b = x.value().as_rows(), .sums = sums.tensor.data<float>(), .accumulate = sums.accumulate});
    }
    if (x.requires_gradient()) {
      const GradientTarget dx = tape.gradient_of(x);
      tape.kernels().run(calls::ScaleColumns{
          .x = dy, .factors = factors.value().data<float>(), .y = dx.tensor.as_rows(), .accumulate = dx.accumulate});
    }
  });
  return out;
}

}  // namespace temper
