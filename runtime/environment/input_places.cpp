#include "runtime/environment/input_places.h"

#include <filesystem>
#include <span>
#include <string>
#include <system_error>
#include <vector>

#include "base/error.h"
#include "data/images/picture_table.h"
#include "data/tables/table_reader.h"
#include "runtime/environment/run_folder.h"

namespace temper {
namespace {

namespace fs = std::filesystem;

/// Absolute and without links, as far as it exists.
fs::path resolved(const fs::path& path) {
  std::error_code status;
  fs::path whole = fs::weakly_canonical(fs::absolute(path, status), status);
  if (status || whole.empty()) whole = fs::absolute(path, status).lexically_normal();
  return whole.filename().empty() ? whole.parent_path() : whole;
}

/// `path` is `folder` or lies in it. Both resolved; a folder that is mounted in two places is one.
bool lies_in(fs::path path, const fs::path& folder) {
  std::error_code absent;
  for (; !path.empty(); path = path.parent_path()) {
    if (path == folder || fs::equivalent(path, folder, absent)) return true;
    if (path == path.parent_path()) break;
  }
  return false;
}

/// A path as the configuration has it, and what it leads to.
struct Input {
  std::string key;
  fs::path named;
  fs::path place;
};

std::vector<Input> inputs_of(const Configuration& configuration) {
  std::vector<Input> inputs;
  const auto add = [&](const std::string& key, const fs::path& path) {
    if (!path.empty()) inputs.push_back({key, path, resolved(path)});
  };
  add("model.path", configuration.model.path);
  std::error_code absent;
  for (fs::directory_iterator file(configuration.model.path, absent); !absent && file != fs::directory_iterator();
       file.increment(absent))
    if (file->is_symlink(absent)) add("model.path", file->path());
  add("model.adapter", configuration.model.adapter);
  for (const DataInput& input : data_inputs(configuration)) add(input.key, input.path);
  return inputs;
}

}  // namespace

std::vector<DataInput> data_inputs(const Configuration& configuration) {
  std::vector<DataInput> inputs;
  const bool images = reads_images(configuration);
  const auto add = [&](const char* key, const OneOrMore& names) {
    for (const std::string& name : names.values) {
      try {
        for (const fs::path& path :
             images ? picture_table_files(std::span(&name, 1)) : files_named(std::span(&name, 1)))
          inputs.push_back({key, path.string()});
      } catch (const Error&) {
        // A pattern that fits no file: whoever reads it says so, or another host, where it fits some.
        inputs.push_back({key, name});
      }
    }
  };
  add("data.train", configuration.data.train);
  add("data.validation", configuration.data.validation);
  add("data.test", configuration.data.test);
  for (const EvaluationSetConfig& set : configuration.evaluate.sets) add("evaluate.sets", set.data);
  if (const std::string& chat = configuration.data.chat_template; chat != "tokenizer" && chat != "none")
    inputs.push_back({"data.chat_template", chat});
  return inputs;
}

void require_inputs_apart(const Configuration& configuration) {
  const fs::path output = resolved(configuration.output.dir);
  const fs::path model = resolved(configuration.model.path);
  std::error_code absent;
  if (fs::exists(model, absent) && lies_in(output, model))
    throw usage_error(
        "output.dir is {}, which {} the base model's folder {} (model.path); choose an output.dir outside of it",
        configuration.output.dir, output == model ? "is" : "lies in", configuration.model.path);
  for (const Input& input : inputs_of(configuration))
    for (const char* name : kRunContents)
      if (lies_in(input.place, resolved(output / name)))
        throw usage_error(
            "{} leads to {}, but this run replaces {} or moves it away; choose another output.dir, or copy what it is "
            "to read elsewhere first",
            input.key, input.named.string(), (fs::path(configuration.output.dir) / name).string());
}

}  // namespace temper
