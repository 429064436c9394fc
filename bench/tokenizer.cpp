// How fast a text file is tokenized on one core, line by line, from the mapped file to ids. Prints one line a
// tokenizer, the median of several passes, each with a tokenizer that has just been loaded and so has an empty cache of
// words:
//
//     tokenizer_bench TEXT TOKENIZER.json...
#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <exception>
#include <fstream>
#include <iterator>
#include <string>
#include <string_view>
#include <vector>

#include "data/tokenizer/tokenizer.h"

namespace temper {
namespace {

constexpr int kPasses = 5;

std::vector<std::string_view> lines_of(std::string_view text) {
  std::vector<std::string_view> lines;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find('\n'), text.size() - 1) + 1;
    lines.push_back(text.substr(0, end));
    text.remove_prefix(end);
  }
  return lines;
}

void measure(const char* file, std::string_view text, const std::vector<std::string_view>& lines) {
  std::vector<double> seconds;
  std::size_t tokens = 0;
  for (int pass = 0; pass < kPasses; ++pass) {
    const auto tokenizer = Tokenizer::load(file);
    const auto start = std::chrono::steady_clock::now();
    tokens = 0;
    for (const std::string_view line : lines) tokens += tokenizer->encode_plain(line).size();
    seconds.push_back(std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count());
  }
  std::nth_element(seconds.begin(), seconds.begin() + kPasses / 2, seconds.end());
  fmt::print("{}\t{} tokens\t{:.1f} MB/s\n", file, tokens,
             static_cast<double>(text.size()) * 1e-6 / seconds[kPasses / 2]);
}

}  // namespace
}  // namespace temper

int main(int argc, char** argv) {
  if (argc < 3) {
    fmt::print(stderr, "usage: tokenizer_bench TEXT TOKENIZER.json...\n");
    return 2;
  }
  try {
    std::ifstream file(argv[1], std::ios::binary);
    const std::string text{std::istreambuf_iterator<char>(file), {}};
    if (text.empty()) {
      fmt::print(stderr, "{}: found no text\n", argv[1]);
      return 2;
    }
    const std::vector<std::string_view> lines = temper::lines_of(text);
    for (int i = 2; i < argc; ++i) temper::measure(argv[i], text, lines);
  } catch (const std::exception& error) {
    fmt::print(stderr, "tokenizer_bench: {}\n", error.what());
    return 1;
  }
  return 0;
}
