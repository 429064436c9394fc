#include "launch/commands/mask_report.h"

#include <cstdio>
#include <filesystem>
#include <memory>

#include "base/error.h"
#include "data/chat/chat_encoder.h"
#include "data/tables/table_reader.h"
#include "runtime/inputs/chat_data.h"
#include "runtime/inputs/run_adapter.h"
#include "runtime/inputs/run_model.h"

namespace temper {
namespace {

using Json = nlohmann::ordered_json;

/// The text of a sequence in pieces that are learnt or not. A piece is what its tokens add to the text before them, for
/// a token alone may decode otherwise.
Json pieces_of(const LearntSequence& sequence, const Tokenizer& tokenizer) {
  Json pieces = Json::array();
  std::string before;
  for (std::size_t begin = 0; begin < sequence.ids.size();) {
    std::size_t end = begin;
    while (end < sequence.ids.size() && sequence.learnt[end] == sequence.learnt[begin]) ++end;
    std::string until = tokenizer.decode(std::span(sequence.ids).first(end), false);
    const std::string piece = until.starts_with(before)
                                  ? until.substr(before.size())
                                  : tokenizer.decode(std::span(sequence.ids).subspan(begin, end - begin), false);
    pieces.push_back({{"text", piece}, {"learnt", static_cast<bool>(sequence.learnt[begin])}});
    before = std::move(until);
    begin = end;
  }
  return pieces;
}

Json row_json(const std::string& place, const LearntSequence& sequence, const Tokenizer& tokenizer) {
  Json learnt = Json::array();
  std::int64_t count = 0;
  for (const bool one : sequence.learnt) {
    learnt.push_back(one ? 1 : 0);
    count += one ? 1 : 0;
  }
  Json row{{"place", place},      {"tokens", sequence.ids.size()}, {"learnt_tokens", count},
           {"ids", sequence.ids}, {"learnt", std::move(learnt)},   {"pieces", pieces_of(sequence, tokenizer)}};
  if (!sequence.weights.empty()) row["weights"] = sequence.weights;
  return row;
}

std::string html_text(std::string_view text) {
  std::string html;
  for (const char c : text) {
    switch (c) {
      case '&':
        html += "&amp;";
        break;
      case '<':
        html += "&lt;";
        break;
      case '>':
        html += "&gt;";
        break;
      default:
        html += c;
    }
  }
  return html;
}

}  // namespace

Json mask_report(const std::string& data, const MaskArguments& arguments) {
  if (arguments.model.empty())
    throw usage_error("--mask needs --model, whose tokenizer and chat template make the tokens");
  const ModelChoice choice = choose_model(arguments.model, arguments.adapters);
  const ModelFolder folder(choice.model, TruncationSide::as_tokenizer, choice.read_as());
  DataSection section;
  section.format = "conversations";
  if (folder.tokenizer == nullptr)
    throw usage_error(
        "{}: is a model of images, which reads no texts; to see pictures as it does, name a file for them with "
        "--pictures out.png",
        arguments.model);
  section.learn = arguments.learn;
  section.learn_roles = arguments.learn_roles;
  section.chat_template = arguments.chat_template;
  section.long_documents = arguments.long_documents;
  const std::int64_t most =
      folder.max_length(arguments.max_length > 0 ? arguments.max_length : folder.config.longest_sequence);
  std::int32_t end_token = -1;
  if (const std::string& end = folder.tokenizer->end_token(); !end.empty())
    end_token = folder.tokenizer->id_of(end).value_or(-1);
  const auto encoder = chat_encoder_of(section, *folder.tokenizer, most, end_token, holds_pairs(data, ""));
  const auto table = open_table(data, TextUnit::conversation);
  Json report{{"path", data}, {"model", arguments.model}, {"rows", Json::array()}};
  std::int64_t shown = 0;
  table->read(kRowsInChunk, [&](const Table& chunk, std::int64_t) {
    for (std::size_t row = 0; row < chunk.rows.size(); ++row) {
      try {
        (void)encoder->encode(chunk.rows[row].front());
        if (shown++ >= arguments.rows) continue;
        const std::vector<LearntSequence> sequences = encoder->encode_whole(chunk.rows[row].front());
        for (std::size_t i = 0; i < sequences.size(); ++i) {
          const char* const which = !encoder->settings().pairs ? "" : i == 0 ? ", chosen" : ", rejected";
          report["rows"].push_back(row_json(place_of(chunk, row) + which, sequences[i], *folder.tokenizer));
        }
      } catch (const Error& error) {
        throw Error("{}: {}", place_of(chunk, row), error.what());
      }
    }
    return true;
  });
  report["findings"] = Json::array();
  for (const Finding& finding : diagnose_chats(encoder->counts(), encoder->settings(), *folder.tokenizer, "training"))
    report["findings"].push_back({{"severity", finding.severity == Severity::warning ? "warning" : "note"},
                                  {"name", finding.name},
                                  {"sentence", finding.sentence},
                                  {"value", finding.value}});
  return report;
}

void print_mask_report(const Json& report, bool in_colour) {
  constexpr const char* kLearnt = "\033[30;42m";
  constexpr const char* kPlain = "\033[0m";
  for (const Json& row : report["rows"]) {
    std::printf("%s: %s of %s tokens are learnt\n", row["place"].get<std::string>().c_str(),
                row["learnt_tokens"].dump().c_str(), row["tokens"].dump().c_str());
    for (const Json& piece : row["pieces"]) {
      const auto text = piece["text"].get<std::string>();
      if (!piece["learnt"].get<bool>()) {
        std::fputs(text.c_str(), stdout);
      } else {
        std::printf("%s%s%s", in_colour ? kLearnt : "[[", text.c_str(), in_colour ? kPlain : "]]");
      }
    }
    std::puts("\n");
  }
  for (const Json& finding : report["findings"]) std::puts(finding["sentence"].get<std::string>().c_str());
}

std::string mask_page(const Json& report, const std::string& title) {
  std::string page =
      std::string(kPageBeginning) + "\n<html lang=\"en\"><head><meta charset=\"utf-8\"><title>" + html_text(title) +
      "</title>\n<style>body{font:15px/1.5 sans-serif;max-width:60em;margin:2em auto;padding:0 1em;color:#222}"
      "pre{white-space:pre-wrap;background:#f6f6f6;padding:1em;border-radius:4px}"
      "mark{background:#b7e4c7;color:inherit}.warning{color:#9c2a00}</style></head><body>\n<h1>" +
      html_text(title) + "</h1>\n<p>Marked is what is learnt.</p>\n<ul>\n";
  for (const Json& finding : report["findings"])
    page += "<li class=\"" + finding["severity"].get<std::string>() + "\">" +
            html_text(finding["sentence"].get<std::string>()) + "</li>\n";
  page += "</ul>\n";
  for (const Json& row : report["rows"]) {
    page += "<h2>" + html_text(row["place"].get<std::string>()) + "</h2>\n<p>" + row["learnt_tokens"].dump() + " of " +
            row["tokens"].dump() + " tokens</p>\n<pre>";
    for (const Json& piece : row["pieces"]) {
      const std::string text = html_text(piece["text"].get<std::string>());
      page += piece["learnt"].get<bool>() ? "<mark>" + text + "</mark>" : text;
    }
    page += "</pre>\n";
  }
  return page + "</body></html>\n";
}

}  // namespace temper
