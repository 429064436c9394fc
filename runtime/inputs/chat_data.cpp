#include "runtime/inputs/chat_data.h"

#include <algorithm>
#include <fstream>

#include "base/counted.h"
#include "base/error.h"
#include "base/mapped_file.h"
#include "base/name_list.h"
#include "data/chat/preference_row.h"
#include "data/tables/conversation_reader.h"
#include "data/tables/file_text.h"
#include "data/tables/jsonl_reader.h"
#include "data/tables/table_reader.h"
#include "data/tokenizer/tokenizer_file.h"

namespace temper {
namespace {

/// The members of the first object of a file of JSON.
std::vector<std::string> first_members(const std::filesystem::path& path) {
  std::filesystem::path name = path;
  const bool compressed = name.extension() == ".gz";
  if (compressed) name = name.stem();
  if (name.extension() != ".jsonl" && name.extension() != ".json") return {};
  const FileText text(path, compressed);
  const auto reader = name.extension() == ".json" ? json_rows(text.text(), path) : jsonl_rows(text.text(), path);
  std::vector<std::string> fields;
  if (!reader->next(fields)) return {};
  std::vector<std::string> members;
  for (std::size_t i = 0; i < fields.size(); ++i)
    if (!fields[i].empty()) members.push_back(reader->head().columns[i]);
  return members;
}

constexpr const char* kTallyTitle = "temper chat counts 3";

std::int64_t of(const ChatCounts& counts, ChatCount which) { return count_of(counts, which); }

Finding note(const char* name, std::string sentence, double value) {
  return {Severity::note, name, std::move(sentence), value};
}
Finding warning(const char* name, std::string sentence, double value) {
  return {Severity::warning, name, std::move(sentence), value};
}

enum class RowForm : std::uint8_t { other, conversation, pair };

/// Of the first row of a file.
RowForm row_form(const std::filesystem::path& file, std::string_view text_column) {
  std::vector<std::string> members;
  try {
    members = first_members(file);
  } catch (const Error&) {
    return RowForm::other;  // who reads the file tells what is wrong with it
  }
  if (std::find(members.begin(), members.end(), text_column) != members.end()) return RowForm::other;
  if (!chat_form(members).empty()) return RowForm::conversation;
  return is_preference_form(members) ? RowForm::pair : RowForm::other;
}

}  // namespace

void resolve_data_format(Configuration& configuration) {
  DataSection& data = configuration.data;
  if (task_named(configuration.model.task).labels == LabelKind::preference) {
    if (data.format == "text")
      throw usage_error(
          "data.format is text, but {} reads pairs of answers, an object each in .jsonl or .json files; take the key "
          "out",
          configuration.model.task);
    data.format = "conversations";
    return;
  }
  if (data.format != "auto") return;
  if (task_named(configuration.model.task).labels != LabelKind::next_token) return;
  std::vector<std::filesystem::path> files;
  try {
    files = files_named(data.train.values);
  } catch (const Error&) {
    // Who reads the files tells what is wrong with them.
  }
  if (files.empty()) return;
  const RowForm form = row_form(files.front(), data.text);
  if (form == RowForm::pair)
    throw usage_error("{}: its rows are pairs of answers, which model.task = \"dpo\" learns, but it is {}",
                      data.train.text(), configuration.model.task);
  if (form == RowForm::conversation) data.format = "conversations";
}

bool holds_conversations(const std::filesystem::path& file, std::string_view text_column) {
  return row_form(file, text_column) == RowForm::conversation;
}

bool holds_pairs(const std::filesystem::path& file, std::string_view text_column) {
  return row_form(file, text_column) == RowForm::pair;
}

std::shared_ptr<const ChatTemplate> chat_template_of(const DataSection& data, const Tokenizer& tokenizer) {
  if (data.chat_template == "none") return nullptr;
  const std::optional<std::tm> date = parse_date(data.template_date);
  if (!date)
    throw usage_error("data.template_date is {}, expected a date such as 2024-07-26", quoted_name(data.template_date));
  const bool own = data.chat_template != "tokenizer";
  return std::make_shared<const ChatTemplate>(tokenizer, own ? data.chat_template : std::string(), *date);
}

std::string text_of_own_template(const DataSection& data) {
  if (!reads_conversations(data) || data.chat_template == "tokenizer" || data.chat_template == "none") return "";
  return std::string(MappedFile(data.chat_template).text());
}

std::shared_ptr<const ChatEncoder> chat_encoder_of(const DataSection& data, const Tokenizer& tokenizer,
                                                   std::int64_t max_length, std::int32_t end_token, bool pairs) {
  if (!reads_conversations(data)) return nullptr;
  if (data.pack == "blocks")
    throw usage_error("data.pack is blocks, which would cut conversations anywhere; take documents or none");
  if (pairs && data.learn == "all")
    throw usage_error("data.learn is all, but of pairs the answers alone are compared; take assistant or last");
  ChatSettings settings;
  settings.turns = data.learn == "last"  ? LearntTurns::last
                   : data.learn == "all" ? LearntTurns::all
                                         : LearntTurns::each;
  settings.roles = data.learn_roles;
  settings.max_length = static_cast<std::size_t>(max_length);
  settings.long_chats = data.long_documents == "cut"      ? LongChats::cut
                        : data.long_documents == "drop"   ? LongChats::drop
                        : data.long_documents == "refuse" ? LongChats::refuse
                                                          : LongChats::split;
  settings.end_token = end_token;
  settings.pairs = pairs;
  return std::make_shared<const ChatEncoder>(tokenizer, chat_template_of(data, tokenizer), std::move(settings));
}

ChatCounts counts_of_all(const ChatCounts& mine, Communicator& communicator) {
  std::vector<std::int64_t> sums(mine.begin(), mine.end());
  std::vector<std::int64_t> most = sums;
  communicator.all_reduce(std::span(sums), Reduction::sum);
  communicator.all_reduce(std::span(most), Reduction::max);
  ChatCounts all{};
  for (std::size_t i = 0; i < kChatCounts; ++i) all[i] = is_maximum(static_cast<ChatCount>(i)) ? most[i] : sums[i];
  return all;
}

std::optional<ChatTally> read_chat_tally(const std::filesystem::path& tokens,
                                         std::span<const std::int64_t> rows_of_files) {
  std::ifstream file(tokens.string() + ".counts");
  std::string title;
  ChatTally tally;
  if (!std::getline(file, title) || title != kTallyTitle) return std::nullopt;
  for (std::int64_t& count : tally.counts)
    if (!(file >> count)) return std::nullopt;
  // The tokens are the same however the rows are spread over files, but not what came of each file.
  std::size_t files = 0;
  if (!(file >> files) || files != rows_of_files.size()) return std::nullopt;
  for (const std::int64_t expected : rows_of_files) {
    std::int64_t rows = 0;
    std::int64_t sequences = 0;
    if (!(file >> rows >> sequences) || rows != expected) return std::nullopt;
    tally.sequences_of_files.push_back(sequences);
  }
  return tally;
}

void write_chat_tally(const std::filesystem::path& tokens, std::span<const std::int64_t> rows_of_files,
                      const ChatTally& tally) {
  std::string text = fmt::format("{}\n", kTallyTitle);
  for (const std::int64_t count : tally.counts) text += fmt::format("{}\n", count);
  text += fmt::format("{}\n", rows_of_files.size());
  for (std::size_t i = 0; i < rows_of_files.size(); ++i)
    text += fmt::format("{} {}\n", rows_of_files[i], tally.sequences_of_files[i]);
  write_file_atomically(tokens.string() + ".counts", text);
}

std::vector<Finding> diagnose_chats(const ChatCounts& counts, const ChatSettings& settings, const Tokenizer& tokenizer,
                                    std::string_view role) {
  std::vector<Finding> findings;
  const std::int64_t rows = of(counts, ChatCount::rows);
  if (rows == 0) return findings;
  const char* const noun = settings.pairs ? "pair" : "conversation";
  const auto number = [](std::int64_t count) { return static_cast<double>(count); };
  const std::int64_t turns = of(counts, ChatCount::turns);
  const std::int64_t ended = of(counts, ChatCount::ended_turns);
  const std::int64_t tokens = of(counts, ChatCount::tokens);
  const std::int64_t learnt = of(counts, ChatCount::learnt_tokens);
  const auto end_token = static_cast<std::int32_t>(of(counts, ChatCount::end_token_of_turns) - 1);
  const std::string end = end_token >= 0 ? fmt::format(" ({})", tokenizer.token(end_token)) : std::string();
  const std::string learns =
      settings.turns == LearntTurns::all ? "learnt whole" : counted(turns, "turn") + " to learn in them";
  const std::string what = fmt::format("{}, {}: {} of {}", counted(rows, fmt::format("{} {}", role, noun)), learns,
                                       learnt, counted(tokens, "token"));
  findings.push_back(note("conversations",
                          fmt::format("{}; the longest has {}", what, counted(of(counts, ChatCount::longest), "token")),
                          tokens == 0 ? 0.0 : number(learnt) / number(tokens)));
  if (settings.turns != LearntTurns::all && turns > 0) {
    if (ended == turns) {
      findings.push_back(note("ends_learnt", fmt::format("each of these turns ends with its end token{}", end), 1.0));
    } else {
      findings.push_back(warning(
          "ends_not_learnt",
          fmt::format("{} of {} have no end token, so the model will not learn to stop there; the chat template writes "
                      "none behind them",
                      turns - ended, counted(turns, "turn")),
          number(turns - ended) / number(turns)));
    }
  }
  if (const std::int64_t silent = of(counts, ChatCount::silent_turns); silent > 0)
    findings.push_back(warning(
        "empty_turns",
        fmt::format("{} of {} say nothing, as the chat template writes them, so that the model learns to end at "
                    "once; take them out, or take a template that writes what they hold",
                    silent, counted(turns, "turn")),
        number(silent) / number(turns)));
  if (const std::int64_t left_out = std::min(of(counts, ChatCount::not_written), rows); left_out > 0)
    findings.push_back(
        warning("tools_not_written",
                fmt::format("{} of {} {} tools, calls of tools or documents that the chat template does not write, so "
                            "the model never sees them; take a template that knows them (data.chat_template)",
                            left_out, counted(rows, fmt::format("{} {}", role, noun)), plural(left_out, "has", "have")),
                number(left_out) / number(rows)));
  if (const std::int64_t weighted = of(counts, ChatCount::weighted_tokens); weighted > 0)
    findings.push_back(
        note("turns_weighted",
             fmt::format("{} of the {} are of turns with a weight of their own, by which they count in the loss{}",
                         weighted, counted(learnt, fmt::format("learnt {} token", role)),
                         role == "training" ? "" : " of training; here each counts once"),
             number(weighted) / number(learnt)));
  if (const std::int64_t nothing = of(counts, ChatCount::nothing_to_learn); nothing > 0)
    findings.push_back(
        warning("nothing_to_learn",
                fmt::format("{} of {} {} nothing to learn and {} left out: no turn of {} is in what is kept "
                            "of them{}",
                            nothing, counted(rows, fmt::format("{} row", role)), plural(nothing, "has", "have"),
                            plural(nothing, "is", "are"), name_list(settings.roles),
                            settings.pairs ? ", or of one of their two answers" : ""),
                number(nothing) / number(rows)));
  if (const std::int64_t rewritten = of(counts, ChatCount::rewritten); rewritten > 0)
    findings.push_back(note(
        "turns_rewritten",
        fmt::format("{} of {}: the chat template writes earlier turns otherwise once there are more, so each turn is "
                    "learnt behind the text that stands before it when the model is asked",
                    rewritten, counted(rows, fmt::format("{} {}", role, noun))),
        number(rewritten) / number(rows)));
  if (const std::int64_t longer = of(counts, ChatCount::long_rows); longer > 0) {
    const std::int64_t cut = of(counts, ChatCount::cut_turns);
    const std::int64_t dropped = of(counts, ChatCount::dropped);
    findings.push_back(
        warning("answers_cut",
                fmt::format("{} of {} {} more than {} (data.max_length, data.long_documents): {}", longer,
                            counted(rows, fmt::format("{} {}", role, noun)), plural(longer, "has", "have"),
                            counted(settings.max_length, "token"),
                            dropped > 0 ? fmt::format("{} left out", plural(dropped, "it is", "they are"))
                                        : fmt::format("{} cut", counted(cut, "answer") + plural(cut, " is", " are"))),
                number(longer) / number(rows)));
  }
  const std::int64_t sequences = of(counts, ChatCount::sequences);
  if (settings.pairs) {
    const auto left_out = [&](ChatCount which, const char* name, const char* why) {
      const std::int64_t pairs = of(counts, which);
      if (pairs == 0) return;
      findings.push_back(
          warning(name,
                  fmt::format("{} of {} {} left out: {}", pairs, counted(rows, fmt::format("{} pair", role)),
                              plural(pairs, "is", "are"), why),
                  number(pairs) / number(rows)));
    };
    left_out(ChatCount::equal_pairs, "equal_answers", "both answers are the same, which no model can tell apart");
    left_out(ChatCount::empty_answers, "empty_answers", "an answer says nothing");
    if (sequences > 0) {
      const double pairs = number(sequences) / 2.0;
      const double chosen = number(of(counts, ChatCount::chosen_tokens)) / pairs;
      const double rejected = number(learnt - of(counts, ChatCount::chosen_tokens)) / pairs;
      findings.push_back(note("answer_lengths",
                              fmt::format("the {} answers that are preferred have {:.1f} tokens on average, the others "
                                          "{:.1f}",
                                          role, chosen, rejected),
                              rejected > 0.0 ? chosen / rejected : 0.0));
    }
  }
  if (const std::int64_t doubled = of(counts, ChatCount::doubled_beginnings); doubled > 0)
    findings.push_back(
        warning("doubled_beginnings",
                fmt::format("{} of {} begin with two begin tokens; take one out of the chat template or of "
                            "the texts",
                            doubled, counted(sequences, "sequence")),
                number(doubled) / number(sequences)));
  if (const std::int64_t without = of(counts, ChatCount::without_beginning); without > 0 && without < sequences)
    findings.push_back(note("beginnings",
                            fmt::format("{} of {} begin with the begin token, the others do not", sequences - without,
                                        counted(sequences, "sequence")),
                            number(without) / number(sequences)));
  if (const std::int64_t merged = of(counts, ChatCount::merged_turns); merged > 0)
    findings.push_back(
        note("merged_turns",
             fmt::format("the first token of {} began in the prompt, which a program that asks the model "
                         "will not split so",
                         counted(merged, "turn")),
             number(merged)));
  std::string stop;
  std::string pad;
  for (const auto& [key, text] : tokenizer.chat().special_tokens) {
    if (key == "eos_token") stop = text;
    if (key == "pad_token") pad = text;
  }
  if (!stop.empty() && stop == pad && role == "training")
    findings.push_back(
        note("pad_is_stop",
             fmt::format("the pad token is the end token, {}; nothing is padded here, so every end is learnt "
                         "all the same",
                         stop),
             1.0));
  return findings;
}

}  // namespace temper
