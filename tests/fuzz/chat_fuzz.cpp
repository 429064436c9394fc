// Throws broken templates, rows and files at the chat template engine and the readers of conversations. Whatever comes,
// there is a text or an Error, soon, and no more than that: AddressSanitizer and UndefinedBehaviorSanitizer watch.
// Usage: chat_fuzz SECONDS SEED FILE... (templates; lines of .jsonl files are rows, "template" members of objects
// templates)
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <nlohmann/json.hpp>
#include <random>
#include <string>
#include <vector>

#include "base/error.h"
#include "data/chat/chat_row.h"
#include "data/jinja/template.h"
#include "data/tables/conversation_reader.h"
#include "tests/fuzz/fuzz_program.h"

namespace {

using namespace temper;

class Mutator {
 public:
  Mutator(std::uint64_t seed, std::vector<std::string> pieces) : random_(seed), pieces_(std::move(pieces)) {}

  std::string mutate(std::string text) {
    for (std::size_t times = 1 + below(6); times > 0; --times) {
      const std::size_t at = below(text.size() + 1);
      switch (below(8)) {
        case 0:
          text.insert(at, pieces_[below(pieces_.size())]);
          break;
        case 1:
          text.erase(at, below(20));
          break;
        case 2:
          if (!text.empty()) text[below(text.size())] = static_cast<char>(below(256));
          break;
        case 3: {  // a piece comes twice
          const std::string part = text.substr(at, below(60));
          text.insert(below(text.size() + 1), part);
          break;
        }
        case 4: {
          std::string many;
          const std::string& piece = pieces_[below(pieces_.size())];
          for (std::size_t i = below(300); i > 0; --i) many += piece;
          text.insert(at, many);
          break;
        }
        case 5:
          text.insert(at, std::to_string(random_()));
          break;
        case 6:
          text.resize(at);
          break;
        default:
          if (text.size() > 1) std::swap(text[below(text.size())], text[below(text.size())]);
      }
      if (text.size() > 60'000) text.resize(60'000);
    }
    return text;
  }
  std::size_t below(std::size_t limit) { return limit == 0 ? 0 : static_cast<std::size_t>(random_() % limit); }

