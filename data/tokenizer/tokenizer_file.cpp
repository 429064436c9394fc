#include "data/tokenizer/tokenizer_file.h"

#include <utility>

#include "base/digest.h"
#include "base/error.h"
#include "base/mapped_file.h"
#include "data/tokenizer/score_number.h"

namespace temper {
namespace {

using nlohmann::json;

// Real files have eight levels at most; what follows the document goes down by calling itself.
constexpr std::size_t kDeepestDocument = 100;

/// Events of the parser to a tree, except inside model.vocab and model.merges, where they go to the flat arrays.
class Reader {
 public:
  using number_integer_t = json::number_integer_t;
  using number_unsigned_t = json::number_unsigned_t;
  using number_float_t = json::number_float_t;
  using string_t = json::string_t;
  using binary_t = json::binary_t;

  explicit Reader(TokenizerFile& file) : file_(file) {}

  bool null() { return scalar(nullptr); }
  bool boolean(bool value) { return scalar(value); }
  bool number_integer(number_integer_t value) { return scalar(value); }
  bool number_unsigned(number_unsigned_t value) {
    if (place_ != Place::vocabulary) return scalar(value);
    if (value > static_cast<number_unsigned_t>(kHighestTokenId)) return scalar(value);
    file_.vocabulary.back().id = static_cast<std::int32_t>(value);
    return true;
  }
  bool number_float(number_float_t /*value*/, const string_t& digits) { return scalar(score_of(digits)); }
  bool string(string_t& value) {
    switch (place_) {
      case Place::merges:
        return merge_in_one(value);
      case Place::merge:
        return part_of_merge(value);
      default:
        return scalar(std::move(value));
    }
  }
  bool binary(binary_t& /*value*/) { return true; }  // JSON has none

  bool start_object(std::size_t /*elements*/) {
    if (place_ != Place::document) throw misplaced("an object");
    if (open_.size() == 2 && in_model_ && key_ == "vocab") {
      place_ = Place::vocabulary;
      return true;
    }
    open(json::object());
    return true;
  }

  bool key(string_t& name) {
    if (place_ == Place::vocabulary) {
      file_.vocabulary.push_back(
          {static_cast<std::uint32_t>(file_.vocabulary_text.size()), static_cast<std::uint32_t>(name.size()), 0});
      file_.vocabulary_text += name;
      return true;
    }
    if (open_.size() == 1) in_model_ = name == "model";
    key_ = std::move(name);
    return true;
  }

  bool end_object() {
    if (place_ == Place::vocabulary) {
      place_ = Place::document;
    } else {
      open_.pop_back();
    }
    return true;
  }

  bool start_array(std::size_t /*elements*/) {
    if (place_ == Place::vocabulary || place_ == Place::merge) throw misplaced("an array");
    if (place_ == Place::merges) {
      place_ = Place::merge;
      parts_ = 0;
      return true;
    }
    if (open_.size() == 2 && in_model_ && key_ == "merges") {
      place_ = Place::merges;
      file_.has_merges = true;
      return true;
    }
    open(json::array());
    return true;
  }

  bool end_array() {
    if (place_ == Place::merge) {
      if (parts_ != 2) throw misplaced(fmt::format("a list of {} parts", parts_));
      place_ = Place::merges;
    } else if (place_ == Place::merges) {
      place_ = Place::document;
    } else {
      open_.pop_back();
    }
    return true;
  }

  bool parse_error(std::size_t position, const std::string& last_token, const json::exception& /*error*/) {
    throw Error("{}: is not valid JSON at byte {}, near \"{}\"; fetch the file again", file_.name, position,
                last_token);
  }

 private:
  enum class Place { document, vocabulary, merges, merge };

  void open(json node) {
    if (open_.size() >= kDeepestDocument)
      throw Error("{}: objects and lists lie more than {} deep in one another; the file is no tokenizer.json",
                  file_.name, kDeepestDocument);
    open_.push_back(add(std::move(node)));
  }

  template <typename Value>
  bool scalar(Value&& value) {
    json node(std::forward<Value>(value));
    if (place_ != Place::document) throw misplaced(node.dump(-1, ' ', true, json::error_handler_t::replace));
    add(std::move(node));
    return true;
  }

