// A model may be larger than memory can hold twice, so it is streamed into the file rather than assembled first.
#include <algorithm>
#include <vector>

#include "base/error.h"
#include "base/partial_file.h"
#include "model/huggingface/json_object.h"
#include "model/huggingface/safetensors.h"

namespace temper {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kDataAlignment = 64;

/// Tensors that fill whole alignment units first: then each of those begins aligned, though the format allows no gaps.
std::vector<TensorToWrite> aligned_first(std::span<const TensorToWrite> tensors) {
  std::vector<TensorToWrite> ordered(tensors.begin(), tensors.end());
  std::stable_partition(ordered.begin(), ordered.end(),
                        [](const TensorToWrite& tensor) { return tensor.bytes().size() % kDataAlignment == 0; });
  return ordered;
}

std::string header_of(std::span<const TensorToWrite> tensors, const std::map<std::string, std::string>& metadata,
                      const fs::path& path) {
  auto header = nlohmann::json::object();
  if (!metadata.empty()) header["__metadata__"] = metadata;
  std::uint64_t offset = 0;
  for (const TensorToWrite& tensor : tensors) {
    if (tensor.name.empty() || tensor.name == "__metadata__" || header.contains(tensor.name))
      throw Error("{}: cannot hold a tensor named {}: names must be unique, not empty and not \"__metadata__\"",
                  path.string(), in_quotes(tensor.name));
    const auto count = element_count(tensor.shape);
    const std::size_t values = tensor.bytes().size() / size_in_bytes(tensor.type());
    if (!count.has_value() || static_cast<std::uint64_t>(*count) != values)
      throw Error("{}: tensor {} has {} values, expected as many as its shape {} has elements", path.string(),
                  in_quotes(tensor.name), values, nlohmann::json(tensor.shape).dump());
    const std::uint64_t end = offset + tensor.bytes().size();
    const std::string_view type = name_of(tensor.type());
    header[tensor.name] = {{"dtype", type}, {"shape", tensor.shape}, {"data_offsets", {offset, end}}};
    offset = end;
  }
  std::string text;
  try {
    text = header.dump();
  } catch (const nlohmann::json::exception&) {
    throw Error("{}: a tensor name or a metadata text is not UTF-8, expected UTF-8", path.string());
  }
  const std::size_t unpadded = sizeof(std::uint64_t) + text.size();
  text.append((kDataAlignment - unpadded % kDataAlignment) % kDataAlignment, ' ');
  return text;
}

}  // namespace

void write_safetensors(const fs::path& path, std::span<const TensorToWrite> tensors,
                       const std::map<std::string, std::string>& metadata) {
  const std::vector<TensorToWrite> ordered = aligned_first(tensors);
  const std::string header = header_of(ordered, metadata, path);
  const std::uint64_t length = header.size();
  PartialFile file(path);
  file.write(std::as_bytes(std::span(&length, 1)));
  file.write(std::as_bytes(std::span(header)));
  for (const TensorToWrite& tensor : ordered) file.write(tensor.bytes());
  file.commit();
}

}  // namespace temper
