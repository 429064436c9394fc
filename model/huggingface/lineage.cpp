#include "model/huggingface/lineage.h"

#include <nlohmann/json.hpp>

#include "base/error.h"

namespace temper {

NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE(DataFileLineage, role, file, sha256, rows)
// Checkpoints of older versions have fewer members.
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE_WITH_DEFAULT(Lineage, title, architecture, task, base_model, base_model_sha256,
                                                labels, data_files, program_version, ranks, steps, metrics,
                                                configuration, job, chat_template)

std::string lineage_to_json(const Lineage& lineage) {
  const nlohmann::json json = lineage;
  return json.dump(1);
}

Lineage parse_lineage(const std::string& json) {
  try {
    return nlohmann::json::parse(json).get<Lineage>();
  } catch (const nlohmann::json::exception& error) {
    throw Error("the lineage in the checkpoint cannot be read: {}", error.what());
  }
}

}  // namespace temper
