#include "runtime/reporting/event_log.h"

#include <nlohmann/json.hpp>
#include <string_view>
#include <system_error>
#include <vector>

#include "base/mapped_file.h"

namespace temper {
namespace {

struct KeptLine {
  std::string_view text;  ///< without the new line
  std::int64_t step = 0;
  bool checkpoint = false;
};

/// The whole lines of steps up to `last_step`, in order.
std::vector<KeptLine> lines_up_to(std::string_view text, std::int64_t last_step) {
  std::vector<KeptLine> kept;
  for (std::size_t end = text.find('\n'); end != std::string_view::npos; end = text.find('\n')) {
    const std::string_view line = text.substr(0, end);
    text.remove_prefix(end + 1);
    const auto json = nlohmann::json::parse(line, nullptr, /*allow_exceptions=*/false);
    if (!json.is_object() || !json.contains("step") || !json["step"].is_number_integer()) continue;
    const auto step = json["step"].get<std::int64_t>();
    if (step <= last_step) kept.push_back({line, step, json.value("kind", nlohmann::json()) == "checkpoint"});
  }
  return kept;
}

/// Cuts `file` down to what was written until the checkpoint of `step`.
void cut_to_step(const std::filesystem::path& file, std::int64_t step) {
  // Where there is nothing to cut, opening the file says what is wrong, if anything is.
  std::error_code status;
  if (!std::filesystem::is_regular_file(file, status) || std::filesystem::is_empty(file, status)) return;
  const std::string before = read_text_file(file);
  std::vector<KeptLine> kept = lines_up_to(before, step);
  // A new phase, or the end, is announced under the same step as the checkpoint before it, and will be again.
  for (std::size_t i = kept.size(); i-- > 0 && kept[i].step == step;) {
    if (!kept[i].checkpoint) continue;
    kept.resize(i + 1);
    break;
  }
  std::string after;
  for (const KeptLine& line : kept) after.append(line.text) += '\n';
  if (after != before) write_file_atomically(file, after);
}

LogFile open_log(const std::filesystem::path& file, std::optional<std::int64_t> resume_step) {
  if (!resume_step) return {file, LogFile::Mode::replace};
  cut_to_step(file, *resume_step);
  return {file, LogFile::Mode::append};
}

}  // namespace

EventLog::EventLog(const std::filesystem::path& file, std::optional<std::int64_t> resume_step)
    : file_(open_log(file, resume_step)) {}

void EventLog::write(std::int64_t step, const std::string& kind,
                     std::span<const std::pair<std::string, double>> values) {
  nlohmann::ordered_json line;
  line["step"] = step;
  line["kind"] = kind;
  for (const auto& [name, value] : values) line[name] = value;
  append(line.dump());
}

void EventLog::write_job(std::int64_t step, const std::string& name, const std::string& nodes, int restarts,
                         int ranks) {
  append(nlohmann::ordered_json{
      {"step", step}, {"kind", "job"}, {"job", name}, {"nodes", nodes}, {"restarts", restarts}, {"ranks", ranks}}
             .dump());
}

void EventLog::append(const std::string& json) {
  // In one piece, so that a reader who follows the file sees whole lines.
  file_.write(json + '\n');
  file_.flush();
}

}  // namespace temper
