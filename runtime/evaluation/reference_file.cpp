#include "runtime/evaluation/reference_file.h"

#include <fmt/format.h>

#include <cstring>
#include <string_view>

#include "base/digest.h"
#include "base/error.h"
#include "base/mapped_file.h"
#include "tensor/host_copy.h"
#include "version.h"

namespace temper {
namespace {

constexpr std::string_view kReferenceTitle = "temper reference 2\n";
constexpr std::size_t kReferenceDigest = 64;

template <typename T>
std::string digest_of_rows(const TokenStore& rows, std::span<const T> array) {
  Sha256 digest;
  rows.scan(array, [&](std::span<const T> piece, std::size_t) {
    digest.add(std::as_bytes(piece));
    return true;
  });
  return digest.hex();
}

}  // namespace

std::string reference_key(const Model& model, Device& device, DType activations, const NewAdapters& new_adapters) {
  std::string text = fmt::format("temper {}\n{}\n{} {}\n", kVersion,
                                 new_adapters.lora == nullptr ? model.definition() : new_adapters.definition_before,
                                 name_of(activations), device.arithmetic());
  if (const Lora* lora = new_adapters.lora; lora != nullptr)
    for (const FileModule& module : lora->modules)
      text += fmt::format("{} has a new adapter{}\n", module.name, lora->settings.dora ? " (DoRA)" : "");
  model.for_each_value([&](const Parameter& parameter) {
    if (new_adapters.lora != nullptr && parameter.role == ParameterRole::adapter) return true;
    const HostCopy values(device, parameter.variable.value());
    text += fmt::format("{} {}\n", parameter.name, sha256_hex(std::as_bytes(values.values())));
    return true;
  });
  return text;
}

std::filesystem::path reference_file(const std::filesystem::path& folder, const std::string& key,
                                     const TokenStore& rows) {
  const std::string text = fmt::format("{}{}\n{}\n{}\n", key, digest_of_rows(rows, rows.ids()),
                                       digest_of_rows(rows, rows.starts()), digest_of_rows(rows, rows.classes()));
  return folder / fmt::format("reference-{}.f64", sha256_hex(text).substr(0, 32));
}

std::vector<double> read_references(const std::filesystem::path& file, std::int64_t rows) {
  std::error_code absent;
  if (!std::filesystem::exists(file, absent)) return {};
  try {
    const MappedFile mapped(file);
    std::string_view text = mapped.text();
    if (!text.starts_with(kReferenceTitle) || text.size() < kReferenceTitle.size() + kReferenceDigest) return {};
    text.remove_prefix(kReferenceTitle.size());
    const std::string_view digest = text.substr(0, kReferenceDigest);
    text.remove_prefix(kReferenceDigest);
    if (text.size() % sizeof(double) != 0 || text.size() > static_cast<std::size_t>(rows) * sizeof(double) ||
        sha256_hex(text) != digest)
      return {};
    std::vector<double> values(text.size() / sizeof(double));
    std::memcpy(values.data(), text.data(), text.size());
    return values;
  } catch (const Error&) {
    return {};
  }
}

void write_references(const std::filesystem::path& file, std::span<const double> values) {
  std::string bytes(values.size_bytes(), '\0');
  std::memcpy(bytes.data(), values.data(), bytes.size());
  std::filesystem::create_directories(file.parent_path());
  write_file_atomically(file, std::string(kReferenceTitle) + sha256_hex(bytes) + bytes);
}

}  // namespace temper
