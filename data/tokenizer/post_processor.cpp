#include "data/tokenizer/post_processor.h"

#include <algorithm>
#include <memory>
#include <utility>

#include "base/error.h"
#include "data/tokenizer/kind_table.h"

namespace temper {
namespace {

using Kinds = TemplatePiece::Kind;
using Pieces = std::vector<TemplatePiece>;
/// What goes through a sequence of post-processors: at first one or two texts, and what was made of them further on.
using Encodings = std::vector<Pieces>;

constexpr TemplatePiece first(std::int32_t type) { return {Kinds::first, 0, type}; }
constexpr TemplatePiece second(std::int32_t type) { return {Kinds::second, 0, type}; }
constexpr TemplatePiece special(std::int32_t id, std::int32_t type) { return {Kinds::special, id, type}; }

/// One kind of post-processor.
class Step {
 public:
  virtual ~Step() = default;
  [[nodiscard]] virtual Encodings apply(Encodings encodings) const = 0;
};

std::int32_t read_id(const JsonNode& node, std::int32_t vocabulary_size) {
  return static_cast<std::int32_t>(node.integer(0, vocabulary_size - 1));
}

/// ["[SEP]", 102]
std::int32_t read_token_and_id(const JsonNode& node, std::int32_t vocabulary_size) {
  const std::vector<JsonNode> parts = node.elements();
  if (parts.size() != 2) throw node.unexpected("a token and its id, as [\"[SEP]\", 102]");
  return read_id(parts[1], vocabulary_size);
}

/// [CLS] first [SEP] second [SEP], or with one more [SEP] between the two, and then without segments.
class ClsAndSep : public Step {
 public:
  ClsAndSep(const JsonNode& node, std::int32_t vocabulary_size, bool roberta)
      : cls_(read_token_and_id(node.member("cls"), vocabulary_size)),
        sep_(read_token_and_id(node.member("sep"), vocabulary_size)),
        roberta_(roberta) {}

  [[nodiscard]] Encodings apply(Encodings encodings) const override {
    for (std::size_t i = 0; i < encodings.size(); ++i) {
      Pieces& pieces = encodings[i];
      const std::int32_t type = i == 0 || roberta_ ? 0 : 1;
      if (i == 0) {
        pieces.insert(pieces.begin(), special(cls_, type));
      } else if (roberta_) {
        pieces.insert(pieces.begin(), special(sep_, type));
      }
      pieces.push_back(special(sep_, type));
      if (!roberta_) continue;
      for (TemplatePiece& piece : pieces) piece.type = 0;
    }
    return encodings;
  }

 private:
  std::int32_t cls_;
  std::int32_t sep_;
  bool roberta_;
};

/// It only moves the offsets of tokens, which are not kept here.
class MovesOffsets : public Step {
 public:
  [[nodiscard]] Encodings apply(Encodings encodings) const override { return encodings; }
};

/// One encoding for each place of a template; a special token may stand for several ids.
Encodings read_template(const JsonNode& node, const JsonNode& special_tokens_node, std::int32_t vocabulary_size) {
  Encodings places;
  for (const JsonNode& piece : node.elements()) {
    Pieces& place = places.emplace_back();
    if (const std::optional<JsonNode> sequence = piece.optional_member("Sequence")) {
      const std::string name = sequence->member("id").text();
      if (name != "A" && name != "B") throw sequence->member("id").unexpected("\"A\" or \"B\"");
      const auto type = static_cast<std::int32_t>(sequence->member("type_id").integer(0, INT32_MAX));
      place.push_back(name == "A" ? first(type) : second(type));
    } else {
      const JsonNode token = piece.member("SpecialToken");
      const auto type = static_cast<std::int32_t>(token.member("type_id").integer(0, INT32_MAX));
      for (const JsonNode& id : special_tokens_node.member(token.member("id").text()).member("ids").elements())
        place.push_back(special(read_id(id, vocabulary_size), type));
    }
  }
  return places;
}

class Template : public Step {
 public:
  Template(const JsonNode& node, std::int32_t vocabulary_size)
      : place_(node),
        single_(read_template(node.member("single"), node.member("special_tokens"), vocabulary_size)),
        pair_(read_template(node.member("pair"), node.member("special_tokens"), vocabulary_size)) {
    for (const Pieces& place : single_)
      if (!place.empty() && place.front().kind == Kinds::second)
        throw node.member("single").unexpected("a template of sequence A alone");
  }

