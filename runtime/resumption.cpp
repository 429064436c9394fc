#include "runtime/resumption.h"

#include "base/error.h"
#include "runtime/data_origin.h"
#include "runtime/model_export.h"

namespace temper {

std::optional<FoundCheckpoint> find_checkpoint_to_resume(const Configuration& configuration, Communicator& communicator,
                                                         const std::function<void(const std::string&)>& warn) {
  if (!configuration.checkpoint.resume) return {};
  const std::filesystem::path folder = std::filesystem::path(configuration.output.dir) / "checkpoints";
  std::optional<FoundCheckpoint> found = newest_good_checkpoint(folder, communicator, warn);
  if (!found) return {};
  const Configuration before = parse_configuration(found->checkpoint.configuration_toml(), found->path.string(), {});
  const std::vector<std::string> keys = differing_keys(before, configuration);
  if (!keys.empty())
    throw usage_error(
        "{}: was written with another configuration (it differs in {}); set them back to go on, choose "
        "another output.dir, or start anew with --fresh",
        found->path.string(), fmt::join(keys, ", "));
  return found;
}

void require_same_origin(const FoundCheckpoint& found, const Lineage& now, const std::filesystem::path& base_model) {
  const Lineage before = parse_lineage(found.checkpoint.lineage_json());
  if (before.base_model_sha256 != now.base_model_sha256)
    throw Error(
        "{}: belongs to a base model with SHA-256 {}, but {} holds {}; go on with that model, or start anew with "
        "--fresh",
        found.path.string(), before.base_model_sha256.substr(0, 16), base_model.string(),
        now.base_model_sha256.substr(0, 16));
  require_same_training_files(found.path, before.data_files, now.data_files);
}

}  // namespace temper
