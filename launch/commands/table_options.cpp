#include "launch/commands/table_options.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/counted.h"

namespace temper {

void add_picture_options(const CommandLine& command, PictureRequests& requests) {
  command
      .option("--frame", requests.frame,
              "Images: frame, page or volume of files with several, from 0; below 0: none; default: as the model was "
              "trained")
      .within(-1, 1LL << 31);
  command
      .option("--slice", requests.slice,
              "Images, NIfTI: AXIS:INDEX, axis (0 to 2) and slice, such as 2:40, or 2:middle; default: as in training")
      .value_name("SLICE");
  command
      .option("--window", requests.window,
              "Images: what lies between black and white, in the file's units, such as -600,1500; file: as the file "
              "says; default: as in training")
      .value_name("CENTRE,WIDTH");
  command
      .option("--most-megapixels", requests.most_megapixels,
              "Images: larger ones are refused; default: as in training, else 256")
      .within(1, 4096);
}

void add_skip_option(const CommandLine& command, PictureRequests& requests) {
  command.flag("--skip-unreadable", requests.skip_unreadable,
               "Images: leave out pictures that cannot be read, and tell which; else the command ends at the first");
}

void print_skipped(const CommandContext& context, const std::vector<std::string>& reasons, std::int64_t skipped,
                   std::int64_t rows) {
  constexpr std::size_t kShown = 5;
  for (std::size_t i = 0; i < std::min(reasons.size(), kShown); ++i) print_note(context, reasons[i] + "; skipped");
  if (skipped > 0)
    print_note(context, fmt::format("{} of {} could not be read and {} left out (--skip-unreadable)", skipped,
                                    counted(rows, "picture"), skipped == 1 ? "is" : "are"));
}

void add_table_options(const CommandLine& command, TableRequests& requests) {
  command.option("--text", requests.text, "Column of the text, or of the path of a picture");
  command.option("--text-pair", requests.text_pair, "Texts: column of a second one; \"\" if rows have a single text");
  command
      .option("--max-length", requests.max_length, "Texts: maximum tokens per row; default: as in training, else 128")
      .within(2, 1 << 20);
  command
      .option(
          "--stride", requests.stride,
          "causal-lm: windows of the maximum length that begin so many tokens behind one another; 0: pieces; default: "
          "as the run measured, else pieces")
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
  add_picture_options(command, requests.pictures);
}

void print_note(const CommandContext& context, const std::string& line) {
  if (context.speaks()) std::fprintf(stderr, "%s\n", line.c_str());
}

}  // namespace temper
