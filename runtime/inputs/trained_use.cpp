#include "runtime/inputs/trained_use.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <nlohmann/json.hpp>
#include <system_error>

#include "base/counted.h"
#include "base/error.h"
#include "base/mapped_file.h"
#include "data/text/masking.h"
#include "model/gguf/gguf_file.h"
#include "model/huggingface/gguf_export.h"
#include "model/huggingface/gguf_model.h"
#include "runtime/config/config.h"
#include "runtime/inputs/chat_data.h"
#include "version.h"

namespace temper {
namespace {

using Json = nlohmann::ordered_json;

constexpr const char* kFileName = "temper.json";

/// Reads members of one object; `place` names it in messages.
class Members {
 public:
  Members(const Json& object, std::string place) : object_(object), place_(std::move(place)) {
    if (!object.is_object()) throw refusal("", object, "an object");
  }

  [[nodiscard]] Members object(const char* key) const {
    static const Json nothing = Json::object();
    const Json* value = find(key);
    return {value != nullptr ? *value : nothing, place_ + ", \"" + key + "\""};
  }

  [[nodiscard]] std::optional<std::string> text(const char* key) const {
    const Json* value = find(key);
    if (value == nullptr) return std::nullopt;
    if (!value->is_string()) throw refusal(key, *value, "a text");
    return value->get<std::string>();
  }

  [[nodiscard]] bool has(const char* key) const { return find(key) != nullptr; }

  [[nodiscard]] bool is_list(const char* key) const {
    const Json* value = find(key);
    return value != nullptr && value->is_array();
  }

  /// A text, or a list of texts.
  [[nodiscard]] std::vector<std::string> texts(const char* key) const {
    if (!is_list(key)) {
      const std::optional<std::string> one = text(key);
      return one ? std::vector<std::string>{*one} : std::vector<std::string>();
    }
    std::vector<std::string> all;
    for (const Json& element : *find(key)) {
      if (!element.is_string()) throw refusal(key, element, "a text");
      all.push_back(element.get<std::string>());
    }
    return all;
  }

  [[nodiscard]] std::optional<std::int64_t> whole_number(const char* key, std::int64_t least) const {
    const Json* value = find(key);
    if (value == nullptr) return std::nullopt;
    if (!value->is_number_integer() || value->get<std::int64_t>() < least)
      throw refusal(key, *value, fmt::format("a whole number of at least {}", least));
    return value->get<std::int64_t>();
  }

  /// Above 0.
  [[nodiscard]] std::optional<double> positive_number(const char* key) const {
    const Json* value = find(key);
    if (value == nullptr) return std::nullopt;
    if (!value->is_number() || !(value->get<double>() > 0.0)) throw refusal(key, *value, "a number above 0");
    return value->get<double>();
  }

  /// A probability, ends included.
  [[nodiscard]] std::optional<double> probability(const char* key) const {
    const Json* value = find(key);
    if (value == nullptr) return std::nullopt;
    if (!value->is_number() || !(value->get<double>() >= 0.0 && value->get<double>() <= 1.0))
      throw refusal(key, *value, "a probability, from 0 to 1");
    return value->get<double>();
  }

  /// One of some words.
  template <typename Words>
  [[nodiscard]] std::optional<std::string> word(const char* key, const Words& words) const {
    std::optional<std::string> found = text(key);
    if (found && std::find(words.begin(), words.end(), *found) == words.end())
      throw refusal(key, *find(key), fmt::format("one of {}", fmt::join(words, ", ")));
    return found;
  }

  [[nodiscard]] std::vector<std::string> names() const {
    std::vector<std::string> all;
    for (const auto& [name, value] : object_.items()) all.push_back(name);
    return all;
  }

  /// A list of numbers; none where it is absent.
  [[nodiscard]] std::vector<double> numbers(const char* key) const {
    const Json* value = find(key);
    std::vector<double> all;
    if (value == nullptr) return all;
    if (!value->is_array()) throw refusal(key, *value, "a list of numbers");
    for (const Json& element : *value) {
      if (!element.is_number()) throw refusal(key, element, "a number");
      all.push_back(element.get<double>());
    }
    return all;
  }

  /// Between 0 and 1, neither of them.
  [[nodiscard]] std::optional<double> part(const char* key) const {
    const Json* value = find(key);
    if (value == nullptr) return std::nullopt;
    const bool fits = value->is_number() && value->get<double>() > 0.0 && value->get<double>() < 1.0;
    if (!fits) throw refusal(key, *value, "a number above 0 and below 1");
    return value->get<double>();
  }

