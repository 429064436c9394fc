#include "model/huggingface/export.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <optional>
#include <set>
#include <string_view>
#include <system_error>

#include "base/error.h"
#include "base/mapped_file.h"
#include "model/huggingface/json_object.h"
#include "model/huggingface/model_files.h"
#include "model/huggingface/timm_config.h"

namespace temper {
namespace {

namespace fs = std::filesystem;

constexpr std::array<std::string_view, 8> kOwnFiles = {
    "config.json",         "model.safetensors",         "README.md",     "temper.json",
    "adapter_config.json", "adapter_model.safetensors", kGenerationFile, kProcessorFile};

/// A folder that is gone at the end of the scope unless it is released.
class TemporaryFolder {
 public:
  explicit TemporaryFolder(fs::path path) : path_(std::move(path)) {
    std::error_code error;
    fs::remove_all(path_, error);  // left by an export that was killed
    if (!error) fs::create_directories(path_, error);
    if (error)
      throw Error("{}: cannot be created: {}; check the permissions and the free space of the folder above it",
                  path_.string(), error.message());
  }
  ~TemporaryFolder() {
    std::error_code ignored;
    if (!released_) fs::remove_all(path_, ignored);
  }
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;

  [[nodiscard]] const fs::path& path() const { return path_; }
  void release() { released_ = true; }

