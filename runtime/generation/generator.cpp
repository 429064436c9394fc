#include "runtime/generation/generator.h"

#include <algorithm>
#include <array>
#include <utility>

#include "base/available_memory.h"
#include "base/error.h"
#include "runtime/generation/answer_text.h"
#include "runtime/generation/near_weights.h"
#include "runtime/steps/compute_copies.h"
#include "runtime/steps/finite_weights.h"
#include "tensor/array_bundle.h"
#include "tensor/host_copy.h"

namespace temper {
namespace {

/// A prompt goes through the model in pieces of so many tokens, whatever else is under way.
constexpr std::int64_t kPromptPiece = 256;
/// Tokens of a pass over pieces of prompts, at most.
constexpr std::int64_t kMostTokensOfPass = 1024;
/// The cache has room for multiples of this.
constexpr std::int64_t kRoomGranule = 128;
/// Passes over single tokens before weights are copied. The system takes 0.2 to 1 s to find and clear half a GiB of
/// huge pages, as long as ten to thirty passes over it, and the next ones are up to a third faster: whoever wants few
/// tokens does not wait for it.
constexpr std::int64_t kPassesBeforeCopy = 32;

/// What a pass is over, as it is uploaded.
struct PassArrays {
  std::vector<std::int32_t> ids;
  std::vector<std::int32_t> positions;
  std::vector<std::uint32_t> token_positions;
  std::vector<std::int32_t> starts{0};
  std::vector<std::int32_t> cache_rows;
  std::vector<std::int32_t> cache_starts;
  std::vector<std::int32_t> lengths;
  std::vector<std::int32_t> whole_lengths;
  std::vector<std::int32_t> last_rows;
  std::vector<std::int32_t> last_starts{0};
  std::vector<std::uint32_t> last_positions;
  std::int64_t longest_piece = 0;
  std::int64_t tokens = 0;
  std::int64_t longest = 0;

  void add(std::span<const std::int32_t> piece, std::int64_t before, std::int64_t whole, std::int64_t first_row) {
    const auto count = static_cast<std::int64_t>(piece.size());
    for (std::int64_t i = 0; i < count; ++i) {
      ids.push_back(piece[static_cast<std::size_t>(i)]);
      positions.push_back(static_cast<std::int32_t>(before + i));
      token_positions.push_back(static_cast<std::uint32_t>(before + i));
      cache_rows.push_back(static_cast<std::int32_t>(first_row + before + i));
    }
    starts.push_back(static_cast<std::int32_t>(ids.size()));
    cache_starts.push_back(static_cast<std::int32_t>(first_row));
    lengths.push_back(static_cast<std::int32_t>(before + count));
    whole_lengths.push_back(static_cast<std::int32_t>(whole));
    last_rows.push_back(static_cast<std::int32_t>(ids.size()) - 1);
    last_starts.push_back(static_cast<std::int32_t>(last_rows.size()));
    last_positions.push_back(static_cast<std::uint32_t>(before + count - 1));
    longest_piece = std::max(longest_piece, count);
    tokens += before + count;
    longest = std::max(longest, before + count);
  }
};

}  // namespace

std::string_view name_of(Finish finish) {
  constexpr std::array<std::string_view, 5> kNames{"stop_token", "stop_text", "length", "positions", "interrupted"};
  return kNames[static_cast<std::size_t>(finish)];
}

/// A text that is under way.
struct Generator::Text {
  std::size_t number;
  std::int64_t slot;
  std::vector<std::int32_t> tokens;  ///< of the prompt, and then of the answer
  std::size_t prompt;                ///< tokens of it
  std::int64_t cached = 0;           ///< tokens that have been through the model
  PromptRandom random;
  AnswerText text;
  bool renewed = false;

