#include "runtime/inputs/data_origin.h"

#include <algorithm>
#include <string>
#include <vector>

#include "base/digest.h"
#include "base/error.h"
#include "model/adapters/peft_config.h"
#include "runtime/inputs/run_model.h"

namespace temper {
namespace {

/// A role of files, and what a run did with them, for messages.
struct Role {
  const char* name;
  const char* key;
  const char* deed;
};

constexpr Role kDecisive[] = {{"train", "data.train", "trained on"},
                              {"validation", "data.validation", "validated on"},
                              {kTokenizerRole, "model.path", "trained with"},
                              {kAdapterRole, "model.adapter", "begun with"}};

std::vector<DataFileLineage> files_of(const std::string& role, std::span<const DataFileLineage> files) {
  std::vector<DataFileLineage> found;
  std::copy_if(files.begin(), files.end(), std::back_inserter(found),
               [&](const DataFileLineage& file) { return file.role == role; });
  return found;
}

bool same_digest(const DataFileLineage& a, const DataFileLineage& b) { return a.sha256 == b.sha256; }

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

/// "a.csv and b.csv; c.csv": those of each name that was mixed.
std::string listed_by_name(const std::vector<DataFileLineage>& files) {
  constexpr std::size_t kShown = 8;
  std::string text;
  for (std::size_t i = 0; i < std::min(kShown, files.size()); ++i) {
    const char* const between = i == 0 ? "" : files[i].mixed_as == files[i - 1].mixed_as ? " and " : "; ";
    text += between + files[i].file;
  }
  if (files.size() > kShown) text += fmt::format(" and {} more", files.size() - kShown);
  return text;
}

/// The same files can stand for other names, and a weight belongs to a name.
void require_same_names(const std::filesystem::path& checkpoint, const std::vector<DataFileLineage>& before,
                        const std::vector<DataFileLineage>& now) {
  const auto is_mixed = [](const DataFileLineage& file) { return file.mixed_as >= 0; };
  // Checkpoints of older versions do not tell; whether there are weights at all is a matter of the configuration.
  if (!std::all_of(before.begin(), before.end(), is_mixed) || !std::all_of(now.begin(), now.end(), is_mixed)) return;
  const auto same_name = [](const DataFileLineage& a, const DataFileLineage& b) { return a.mixed_as == b.mixed_as; };
  if (std::equal(before.begin(), before.end(), now.begin(), now.end(), same_name)) return;
  throw usage_error(
      "{}: was trained on the files of data.train in these groups, each with its weight of data.train_weights: {}; now "
      "its names group the same files as {}; name them as they were, choose another output.dir, or start anew with "
      "--fresh",
      checkpoint.string(), listed_by_name(before), listed_by_name(now));
}

void require_same(const std::filesystem::path& checkpoint, const Role& role, std::span<const DataFileLineage> before,
                  std::span<const DataFileLineage> now) {
  const std::vector<DataFileLineage> then = files_of(role.name, before);
  const std::vector<DataFileLineage> current = files_of(role.name, now);
  // Checkpoints that tell of no files are not refused for it.
  if (then.empty() || current.empty()) return;
  if (same_content(role.name, before, now)) return require_same_names(checkpoint, then, current);
  if (sorted_digests(then) == sorted_digests(current))
    throw usage_error(
        "{}: was {} the same files in another order: {}; name them in that order, choose another output.dir, or "
        "start anew with --fresh",
        checkpoint.string(), role.deed, listed(then));
  const auto same_name = [](const DataFileLineage& a, const DataFileLineage& b) { return a.file == b.file; };
  if (!std::equal(then.begin(), then.end(), current.begin(), current.end(), same_name))
    throw usage_error(
        "{}: was {} {}, but {} names {} (beginnings of their SHA-256 in brackets); name the files of then, choose "
        "another output.dir, or start anew with --fresh",
        checkpoint.string(), role.deed, listed(then), role.key, listed(current));
  const auto [changed, its_new] = std::mismatch(then.begin(), then.end(), current.begin(), same_digest);
  if (!changed->pictures_sha256.empty() && !its_new->pictures_sha256.empty() &&
      changed->pictures_sha256 != its_new->pictures_sha256)
    throw Error(
        "{}: was {} another version of {}: of its pictures, {} rows then and {} now, at least one has changed, was "
        "added or was taken out; put them back (no digest of each is kept), choose another output.dir, or start anew "
        "with --fresh",
        checkpoint.string(), role.deed, changed->file, changed->rows, its_new->rows);
  throw Error(
      "{}: was {} another version of {} (its SHA-256 was {}, now it is {}); put that file back, choose another "
      "output.dir, or start anew with --fresh",
      checkpoint.string(), role.deed, changed->file, changed->sha256.substr(0, 16), its_new->sha256.substr(0, 16));
}

}  // namespace

void add_model_files(std::vector<DataFileLineage>& files, const std::filesystem::path& tokenizer,
                     const std::filesystem::path& adapter) {
  const auto add = [&](const char* role, const std::filesystem::path& file) {
    files.push_back({role, file.filename().string(), sha256_file(file), 0});
  };
  for (const std::filesystem::path& file : tokenizer_files_of(tokenizer)) add(kTokenizerRole, file);
  if (adapter.empty()) return;
  for (const char* name : {kPeftConfigFile, kPeftWeightsFile}) add(kAdapterRole, adapter / name);
}

bool same_content(const std::string& role, std::span<const DataFileLineage> before,
                  std::span<const DataFileLineage> now) {
  const std::vector<DataFileLineage> then = files_of(role, before);
  const std::vector<DataFileLineage> current = files_of(role, now);
  return !then.empty() && std::equal(then.begin(), then.end(), current.begin(), current.end(), same_digest);
}

void require_same_data_files(const std::filesystem::path& checkpoint, std::span<const DataFileLineage> before,
                             std::span<const DataFileLineage> now) {
  for (const Role& role : kDecisive) require_same(checkpoint, role, before, now);
}

}  // namespace temper