 private:
  [[nodiscard]] const Json* find(const char* key) const {
    const auto found = object_.find(key);
    return found == object_.end() || found->is_null() ? nullptr : &*found;
  }

  [[nodiscard]] Error refusal(const std::string& key, const Json& value, const std::string& expected) const {
    return Error("{}{}: found {}, expected {}; correct the file, or remove it and name what it says as options", place_,
                 key.empty() ? "" : ", \"" + key + "\"", value.dump(-1, ' ', true, Json::error_handler_t::replace),
                 expected);
  }

  const Json& object_;
  std::string place_;
};

/// A threshold that no row reaches is left out.
void put_threshold(Json& object, const char* key, double threshold) {
  if (std::isfinite(threshold)) object[key] = threshold;
}

Json calibration_json(const Calibration& calibration) {
  Json json{{"temperature", calibration.temperature},
            {"threshold_by", kThresholdRules[static_cast<std::size_t>(calibration.rule)]},
            {"at_specificity", calibration.specificity},
            {"at_sensitivity", calibration.sensitivity}};
  if (!calibration.positive.empty()) json["positive"] = calibration.positive;
  json["thresholds"] = Json::object();
  for (const ClassThresholds& thresholds : calibration.thresholds) {
    Json of_class = Json::object();
    put_threshold(of_class, "youden", thresholds.youden);
    put_threshold(of_class, "specificity", thresholds.at_specificity);
    put_threshold(of_class, "sensitivity", thresholds.at_sensitivity);
    json["thresholds"][thresholds.label] = std::move(of_class);
  }
  return json;
}

Calibration parse_calibration(const Members& members) {
  Calibration calibration;
  calibration.temperature = members.positive_number("temperature").value_or(calibration.temperature);
  if (const auto rule = members.word("threshold_by", kThresholdRules)) calibration.rule = threshold_rule(*rule);
  calibration.specificity = members.part("at_specificity").value_or(calibration.specificity);
  calibration.sensitivity = members.part("at_sensitivity").value_or(calibration.sensitivity);
  calibration.positive = members.text("positive").value_or("");
  const Members thresholds = members.object("thresholds");
  for (const std::string& label : thresholds.names()) {
    const Members of_class = thresholds.object(label.c_str());
    constexpr double kReachedByNone = std::numeric_limits<double>::infinity();
    calibration.thresholds.push_back({label, of_class.probability("youden").value_or(kReachedByNone),
                                      of_class.probability("specificity").value_or(kReachedByNone),
                                      of_class.probability("sensitivity").value_or(kReachedByNone)});
  }
  return calibration;
}

template <typename T>
void put(Json& object, const char* key, const std::optional<T>& value) {
  if (value) object[key] = *value;
}

}  // namespace

TrainedUse trained_use(const Configuration& configuration, const TaskSpec& task, std::int64_t max_length) {
  TrainedUse use;
  use.program_version = kVersion;
  use.task = served_by(task).name;
  use.text = configuration.data.text;
  use.text_pair = configuration.data.text_pair;
  if (has_label_column(task.labels)) {
    use.label = configuration.data.label.values;
    use.label_listed = configuration.data.label.listed;
  }
  if (is_of_images(task.head)) {
    use.text = configuration.data.image;
    use.text_pair.reset();
    if (!configuration.data.group.empty()) use.group = configuration.data.group;
    const ImagesSection& images = configuration.images;
    use.images = ImageUse{images.frame, images.axis, images.slice, images.window, images.most_megapixels};
  } else {
    use.max_length = max_length;
  }
  if (task.labels == LabelKind::multi_label) use.threshold = configuration.evaluate.threshold;
  if (task.labels == LabelKind::next_token) {
    use.pack = configuration.data.pack;
    use.stride = configuration.evaluate.stride;
  }
  if (takes_conversations(task.labels)) {
    use.long_documents = configuration.data.long_documents;
    use.end_token = configuration.data.end_token;
    use.documents = configuration.data.documents;
    // A template from a file is the folder's own, once the model is exported.
    if (const DataSection& data = configuration.data; reads_conversations(data))
      use.conversations =
          ConversationUse{data.learn, data.learn_roles, data.chat_template != "none", data.template_date};
  }
  if (task.masks_tokens) use.masking_seed = configuration.train.seed;
  return use;
}

std::string to_json(const TrainedUse& use) {
  Json json{{"temper", use.program_version}, {"task", use.task}};
  Json columns = Json::object();
  put(columns, "text", use.text);
  put(columns, "text_pair", use.text_pair);
  if (use.label_listed)
    columns["label"] = use.label;
  else if (!use.label.empty())
    columns["label"] = use.label.front();
  put(columns, "group", use.group);
  json["columns"] = std::move(columns);
  put(json, "max_length", use.max_length);
  put(json, "threshold", use.threshold);
  if (!use.labels.empty()) json["labels"] = use.labels;
  put(json, "steps", use.steps);
  if (use.calibration) json["calibration"] = calibration_json(*use.calibration);
  Json running_text = Json::object();
  put(running_text, "documents", use.documents);
  put(running_text, "pack", use.pack);
  put(running_text, "long_documents", use.long_documents);
  put(running_text, "end_token", use.end_token);
  put(running_text, "stride", use.stride);
  if (!running_text.empty()) json["running_text"] = std::move(running_text);
  if (const auto& chats = use.conversations)
    json["conversations"] = {{"learn", chats->learn},
                             {"learn_roles", chats->roles},
                             {"chat_template", chats->has_template ? "tokenizer" : "none"},
                             {"template_date", chats->date}};
  if (const auto& images = use.images)
    json["images"] = {{"frame", images->frame},
                      {"axis", images->axis},
                      {"slice", images->slice},
                      {"window", images->window},
                      {"most_megapixels", images->most_megapixels}};
  if (use.masking_seed) json["masking"] = {{"seed", *use.masking_seed}, {"fraction", kMaskedFraction}};
  return json.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}

std::string calibration_to_json(const Calibration& calibration) { return calibration_json(calibration).dump(); }

TrainedUse parse_trained_use(const std::string& json, const std::string& name) {
  const Json parsed = Json::parse(json, nullptr, /*allow_exceptions=*/false);
  if (parsed.is_discarded())
    throw Error("{}: is not JSON; correct the file, or remove it and name what it says as options", name);
  const Members members(parsed, name);
  TrainedUse use;
  use.program_version = members.text("temper").value_or("");
  use.task = members.text("task").value_or("");
  const Members columns = members.object("columns");
  use.text = columns.text("text");
  use.text_pair = columns.text("text_pair");
  use.label_listed = columns.is_list("label");
  use.label = columns.texts("label");
  use.group = columns.text("group");
  use.max_length = members.whole_number("max_length", 1);
  use.threshold = members.part("threshold");
  use.labels = members.texts("labels");
  use.steps = members.whole_number("steps", 0);
  if (members.has("calibration")) use.calibration = parse_calibration(members.object("calibration"));
  const Members running_text = members.object("running_text");
  use.documents = running_text.text("documents");
  use.pack = running_text.text("pack");
  use.long_documents = running_text.text("long_documents");
  use.end_token = running_text.text("end_token");
  use.stride = running_text.whole_number("stride", 0);
  if (members.has("conversations")) {
    const Members chats = members.object("conversations");
    ConversationUse conversations;
    conversations.learn = chats.text("learn").value_or(conversations.learn);
    if (chats.has("learn_roles")) conversations.roles = chats.texts("learn_roles");
    conversations.has_template = chats.text("chat_template").value_or("tokenizer") != "none";
    conversations.date = chats.text("template_date").value_or("");
    use.conversations = std::move(conversations);
  }
  if (members.has("images")) {
    const Members images = members.object("images");
    ImageUse read;
    read.frame = images.whole_number("frame", -1).value_or(read.frame);
    read.axis = images.whole_number("axis", 0).value_or(read.axis);
    read.slice = images.whole_number("slice", -1).value_or(read.slice);
    read.window = images.numbers("window");
    if (!read.window.empty() && (read.window.size() != 2 || read.window[1] <= 0.0))
      throw Error("{}: \"images\", \"window\" has {}, expected a centre and a width above 0, or none; correct the file",
                  name, counted(read.window.size(), "number"));
    read.most_megapixels = images.whole_number("most_megapixels", 1).value_or(read.most_megapixels);
    use.images = std::move(read);
  }
  use.masking_seed = members.object("masking").whole_number("seed", std::numeric_limits<std::int64_t>::min());
  return use;
}

std::optional<TrainedUse> read_trained_use(const std::filesystem::path& folder) {
  if (is_gguf_file(folder)) {
    const GgufModel model(folder);
    const std::optional<std::string> text = model.metadata().text(kTrainedUseKey);
    if (!text) return std::nullopt;
    return parse_trained_use(*text, fmt::format("{}: {}", folder.string(), kTrainedUseKey));
  }
  const std::filesystem::path file = folder / kFileName;
  std::error_code ignored;
  if (!std::filesystem::exists(file, ignored)) return std::nullopt;
  return parse_trained_use(read_text_file(file), file.string());
}

}  // namespace temper