 private:
  std::mt19937_64 random_;
  std::vector<std::string> pieces_;
};

std::string content_of(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

void render(const std::string& source, const Conversation& conversation) {
  const jinja::Template parsed(source);
  std::vector<std::pair<std::string, jinja::Value>> variables{
      {"messages", jinja::make_list(messages_for_template(conversation.messages))},
      {"tools", conversation.tools},
      {"documents", conversation.documents},
      {"add_generation_prompt", true},
      {"bos_token", jinja::make_text("<s>")},
      {"eos_token", jinja::make_text("</s>")}};
  jinja::Limits limits;
  limits.steps = 200'000;
  std::tm date{};
  date.tm_mday = 1;
  const jinja::Rendered rendered = parsed.render(std::move(variables), date, limits);
  // The origins cover the text.
  std::size_t bytes = 0;
  for (const jinja::Text::Run& run : rendered.text.runs()) bytes += run.bytes.size();
  if (bytes != rendered.text.size()) std::abort();
}

/// A file of these rows: one a line, or an array of them. How many could be read.
std::uint64_t read_file(const std::string& text) {
  std::uint64_t read = 0;
  try {
    const auto reader = conversation_rows(text, "rows.jsonl");
    std::vector<std::string> fields;
    while (reader->next(fields)) {
      if (fields.size() != 1 || reader->taken() > text.size()) std::abort();
      try {
        (void)parse_chat_row(fields.front());
        ++read;
      } catch (const Error&) {
      }
    }
  } catch (const Error&) {
  }
  return read;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 4) {
    std::fprintf(stderr, "usage: chat_fuzz SECONDS SEED FILE...\n");
    return 2;
  }
  const double seconds = std::atof(argv[1]);
  std::vector<std::string> templates;
  std::vector<std::string> rows;
  for (int i = 3; i < argc; ++i) {
    const std::string path = argv[i];
    if (!path.ends_with(".jsonl")) {
      templates.push_back(content_of(path));
      continue;
    }
    std::ifstream lines(path);
    for (std::string line; std::getline(lines, line) && rows.size() + templates.size() < 5000;) {
      const auto object = nlohmann::json::parse(line, nullptr, false);
      if (object.is_object() && object.contains("template") && object["template"].is_string()) {
        templates.push_back(object["template"].get<std::string>());
      } else {
        rows.push_back(line);
      }
    }
  }
  if (rows.empty())
    rows.push_back(R"({"messages": [{"role": "user", "content": "a <|im_end|> b"}, {"role": "assistant", "content": "é",
      "tool_calls": [{"function": {"name": "f", "arguments": {"x": [1, 2.5, null, true]}}}]}], "tools": [{"a": 1}]})");
  std::vector<std::string> pieces{"{{",
                                  "}}",
                                  "{%",
                                  "%}",
                                  "{#",
                                  "#}",
                                  "-",
                                  "(",
                                  ")",
                                  "[",
                                  "]",
                                  "{",
                                  "}",
                                  "|",
                                  "~",
                                  "'",
                                  "\"",
                                  "\\",
                                  "\\ud800",
                                  "{% for x in messages %}",
                                  "{% endfor %}",
                                  "{% if x %}",
                                  "{% endif %}",
                                  "{% set ns.a = [ns] %}",
                                  "{% set a = namespace(b=a) %}",
                                  "{% macro f(x) %}{{ f(x) }}{% endmacro %}",
                                  "{{ f(1) }}",
                                  "| tojson",
                                  "| sort",
                                  "| map(attribute='a')",
                                  "| list",
                                  "[::-1]",
                                  "* 999999",
                                  "range(99999)",
                                  "loop.previtem",
                                  "caller()",
                                  "{% call f() %}",
                                  "{% endcall %}",
                                  "**",
                                  "//",
                                  "%",
                                  "'%s%d' | format(1)",
                                  ".split('')",
                                  ".format(",
                                  "not ",
                                  "is ",
                                  "in ",
                                  "\xF0\x9F\x91\x8D",
                                  "\n",
                                  "1e999",
                                  "{\"a\":",
                                  "[[[[",
                                  "null",
                                  "\\u00e9",
                                  "\"role\":",
                                  "\"content\":"};
  Mutator mutator(std::strtoull(argv[2], nullptr, 10), pieces);
  std::uint64_t tries = 0;
  std::uint64_t rendered = 0;
  std::uint64_t read = 0;
  std::uint64_t read_from_files = 0;
  double longest = 0.0;
  ChatRow row = parse_chat_row(rows.front());
  while (processor_seconds() < seconds) {
    ++tries;
    const double before = processor_seconds();
    const std::string json = mutator.mutate(rows[mutator.below(rows.size())]);
    const std::string source = templates.empty() ? "" : mutator.mutate(templates[mutator.below(templates.size())]);
    try {
      row = parse_chat_row(json);
      ++read;
    } catch (const Error&) {
    }
    std::ofstream("chat_fuzz.last", std::ios::binary) << source << "\n---\n" << json;
    try {
      render(source, row.conversation);
      ++rendered;
    } catch (const Error&) {
    }
    if (tries % 4 == 0) {
      const bool is_array = mutator.below(2) == 0;
      std::string text = is_array ? "[" : "";
      for (std::size_t i = mutator.below(5); i > 0; --i)
        text += rows[mutator.below(rows.size())] + (is_array && i > 1 ? ",\n" : "\n");
      text = mutator.mutate(text + (is_array ? "]" : ""));
      std::ofstream("chat_fuzz.last", std::ios::binary) << text;
      read_from_files += read_file(text);
    }
    longest = std::max(longest, processor_seconds() - before);
  }
  std::printf("%llu tries, %llu templates rendered, %llu rows read, %llu of files, the longest took %.2f s\n",
              static_cast<unsigned long long>(tries), static_cast<unsigned long long>(rendered),
              static_cast<unsigned long long>(read), static_cast<unsigned long long>(read_from_files), longest);
  return 0;
}
