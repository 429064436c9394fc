#include "runtime/frozen_layout.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/digest.h"
#include "tensor/host_copy.h"
#include "version.h"

namespace temper {

FrozenLayout lay_out_frozen(const Dataset& data, Task task, const Model& model, std::int64_t stages,
                            DType activations) {
  FrozenLayout layout;
  layout.stages = stages;
  layout.width = model.width();
  layout.type = activations;
  const bool whole = stages < model.stages();
  const auto hidden_rows = [&](std::int64_t example) -> std::int64_t {
    if (whole) return data.length(example);
    if (!is_token_task(task)) return 1;
    const auto begin = data.classes.begin() + data.starts[static_cast<std::size_t>(example)];
    return std::count_if(begin, begin + data.length(example), [](std::int32_t c) { return c != kUnlabelled; });
  };
  layout.row_starts.reserve(static_cast<std::size_t>(data.rows()) + 1);
  std::int64_t tokens = 0;
  for (std::int64_t example = 0; example < data.rows(); ++example) {
    layout.row_starts.push_back(layout.rows() + hidden_rows(example));
    if (tokens > 0 && tokens + data.length(example) > FrozenLayout::kBlockTokens) {
      layout.block_starts.push_back(example);
      tokens = 0;
    }
    tokens += data.length(example);
  }
  if (data.rows() > 0) layout.block_starts.push_back(data.rows());
  return layout;
}

std::string frozen_content_key(const FrozenLayout& layout, const Dataset& data, const Model& model, Device& device) {
  const auto digest = [](const auto& values) { return sha256_hex(std::as_bytes(std::span(values))); };
  std::string text =
      fmt::format("hidden rows of temper {}\n{} stages of {}, width {}, {}, blocks of {} tokens\n", kVersion,
                  layout.stages, model.stages(), layout.width, name_of(layout.type), FrozenLayout::kBlockTokens);
  for (const Parameter& parameter : model.parameters().all())
    if (parameter.depth < layout.stages)
      text += fmt::format("{} {}\n", parameter.name, digest(HostCopy(device, parameter.variable.value()).values()));
  text += fmt::format("rows {}\nids {}\ntypes {}\ntokens {}\n", digest(layout.row_starts), digest(data.ids),
                      digest(data.types), digest(data.starts));
  // Which tokens a row stands for.
  if (layout.stages == model.stages() && data.has_token_classes())
    text += fmt::format("labels {}\n", digest(data.classes));
  return sha256_hex(text);
}

}  // namespace temper
