#include "runtime/checkpoints/disk_room.h"

#include <fmt/format.h>

#include <algorithm>
#include <limits>
#include <system_error>

#include "base/counted.h"
#include "base/human_numbers.h"

namespace temper {
namespace {

constexpr std::int64_t kSavedBytes = sizeof(float);

}  // namespace

std::int64_t checkpoint_bytes(const Model& model, const UpdateRule& rule) {
  std::int64_t elements = 0;
  for (const Parameter& parameter : model.parameters().all()) {
    if (!parameter.trainable()) continue;
    elements += parameter.size();
    const MatrixExtent matrix = matrix_extent(parameter.shape);
    for (const StateArray& array : rule.state)
      elements += array.elements(parameter.size(), matrix.rows, matrix.columns);
  }
  return elements * kSavedBytes;
}

std::int64_t export_bytes(const Model& model, bool adapters_alone) {
  constexpr std::int64_t kNarrowBytes = 2;
  std::int64_t bytes = 0;
  for (const Parameter& parameter : model.parameters().all()) {
    if (adapters_alone && !parameter.trainable()) continue;
    const bool is_narrow =
        !parameter.trainable() && size_of(parameter.variable.value().type()) == sizeof(std::uint16_t);
    bytes += parameter.size() * (is_narrow ? kNarrowBytes : kSavedBytes);
  }
  return bytes;
}

std::int64_t checkpoints_at_once(const CheckpointSection& settings, bool has_best, std::int64_t total_steps,
                                 std::int64_t steps_per_epoch) {
  const std::int64_t kept = settings.keep + (has_best ? 1 : 0);
  // Those that time asks for come on top, and nobody knows how many.
  if (settings.every_minutes > 0) return kept + 1;
  const std::int64_t interval = std::max<std::int64_t>(
      settings.every_steps > 0 ? static_cast<std::int64_t>(settings.every_steps) : steps_per_epoch, 1);
  const std::int64_t saved = (total_steps + interval - 1) / interval;
  return std::min(kept, std::max<std::int64_t>(saved - 1, 0)) + 1;
}

std::optional<std::int64_t> free_room(const std::filesystem::path& folder) {
  std::error_code unknown;
  std::filesystem::path place = std::filesystem::absolute(folder, unknown);
  while (!unknown && !std::filesystem::exists(place, unknown) && place.has_relative_path()) place = place.parent_path();
  const std::filesystem::space_info space = std::filesystem::space(place, unknown);
  // File systems that count nothing say so by a size of 0.
  if (unknown || space.available == static_cast<std::uintmax_t>(-1) || space.capacity == 0) return std::nullopt;
  constexpr std::uintmax_t kMost = std::numeric_limits<std::int64_t>::max();
  return static_cast<std::int64_t>(std::min<std::uintmax_t>(space.available, kMost));
}

std::string disk_note(const DiskNeed& need, const std::filesystem::path& folder, std::int64_t room, std::int64_t held) {
  if (need.total() - held <= room) return "";
  std::string parts = fmt::format("{} of {} MiB", counted(need.checkpoints, "checkpoint"), mebibytes(need.checkpoint));
  if (need.model > 0) parts += fmt::format(", and the model's {} MiB", mebibytes(need.model));
  return fmt::format(
      "{} will take up to {} MiB ({}), but the disk has {} MiB free there{}; free some, lower checkpoint.keep, or "
      "choose another output.dir",
      folder.string(), mebibytes(need.total()), parts, whole_mebibytes(room),
      held > 0 ? fmt::format(" beside the run's own {}", mebibytes(held)) : "");
}

std::string whole_mebibytes(std::int64_t room) { return grouped(room >> 20); }

std::int64_t bytes_in(const std::filesystem::path& folder, std::string_view ending) {
  std::int64_t bytes = 0;
  std::error_code gone;
  for (auto entry = std::filesystem::recursive_directory_iterator(folder, gone);
       !gone && entry != std::filesystem::recursive_directory_iterator(); entry.increment(gone))
    if (std::error_code status; entry->is_regular_file(status) && entry->path().filename().string().ends_with(ending)) {
      const std::uintmax_t size = entry->file_size(status);
      if (!status) bytes += static_cast<std::int64_t>(size);
    }
  return bytes;
}

}  // namespace temper