  [[nodiscard]] std::int64_t size() const { return static_cast<std::int64_t>(tokens.size()); }
  /// The answer's next token comes from a pass over one token.
  [[nodiscard]] bool is_answering() const { return tokens.size() > prompt && cached + 1 == size(); }
  [[nodiscard]] Answer answer(Finish finish) const {
    return {{tokens.begin() + static_cast<std::ptrdiff_t>(prompt), tokens.end()}, text.text(), finish};
  }
};

Generator::Generator(Model& model, const Tokenizer& tokenizer, Device& device, GenerationSettings settings)
    : model_(model),
      tokenizer_(tokenizer),
      device_(device),
      settings_(std::move(settings)),
      texts_(static_cast<std::size_t>(settings_.slots)) {
  ensure_compute_copies(model_, device_, settings_.activations);
}

Generator::~Generator() = default;

void Generator::require_room(std::int64_t tokens) {
  const std::int64_t whole = (tokens + kRoomGranule - 1) / kRoomGranule * kRoomGranule;
  if (cache_ == nullptr) {
    cache_ = std::make_unique<KeyValueCache>(device_, settings_.slots, whole);
    return;
  }
  if (whole <= cache_->room()) return;
  std::vector<std::int64_t> lengths;
  for (const auto& text : texts_) lengths.push_back(text == nullptr ? 0 : text->cached);
  cache_->grow(std::max(whole, std::min(2 * cache_->room(),
                                        (settings_.positions + kRoomGranule - 1) / kRoomGranule * kRoomGranule)),
               lengths);
}

std::int64_t Generator::next_piece(const Text& text) { return std::min(kPromptPiece, text.size() - text.cached); }

Tensor Generator::pass(std::span<Text* const> texts, bool row_by_row) {
  std::int64_t most = 0;
  for (const Text* text : texts) most = std::max(most, text->cached + next_piece(*text));
  require_room(most);
  PassArrays arrays;
  for (Text* text : texts) {
    const std::int64_t count = next_piece(*text);
    arrays.add(std::span(text->tokens).subspan(static_cast<std::size_t>(text->cached), static_cast<std::size_t>(count)),
               text->cached, text->size(), cache_->first_row(text->slot));
    text->cached += count;
  }
  const std::vector<std::int32_t> no_types(arrays.ids.size());
  const std::vector<std::uint32_t> no_examples(arrays.ids.size());

  PackedInput input;
  TokenSelection last;
  ArrayBundle bundle;
  bundle.add(arrays.ids, input.indices.ids);
  bundle.add(arrays.positions, input.indices.positions);
  bundle.add(no_types, input.indices.types);
  bundle.add(arrays.starts, input.starts);
  bundle.add(std::span<const std::uint32_t>(no_examples).first(texts.size()), {static_cast<std::int64_t>(texts.size())},
             input.examples);
  bundle.add(no_examples, input.token_examples);
  bundle.add(arrays.token_positions, input.token_positions);
  bundle.add(arrays.cache_rows, input.past.rows);
  bundle.add(arrays.cache_starts, input.past.starts);
  bundle.add(arrays.lengths, input.past.lengths);
  bundle.add(arrays.whole_lengths, input.past.whole_lengths);
  bundle.add(arrays.last_rows, last.rows);
  bundle.add(arrays.last_starts, last.starts);
  bundle.add(std::span<const std::uint32_t>(no_examples).first(texts.size()), {static_cast<std::int64_t>(texts.size())},
             last.examples);
  bundle.add(arrays.last_positions, last.positions);
  bundle.upload(device_);
  input.longest = arrays.longest_piece;
  input.past.cache = cache_.get();
  input.past.tokens = arrays.tokens;
  input.past.longest = arrays.longest;

  Tape tape(device_, Tape::Mode::evaluation, {}, settings_.activations);
  tape.set_row_by_row(row_by_row);
  return model_.forward(tape, input, last).value();
}

void Generator::count_token_pass() {
  if (++token_passes_ == kPassesBeforeCopy) bring_weights_near(model_, device_, settings_.processes, available_bytes());
}

void Generator::renew(Text& text) const {
  const std::int64_t limit = settings_.renewed_beyond;
  if (limit == 0 || text.renewed || std::cmp_equal(text.size(), text.prompt)) return;
  if (text.cached > limit || text.size() <= limit) return;
  text.cached = 0;
  text.renewed = true;
}

bool Generator::draw(Text& text, std::span<const float> logits, const AnswerListener& listener) {
  if (!all_finite(logits)) refuse_not_finite(model_, device_, "what the model says is");
  std::vector<float> changed(logits.begin(), logits.end());
  const std::int32_t id = next_token(changed, text.tokens, settings_.sampling, text.random);
  text.tokens.push_back(id);
  const auto end = [&](Finish finish) {
    if (const std::string rest = text.text.finish(); !rest.empty()) listener.on_text(text.number, rest);
    listener.on_end(text.number, text.answer(finish));
    return true;
  };
  const auto& stops = settings_.stop_tokens;
  if (std::find(stops.begin(), stops.end(), id) != stops.end()) return end(Finish::stop_token);
  if (const std::string piece = text.text.add(id); !piece.empty()) listener.on_text(text.number, piece);
  if (text.text.stopped()) return end(Finish::stop_text);
  if (text.size() - static_cast<std::int64_t>(text.prompt) >= settings_.most_tokens) return end(Finish::length);
  return text.size() >= settings_.positions && end(Finish::positions);
}

void Generator::run(std::span<const std::vector<std::int32_t>> prompts, const AnswerListener& listener) {
  std::size_t next = 0;
  const auto fill_slots = [&] {
    for (std::size_t slot = 0; slot < texts_.size() && next < prompts.size(); ++slot) {
      if (texts_[slot] != nullptr) continue;
      const std::vector<std::int32_t>& prompt = prompts[next];
      texts_[slot] = std::make_unique<Text>(Text{next, static_cast<std::int64_t>(slot), prompt, prompt.size(), 0,
                                                 PromptRandom(settings_.sampling.seed, prompt),
                                                 AnswerText(tokenizer_, prompt, settings_.stop_texts)});
      ++next;
    }
  };
  while (!settings_.stop_requested()) {
    fill_slots();
    // Prompts first, so that all that can be done together is.
    std::vector<Text*> asking;
    std::vector<Text*> answering;
    std::int64_t tokens = 0;
    for (const auto& text : texts_) {
      if (text == nullptr) continue;
      renew(*text);
      if (text->is_answering()) {
        answering.push_back(text.get());
      } else if (tokens == 0 || tokens + next_piece(*text) <= kMostTokensOfPass) {
        tokens += next_piece(*text);
        asking.push_back(text.get());
      }
    }
    const std::vector<Text*>& texts = asking.empty() ? answering : asking;
    if (texts.empty()) return;
    if (asking.empty()) count_token_pass();
    const HostCopy logits(device_, pass(texts, asking.empty()));
    const std::size_t width = logits.values().size() / texts.size();
    for (std::size_t i = 0; i < texts.size(); ++i) {
      Text& text = *texts[i];
      if (text.cached < text.size()) continue;  // more of its prompt is to come
      const auto slot = static_cast<std::size_t>(text.slot);
      if (draw(text, logits.values().subspan(i * width, width), listener)) texts_[slot] = nullptr;
    }
  }
  for (auto& text : texts_) {
    if (text != nullptr) listener.on_end(text->number, text->answer(Finish::interrupted));
    text = nullptr;
  }
}

std::vector<float> Generator::logits_of_whole(std::span<const std::int32_t> text) {
  return logits_by_token(text, static_cast<std::int64_t>(text.size()));
}

std::vector<float> Generator::logits_by_token(std::span<const std::int32_t> text, std::int64_t prompt) {
  const std::vector<std::int32_t> all(text.begin(), text.end());
  const auto begin = all.begin();
  texts_[0] = std::make_unique<Text>(Text{0,
                                          0,
                                          {begin, begin + prompt},
                                          static_cast<std::size_t>(prompt),
                                          0,
                                          PromptRandom(0, {}),
                                          AnswerText(tokenizer_, {}, {})});
  Text* one = texts_[0].get();
  Tensor logits;
  while (one->cached < one->size()) logits = pass(std::span(&one, 1), false);
  for (std::int64_t i = prompt; i < static_cast<std::int64_t>(all.size()); ++i) {
    one->tokens.push_back(all[static_cast<std::size_t>(i)]);
    renew(*one);
    do logits = pass(std::span(&one, 1), one->is_answering());
    while (one->cached < one->size());
  }
  texts_[0] = nullptr;
  const HostCopy host(device_, logits);
  return {host.values().begin(), host.values().end()};
}

}  // namespace temper
