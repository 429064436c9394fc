#include "launch/commands/table_options.h"

namespace temper {
void add_table_options(const CommandLine& command, TableRequests& requests) {
  command.option("--text", requests.text, "Column of the text, or of the path of a picture");
  command.option("--text-pair", requests.text_pair, "Texts: column of a second one; \"\" if rows have a single text");
  command
      .option("--max-length", requests.max_length, "Texts: maximum tokens per row; default: as in training, else 128")
      .within(1, 1 << 20);
  command
      .option("--stride", requests.stride,
              "causal-lm: windows of the maximum length that begin so many tokens behind one another; 0: pieces")
      .within(0, 1 << 20);
  command
      .option("--documents", requests.documents,
              "What a row of a .txt file is: line, paragraph or file; default: as in training, else line")
      .one_of({"line", "paragraph", "file"});
  command
      .option("--views", requests.views,
              "Images: average over views of each picture: flip (and mirrored) or five-crops (corners and centre)")
      .one_of({"none", "flip", "five-crops"});
  command.option("--threshold", requests.threshold, "Multi-label: labels with a probability above it are predicted")
      .between(0.0, 1.0);
}

void print_note(const CommandContext& context, const std::string& line) {
  if (context.speaks()) std::fprintf(stderr, "%s\n", line.c_str());
}

}  // namespace temper
