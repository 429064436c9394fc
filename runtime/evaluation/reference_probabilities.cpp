#include "runtime/evaluation/reference_probabilities.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <numeric>
#include <optional>
#include <vector>

#include "base/clock.h"
#include "base/counted.h"
#include "base/digest.h"
#include "base/error.h"
#include "base/human_numbers.h"
#include "base/mapped_file.h"
#include "data/token_rows.h"
#include "runtime/steps/compute_copies.h"
#include "runtime/steps/device_batch.h"
#include "tensor/host_copy.h"
#include "version.h"

namespace temper {
namespace {

constexpr std::int64_t kTokensOfBlock = 4096;
constexpr double kSecondsBetweenNotes = 10.0;
constexpr std::string_view kTitle = "temper reference 1\n";

/// The last row of a block that begins with `first`: of so many tokens, or one row of more.
std::int64_t end_of_block(const TokenStore& rows, std::int64_t first) {
  std::int64_t end = first + 1;
  for (std::int64_t tokens = rows.length(first); end < rows.rows() && tokens + rows.length(end) <= kTokensOfBlock;
       ++end)
    tokens += rows.length(end);
  return end;
}

/// Adds those of rows [first, end).
void compute_block(const TokenStore& rows, std::int64_t first, std::int64_t end, Model& model, Device& device,
                   DType activations, std::vector<double>& of_rows) {
  std::vector<std::int64_t> numbers(static_cast<std::size_t>(end - first));
  std::iota(numbers.begin(), numbers.end(), first);
  const Batch host = rows.read(numbers, kEvaluationEpoch);
  const DeviceBatch batch = to_device(host, model.readout(), BatchUse{}, device);
  Tape tape(device, Tape::Mode::evaluation, {}, activations);
  const RowLosses losses{Tensor::empty(device.memory(), {batch.rows}, DType::f64)};
  model.row_losses(tape, batch.input, batch.selection, batch.targets, device.zeros({2}, DType::f64), losses);
  const std::vector<double> each = device.download<double>(losses.losses);
  std::size_t next = 0;
  for (std::size_t s = 0; s < numbers.size(); ++s) {
    double log_probability = 0.0;
    for (std::int32_t token = host.sequence_starts[s]; token < host.sequence_starts[s + 1]; ++token)
      if (host.classes[static_cast<std::size_t>(token)] != kUnlabelled) log_probability -= each[next++];
    of_rows[static_cast<std::size_t>(first) + s] = log_probability;
  }
}

template <typename T>
std::string digest_of_rows(const TokenStore& rows, std::span<const T> array) {
  Sha256 digest;
  rows.scan(array, [&](std::span<const T> piece, std::size_t) {
    digest.add(std::as_bytes(piece));
    return true;
  });
  return digest.hex();
}

/// Of all that decides what a model makes of any rows.
std::string key_of_model(const Model& model, Device& device, DType activations) {
  std::string text =
      fmt::format("temper {}\n{}\n{} {}\n", kVersion, model.definition(), name_of(activations), device.arithmetic());
  model.for_each_value([&](const Parameter& parameter) {
    const HostCopy values(device, parameter.variable.value());
    text += fmt::format("{} {}\n", parameter.name, sha256_hex(std::as_bytes(values.values())));
    return true;
  });
  return text;
}

std::filesystem::path file_of(const std::filesystem::path& folder, const std::string& model, const TokenStore& rows) {
  const std::string text = fmt::format("{}{}\n{}\n{}\n", model, digest_of_rows(rows, rows.ids()),
                                       digest_of_rows(rows, rows.starts()), digest_of_rows(rows, rows.classes()));
  return folder / fmt::format("reference-{}.f64", sha256_hex(text).substr(0, 32));
}

/// What an earlier start has left; nothing where that is absent or damaged.
std::optional<std::vector<double>> read_references(const std::filesystem::path& file, std::int64_t rows) {
  std::error_code absent;
  if (!std::filesystem::exists(file, absent)) return std::nullopt;
  try {
    const MappedFile mapped(file);
    std::string_view text = mapped.text();
    std::vector<double> values(static_cast<std::size_t>(rows));
    const std::size_t bytes = values.size() * sizeof(double);
    constexpr std::size_t kDigest = 64;
    if (!text.starts_with(kTitle) || text.size() != kTitle.size() + kDigest + bytes) return std::nullopt;
    text.remove_prefix(kTitle.size());
    if (sha256_hex(text.substr(kDigest)) != text.substr(0, kDigest)) return std::nullopt;
    std::memcpy(values.data(), text.data() + kDigest, bytes);
    return values;
  } catch (const Error&) {
    return std::nullopt;
  }
}

void write_references(const std::filesystem::path& file, const std::vector<double>& values) {
  std::string bytes(values.size() * sizeof(double), '\0');
  std::memcpy(bytes.data(), values.data(), bytes.size());
  std::filesystem::create_directories(file.parent_path());
  write_file_atomically(file, std::string(kTitle) + sha256_hex(bytes) + bytes);
}

/// Collective. Of all rows, from all ranks.
std::vector<double> compute(const TokenStore& rows, Model& model, Device& device, Communicator& communicator,
                            const ReferenceSettings& settings) {
  std::vector<double> of_rows(static_cast<std::size_t>(rows.rows()));
  const Clock::time_point began = Clock::now();
  Clock::time_point last_note = began;
  std::int64_t block = 0;
  for (std::int64_t first = 0; first < rows.rows(); ++block) {
    const std::int64_t end = end_of_block(rows, first);
    if (block % communicator.size() == communicator.rank())
      compute_block(rows, first, end, model, device, settings.activations, of_rows);
    first = end;
    if (seconds_since(last_note) < kSecondsBetweenNotes) continue;
    last_note = Clock::now();
    settings.say(fmt::format("reference: {} of {}", grouped(end / 2), grouped(rows.rows() / 2, "pair")));
  }
  communicator.all_reduce(std::span(of_rows), Reduction::sum);  // the others have zeros
  settings.say(fmt::format("reference: what the model makes of {} before it is trained, computed in {:.1f} s",
                           grouped(rows.rows() / 2, "pair"), seconds_since(began)));
  return of_rows;
}

/// Collective. What rank 0 has found, on all ranks; nothing where it has found none.
std::optional<std::vector<double>> shared(const std::optional<std::vector<double>>& found, std::int64_t rows,
                                          Communicator& communicator) {
  std::vector<std::int64_t> known{communicator.rank() == 0 && found ? 1 : 0};
  communicator.all_reduce(std::span(known), Reduction::max);
  if (known.front() == 0) return std::nullopt;
  std::vector<double> values = found.value_or(std::vector<double>(static_cast<std::size_t>(rows)));
  communicator.broadcast(std::as_writable_bytes(std::span(values)), 0);
  return values;
}

/// Of weights that are computed with in another type than they lie in, the copies; nothing else is to keep them.
void drop_compute_copies(const Model& model, DType activations) {
  for (const Parameter& parameter : model.parameters().all())
    if (parameter.variable.value().type() != activations) parameter.variable.set_compute_copy({});
}

}  // namespace

void compare_with_model(std::span<PairedRows* const> pairs, Model& model, Device& device, Communicator& communicator,
                        const ReferenceSettings& settings) {
  const bool keeps = !settings.folder.empty() && communicator.rank() == 0;
  const std::string key = keeps ? key_of_model(model, device, settings.activations) : std::string();
  for (PairedRows* rows : pairs) {
    const TokenStore& store = rows->store();
    const std::filesystem::path file = keeps ? file_of(settings.folder, key, store) : std::filesystem::path();
    std::optional<std::vector<double>> values =
        shared(keeps ? read_references(file, store.rows()) : std::nullopt, store.rows(), communicator);
    if (values) {
      settings.say(fmt::format("reference: known for {}", grouped(store.rows() / 2, "pair")));
    } else {
      ensure_compute_copies(model, device, settings.activations);
      values = compute(store, model, device, communicator, settings);
      try {
        if (keeps) write_references(file, *values);
      } catch (const std::exception& error) {
        settings.say(fmt::format("{}; the run does without it", error.what()));
      }
    }
    if (!std::all_of(values->begin(), values->end(), [](double value) { return std::isfinite(value); }))
      throw Error("the model makes nothing finite of some of the pairs before it is trained; check its weights");
    rows->compare_with(std::move(*values));
  }
  drop_compute_copies(model, settings.activations);
  device.memory().trim();
}

}  // namespace temper