 private:
  fs::path path_;
  bool released_ = false;
};

fs::path hidden_sibling(const fs::path& target, std::string_view purpose) {
  return target.parent_path() / fmt::format(".{}.temper-{}", target.filename().string(), purpose);
}

bool is_exported_file(const fs::directory_entry& entry) {
  const std::string name = entry.path().filename().string();
  if (entry.is_directory() && !entry.is_symlink() && name == kChatTemplates) {
    std::error_code error;
    const fs::directory_iterator templates(entry.path(), error);
    return !error && std::all_of(begin(templates), end(templates), [](const fs::directory_entry& file) {
      return file.is_regular_file() && file.path().extension() == ".jinja";
    });
  }
  const auto is_name = [&](std::string_view known) { return known == name; };
  return entry.is_regular_file() && (std::any_of(kOwnFiles.begin(), kOwnFiles.end(), is_name) ||
                                     std::any_of(kTokenizerFiles.begin(), kTokenizerFiles.end(), is_name));
}

/// Replacing a folder deletes what was in it: that must be an older export and nothing else.
void check_target(const fs::path& named, const fs::path& source, const fs::path& target) {
  std::error_code ignored;
  if (target.filename().empty()) throw Error("{}: is no name for a folder; name the folder to write", named.string());
  if (!fs::exists(target, ignored)) return;
  if (!fs::is_directory(target, ignored))
    throw Error("{}: is a file, expected a folder or nothing; choose another output folder", target.string());
  if (fs::equivalent(target, source, ignored))
    throw Error("{}: is the base model itself, which an export would replace; choose another output folder",
                target.string());
  std::error_code error;
  for (const fs::directory_entry& entry : fs::directory_iterator(target, error)) {
    if (!is_exported_file(entry))
      throw Error(
          "{}: holds {}, which is not part of an exported model and would be deleted; choose another output "
          "folder, or move it away",
          target.string(), in_quotes(entry.path().filename().string()));
  }
  if (error) throw Error("{}: cannot be read: {}; check its permissions", target.string(), error.message());
  if (!fs::is_empty(target, ignored) && !fs::exists(target / "temper.json", ignored))
    throw Error(
        "{}: holds a model that no export left there (it has no temper.json), which this one would replace; choose "
        "another output folder, or move it away",
        target.string());
}

std::vector<std::string> labels_of(const ExportRequest& request) {
  const std::optional<std::size_t>& count = request.outputs;
  std::vector<std::string> labels = request.labels;
  if (labels.empty() && count.has_value())
    for (std::size_t i = 0; i < *count; ++i) labels.push_back(fmt::format("LABEL_{}", i));
  if (count.has_value() && labels.size() != *count)
    throw Error("{}: {} labels were given, but the classifier has {} rows; expected a label for each",
                request.target_folder.string(), labels.size(), *count);
  std::set<std::string> seen;
  for (const std::string& label : labels)
    if (!seen.insert(label).second)
      throw Error("{}: the label {} was given twice, expected different labels", request.target_folder.string(),
                  in_quotes(label));
  return labels;
}

void set_transformers_keys(nlohmann::ordered_json& config, const ExportRequest& request,
                           const std::vector<std::string>& labels) {
  config["architectures"] = nlohmann::ordered_json::array({request.architecture});
  // Older names of keys that are set here: two values for one thing would contradict each other.
  for (const char* replaced : {"torch_dtype", "num_labels", "id2label", "label2id"}) config.erase(replaced);
  config["dtype"] = "float32";
  if (request.image_size) {
    const auto& [height, width] = *request.image_size;
    config["image_size"] = height;
    if (height != width) config["image_size"] = {height, width};
  }
  if (labels.empty()) return;
  auto id2label = nlohmann::ordered_json::object();
  auto label2id = nlohmann::ordered_json::object();
  for (std::size_t id = 0; id < labels.size(); ++id) {
    id2label[std::to_string(id)] = labels[id];
    label2id[labels[id]] = id;
  }
  config["id2label"] = std::move(id2label);
  config["label2id"] = std::move(label2id);
}

void set_timm_keys(nlohmann::ordered_json& config, const ExportRequest& request,
                   const std::vector<std::string>& labels) {
  // Classes last: what says how pictures are read also says how many classes the source has.
  if (!request.pretrained_cfg.empty())
    set_timm_pictures(config, parse_json_object(request.pretrained_cfg, "pretrained_cfg"),
                      request.image_size.has_value());
  set_timm_classes(config, labels);
}

std::string config_text(const ExportRequest& request) {
  const fs::path source = config_place(request.source_folder);
  std::error_code ignored;
  if (!fs::exists(source, ignored))
    throw Error("{}: no such file, expected the configuration of the base model; check the path of the model folder",
                source.string());
  nlohmann::ordered_json config = parse_json_object(model_config_text(request.source_folder), source);
  const std::vector<std::string> labels = labels_of(request);
  config.erase("problem_type");
  if (is_timm_config(config))
    set_timm_keys(config, request, labels);
  else
    set_transformers_keys(config, request, labels);
  if (!request.problem_type.empty()) config["problem_type"] = request.problem_type;
  try {
    return config.dump(2) + "\n";
  } catch (const nlohmann::json::exception&) {
    throw Error("{}: a label is not UTF-8, expected UTF-8", request.target_folder.string());
  }
}

[[noreturn]] void refuse_replacement(const fs::path& target, int reason) {
  throw Error("{}: the new model cannot be put in its place: {}; check the permissions of the folder above it",
              target.string(), std::strerror(reason));
}

/// Where a file system cannot swap two names (NFS, some parallel ones): two renames, the first undone if the second
/// fails.
void replace_in_two_steps(const fs::path& fresh, const fs::path& target) {
  const fs::path previous = hidden_sibling(target, "previous");
  std::error_code ignored;
  fs::remove_all(previous, ignored);
  if (::rename(target.c_str(), previous.c_str()) != 0) refuse_replacement(target, errno);
  if (::rename(fresh.c_str(), target.c_str()) != 0) {
    const int reason = errno;
    fs::rename(previous, target, ignored);
    refuse_replacement(target, reason);
  }
  fs::remove_all(previous, ignored);
}

/// Puts the finished folder under its final name; `fresh` then no longer exists, or holds the old model to be removed.
void put_in_place(TemporaryFolder& fresh, const fs::path& target) {
  // Succeeds where the target is absent or an empty folder.
  if (::rename(fresh.path().c_str(), target.c_str()) == 0) {
    fresh.release();
  } else if (errno != ENOTEMPTY && errno != EEXIST) {
    refuse_replacement(target, errno);
  } else if (::renameat2(AT_FDCWD, fresh.path().c_str(), AT_FDCWD, target.c_str(), RENAME_EXCHANGE) != 0) {
    if (errno != EINVAL && errno != ENOSYS && errno != ENOTSUP) refuse_replacement(target, errno);
    replace_in_two_steps(fresh.path(), target);
  }
  sync_folder(target.parent_path());
}

}  // namespace

void write_exported_folder(const fs::path& target_folder, const fs::path& source_folder,
                           const std::function<void(const fs::path&)>& fill) {
  std::error_code error;
  fs::path target = fs::weakly_canonical(fs::absolute(target_folder), error);
  if (error) throw Error("{}: cannot be resolved: {}; check the path", target_folder.string(), error.message());
  if (target.filename().empty()) target = target.parent_path();  // "model/" is "model"
  check_target(target_folder, source_folder, target);
  TemporaryFolder fresh(hidden_sibling(target, "partial"));
  fill(fresh.path());
  put_in_place(fresh, target);
}

void write_named_files(const fs::path& folder, const std::map<std::string, std::string>& files) {
  for (const auto& [name, content] : files) {
    // Where there can be no folder, the file in it is what cannot be written.
    std::error_code error;
    fs::create_directories((folder / name).parent_path(), error);
    write_file_atomically(folder / name, content);
  }
}

void export_model(const ExportRequest& request) {
  write_exported_folder(request.target_folder, request.source_folder, [&](const fs::path& folder) {
    write_file_atomically(folder / "config.json", config_text(request));
    write_named_files(folder, request.tokenizer_files);
    if (!request.generation_config.empty()) write_file_atomically(folder / kGenerationFile, request.generation_config);
    // transformers refuses weights that do not say which framework's layout they have.
    write_safetensors(folder / "model.safetensors", request.tensors, {{"format", "pt"}});
    write_file_atomically(folder / "README.md", request.model_card);
    if (!request.trained_use.empty()) write_file_atomically(folder / "temper.json", request.trained_use);
  });
}

}  // namespace temper
