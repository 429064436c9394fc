#include "model/huggingface/lineage.h"

#include <nlohmann/json.hpp>

#include "base/error.h"

namespace temper {

void to_json(nlohmann::json& json, const DataFileLineage& file) {
  json = {{"role", file.role}, {"file", file.file}, {"sha256", file.sha256}, {"rows", file.rows}};
  if (file.mixed_as >= 0) json["mixed_as"] = file.mixed_as;
  if (!file.pictures_sha256.empty()) json["pictures_sha256"] = file.pictures_sha256;
}

void from_json(const nlohmann::json& json, DataFileLineage& file) {
  json.at("role").get_to(file.role);
  json.at("file").get_to(file.file);
  json.at("sha256").get_to(file.sha256);
  json.at("rows").get_to(file.rows);
  file.mixed_as = json.value("mixed_as", std::int64_t{-1});
  file.pictures_sha256 = json.value("pictures_sha256", std::string());
}

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
