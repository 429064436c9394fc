#include "launch/commands/text_report.h"

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>
#include <span>
#include <string>
#include <vector>

#include "launch/commands/table_report.h"
#include "runtime/config/config.h"
#include "runtime/environment/node_cores.h"
#include "runtime/inputs/run_adapter.h"
#include "runtime/inputs/run_data.h"
#include "runtime/inputs/run_model.h"

namespace temper {
namespace {

using Json = nlohmann::ordered_json;

double share(std::int64_t part, std::int64_t whole) {
  return whole == 0 ? 0.0 : static_cast<double>(part) / static_cast<double>(whole);
}

}  // namespace

Json inspect_running_text(const TextQuestion& question, Communicator& communicator) {
  const auto quoted = [](const std::string& text) {
    return Json(text).dump(-1, ' ', false, Json::error_handler_t::replace);
  };
  const ModelChoice choice = choose_model(question.model, question.adapters);
  const ModelFolder folder(choice.model, TruncationSide::as_tokenizer, choice.read_as());
  if (folder.tokenizer == nullptr)
    throw usage_error(
        "{}: is a model of images, which reads no texts; to see pictures as it does, name a file for them with "
        "--pictures out.png",
        question.model);
  const std::int64_t wanted = question.max_length > 0 ? question.max_length : folder.config.longest_sequence;
  const std::vector<std::string> keys{
      "model.path=" + quoted(choice.model.string()),  "model.task=\"causal-lm\"",
      "data.train=" + quoted(question.path),          "data.text=" + quoted(question.text),
      "data.documents=" + quoted(question.documents), "data.pack=" + quoted(question.pack),
      "data.max_length=" + std::to_string(wanted),    "data.cache=false"};
  const Configuration configuration = parse_configuration("", "temper inspect", keys);
  const TaskSpec& task = task_named(configuration.model.task);
  const std::int64_t length = folder.max_length(configuration.data.max_length);
  const RunData data = prepare_run_data(configuration, task, *folder.tokenizer, folder.config, length,
                                        default_threads(communicator), communicator, [](const std::string&) {});
  const std::span<const std::int64_t> starts = data.train.document_starts();
  const auto documents = static_cast<std::int64_t>(starts.size()) - 1;
  std::int64_t longest = 0;
  std::int64_t longer = 0;
  for (std::size_t i = 0; i + 1 < starts.size(); ++i) {
    longest = std::max(longest, starts[i + 1] - starts[i]);
    longer += starts[i + 1] - starts[i] > length ? 1 : 0;
  }
  const std::int64_t rows = data.training().rows();
  Json json{{"kind", "running text"},
            {"path", question.path},
            {"documents", documents},
            {"tokens", data.train.tokens()},
            {"mean_tokens", share(data.train.tokens(), documents)},
            {"longest_tokens", longest},
            {"longer_than_a_row", longer},
            {"bytes_per_predicted_token", share(data.train.text_bytes(), data.train.tokens() - data.train.rows())},
            {"max_length", length},
            {"sequences", data.train.rows()},
            {"rows", rows},
            {"fill", share(data.train.tokens(), rows * length)}};
  std::int64_t duplicates = 0;
  for (const Finding& finding : data.findings)
    if (finding.name == "duplicates") duplicates = std::llround(finding.value * static_cast<double>(documents));
  json["duplicates"] = duplicates;
  add_findings(data.findings, json);
  return json;
}

}  // namespace temper
