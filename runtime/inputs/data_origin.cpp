#include "runtime/inputs/data_origin.h"

#include <algorithm>
#include <string>
#include <vector>

#include "base/error.h"

namespace temper {
namespace {

std::vector<DataFileLineage> training_files(std::span<const DataFileLineage> files) {
  std::vector<DataFileLineage> of_training;
  std::copy_if(files.begin(), files.end(), std::back_inserter(of_training),
               [](const DataFileLineage& file) { return file.role == "train"; });
  return of_training;
}

std::vector<std::string> sorted_digests(const std::vector<DataFileLineage>& files) {
  std::vector<std::string> digests;
  for (const DataFileLineage& file : files) digests.push_back(file.sha256);
  std::sort(digests.begin(), digests.end());
  return digests;
}

/// "a.csv (58fdcc72db8e9ebe), b.csv (77ff...)"
std::string listed(const std::vector<DataFileLineage>& files) {
  constexpr std::size_t kShown = 5;
  std::string text;
  for (std::size_t i = 0; i < std::min(kShown, files.size()); ++i)
    text += fmt::format("{}{} ({})", i == 0 ? "" : ", ", files[i].file, files[i].sha256.substr(0, 16));
  if (files.size() > kShown) text += fmt::format(" and {} more", files.size() - kShown);
  return text;
}

}  // namespace

void require_same_training_files(const std::filesystem::path& checkpoint, std::span<const DataFileLineage> before,
                                 std::span<const DataFileLineage> now) {
  const std::vector<DataFileLineage> then = training_files(before);
  const std::vector<DataFileLineage> current = training_files(now);
  // Checkpoints that tell of no files are not refused for it.
  if (then.empty() || current.empty()) return;
  const auto same_name = [](const DataFileLineage& a, const DataFileLineage& b) { return a.file == b.file; };
  const auto same_content = [](const DataFileLineage& a, const DataFileLineage& b) { return a.sha256 == b.sha256; };
  if (std::equal(then.begin(), then.end(), current.begin(), current.end(), same_content)) return;
  if (sorted_digests(then) == sorted_digests(current))
    throw usage_error(
        "{}: was trained on the same files in another order: {}; name them in that order, choose another output.dir, "
        "or "
        "start anew with --fresh",
        checkpoint.string(), listed(then));
  if (!std::equal(then.begin(), then.end(), current.begin(), current.end(), same_name))
    throw usage_error(
        "{}: was trained on {} (by SHA-256), but data.train names {}; name the files of then, choose another "
        "output.dir, "
        "or start anew with --fresh",
        checkpoint.string(), listed(then), listed(current));
  const auto [changed, its_new] = std::mismatch(then.begin(), then.end(), current.begin(), same_content);
  throw Error(
      "{}: was trained on another version of {} (its SHA-256 was {}, now it is {}); put that file back, choose another "
      "output.dir, or start anew with --fresh",
      checkpoint.string(), changed->file, changed->sha256.substr(0, 16), its_new->sha256.substr(0, 16));
}

}  // namespace temper