  /// Every piece of the template is an encoding of its own for what follows.
  [[nodiscard]] Encodings apply(Encodings encodings) const override {
    if (encodings.size() > 2)
      throw Error("{}: {}: found a template behind another post-processor that makes {} parts, expected one or two",
                  place_.file(), place_.place(), encodings.size());
    Encodings result;
    for (const Pieces& place : encodings.size() == 1 ? single_ : pair_) {
      if (place.empty() || place.front().kind == Kinds::special) {
        result.push_back(place);
        continue;
      }
      result.push_back(encodings[place.front().kind == Kinds::first ? 0 : 1]);
      for (TemplatePiece& inner : result.back()) inner.type = place.front().type;
    }
    return result;
  }

 private:
  JsonNode place_;
  Encodings single_;
  Encodings pair_;
};

std::unique_ptr<Step> make_template(const JsonNode& node, std::int32_t vocabulary_size) {
  return std::make_unique<Template>(node, vocabulary_size);
}
std::unique_ptr<Step> make_bert(const JsonNode& node, std::int32_t vocabulary_size) {
  return std::make_unique<ClsAndSep>(node, vocabulary_size, false);
}
std::unique_ptr<Step> make_roberta(const JsonNode& node, std::int32_t vocabulary_size) {
  return std::make_unique<ClsAndSep>(node, vocabulary_size, true);
}
std::unique_ptr<Step> make_byte_level(const JsonNode& /*node*/, std::int32_t /*vocabulary_size*/) {
  return std::make_unique<MovesOffsets>();
}
std::unique_ptr<Step> make_sequence(const JsonNode& node, std::int32_t vocabulary_size);

using MakeStep = std::unique_ptr<Step> (*)(const JsonNode&, std::int32_t);

constexpr Kind<MakeStep> kPostProcessors[] = {
    {"TemplateProcessing", make_template}, {"BertProcessing", make_bert}, {"RobertaProcessing", make_roberta},
    {"ByteLevel", make_byte_level},        {"Sequence", make_sequence},
};

std::unique_ptr<Step> make_step(const JsonNode& node, std::int32_t vocabulary_size) {
  return find_kind(kPostProcessors, "post-processor", node, node.member("type").text())(node, vocabulary_size);
}

class StepSequence : public Step {
 public:
  explicit StepSequence(std::vector<std::unique_ptr<Step>> steps) : steps_(std::move(steps)) {}

  [[nodiscard]] Encodings apply(Encodings encodings) const override {
    for (const std::unique_ptr<Step>& step : steps_) encodings = step->apply(std::move(encodings));
    return encodings;
  }

 private:
  std::vector<std::unique_ptr<Step>> steps_;
};

std::unique_ptr<Step> make_sequence(const JsonNode& node, std::int32_t vocabulary_size) {
  std::vector<std::unique_ptr<Step>> steps;
  for (const JsonNode& step : node.member("processors").elements()) steps.push_back(make_step(step, vocabulary_size));
  return std::make_unique<StepSequence>(std::move(steps));
}

Pieces joined(const Encodings& encodings) {
  Pieces pieces;
  for (const Pieces& part : encodings) pieces.insert(pieces.end(), part.begin(), part.end());
  return pieces;
}

}  // namespace

std::size_t special_tokens(std::span<const TemplatePiece> pieces) {
  return static_cast<std::size_t>(std::count_if(
      pieces.begin(), pieces.end(), [](const TemplatePiece& piece) { return piece.kind == Kinds::special; }));
}

PostProcessor make_post_processor(const JsonNode& root, std::int32_t vocabulary_size) {
  const Encodings single = {{first(0)}};
  const Encodings pair = {{first(0)}, {second(1)}};
  const std::optional<JsonNode> node = root.optional_member("post_processor");
  if (!node) return {joined(single), joined(pair)};
  const std::unique_ptr<Step> step = make_step(*node, vocabulary_size);
  return {joined(step->apply(single)), joined(step->apply(pair))};
}

}  // namespace temper