  json* add(json node) {
    if (open_.empty()) {
      file_.document = std::move(node);
      return &file_.document;
    }
    json& parent = *open_.back();
    if (parent.is_array()) {
      parent.push_back(std::move(node));
      return &parent.back();
    }
    json& place = parent[key_];
    place = std::move(node);
    return &place;
  }

  [[nodiscard]] Error misplaced(const std::string& found) const {
    if (place_ == Place::vocabulary) {
      const VocabularyEntry& entry = file_.vocabulary.back();
      return Error("{}: model.vocab[\"{}\"]: found {}, expected an id from 0 to {}", file_.name,
                   file_.vocabulary_text.substr(entry.offset, entry.length), found, kHighestTokenId);
    }
    const std::size_t index = file_.merges.size() - (place_ == Place::merge && parts_ > 0 ? 1 : 0);
    return Error("{}: model.merges[{}]: found {}, expected two tokens as \"a b\" or [\"a\", \"b\"]", file_.name, index,
                 found);
  }

  bool merge_in_one(const std::string& text) {
    if (text.starts_with("#version")) return true;  // the first line of a merges.txt
    const std::size_t space = text.find(' ');
    if (space == std::string::npos || text.find(' ', space + 1) != std::string::npos)
      throw misplaced(json(text).dump(-1, ' ', true));
    file_.merges.push_back({static_cast<std::uint32_t>(file_.merges_text.size()), static_cast<std::uint32_t>(space),
                            static_cast<std::uint32_t>(text.size() - space - 1)});
    file_.merges_text.append(text, 0, space).append(text, space + 1);
    return true;
  }

  bool part_of_merge(const std::string& text) {
    const auto length = static_cast<std::uint32_t>(text.size());
    if (parts_ == 0) {
      file_.merges.push_back({static_cast<std::uint32_t>(file_.merges_text.size()), length, 0});
    } else {
      file_.merges.back().second_length = length;
    }
    file_.merges_text += text;
    ++parts_;
    return true;
  }

  TokenizerFile& file_;
  Place place_ = Place::document;
  std::vector<json*> open_;  // the objects and arrays that are being read; pointers stay good: only the last one grows
  std::string key_;
  bool in_model_ = false;
  std::size_t parts_ = 0;
};

}  // namespace

void take_listed_vocabulary(TokenizerFile& file) {
  const auto model = file.document.find("model");
  if (model == file.document.end() || !model->is_object()) return;
  const auto list = model->find("vocab");
  if (list == model->end() || !list->is_array()) return;
  file.vocabulary.clear();
  file.vocabulary_text.clear();
  for (std::size_t id = 0; id < list->size(); ++id) {
    const json& entry = (*list)[id];
    if (!entry.is_array() || entry.size() != 2 || !entry[0].is_string() || !entry[1].is_number())
      throw JsonNode(entry, file.name, fmt::format("model.vocab[{}]", id))
          .unexpected("a token and its score, as [\"the\", -3.5]");
    const auto& token = entry[0].get_ref<const std::string&>();
    file.vocabulary.push_back({static_cast<std::uint32_t>(file.vocabulary_text.size()),
                               static_cast<std::uint32_t>(token.size()), static_cast<std::int32_t>(id)});
    file.vocabulary_text += token;
    file.scores.push_back(entry[1].get<double>());
  }
  model->erase(list);
}

TokenizerFile read_tokenizer_file(const std::filesystem::path& path) {
  const MappedFile mapped(path);
  TokenizerFile file;
  file.name = path.string();
  file.digest = sha256_hex(mapped.bytes());
  file.vocabulary_text.reserve(mapped.bytes().size() / 2);
  Reader reader(file);
  const std::string_view text = mapped.text();
  json::sax_parse(text.data(), text.data() + text.size(), &reader);
  if (!file.document.is_object()) throw file.root().unexpected("an object, as a tokenizer.json is");
  if (const std::optional<JsonNode> truncation = file.root().optional_member("truncation"))
    file.cuts_left = truncation->text_or("direction", "Right") == "Left";
  return file;
}

}  // namespace temper
