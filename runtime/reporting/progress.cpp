#include "runtime/reporting/progress.h"

#include <fmt/format.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>

#include "base/human_numbers.h"

namespace temper {
namespace {

constexpr std::chrono::milliseconds kBetweenDrawings{100};
constexpr std::string_view kEraseToEnd = "\x1b[K";
constexpr std::string_view kReset = "\x1b[0m";
constexpr std::string_view kBold = "\x1b[1m";
constexpr std::string_view kDim = "\x1b[2m";
constexpr std::string_view kGreen = "\x1b[32m";
constexpr std::string_view kCyan = "\x1b[36m";
constexpr std::size_t kGap = 2;  ///< columns between two fields
constexpr std::size_t kNarrowestBar = 8;
constexpr std::size_t kWidestBar = 32;

/// A labelled number; the label stands before the number (loss 4.87) or after it (312 ex/s).
struct Field {
  std::string before;
  std::string value;
  std::string after;
  [[nodiscard]] std::size_t size() const { return before.size() + value.size() + after.size(); }
};

double fraction_done(const ProgressLine& line) {
  if (line.total_steps <= 0) return 0.0;
  return std::clamp(static_cast<double>(line.step) / static_cast<double>(line.total_steps), 0.0, 1.0);
}

/// `cells` columns, filled from the left in eighths of a column.
std::string blocks(double fraction, std::size_t cells) {
  constexpr std::array<std::string_view, 8> kEighths = {" ", "▏", "▎", "▍", "▌", "▋", "▊", "▉"};
  const auto eighths = static_cast<std::size_t>(fraction * static_cast<double>(8 * cells));
  std::string text;
  for (std::size_t cell = 0; cell < cells; ++cell)
    text += cell < eighths / 8 ? "█" : cell == eighths / 8 ? kEighths[eighths % 8] : " ";
  return text;
}

Field loss_field(const ProgressLine& line) { return {"loss ", significant(line.loss, 3), ""}; }
Field epoch_field(double epoch) { return {"epoch ", fmt::format("{:.2f}", epoch), ""}; }
Field rate_field(const ProgressLine& line) { return {"lr ", fmt::format("{:.1e}", line.learning_rate), ""}; }
Field gradient_field(const ProgressLine& line) { return {"grad ", significant(line.gradient_norm, 2), ""}; }
Field examples_field(const ProgressLine& line, bool of_images) {
  return {"", significant(line.examples_per_second, 3), of_images ? " images/s" : " ex/s"};
}
Field tokens_field(const ProgressLine& line) { return {"", significant(line.tokens_per_second, 3), " tok/s"}; }
Field eta_field(const ProgressLine& line) { return {"eta ", human_duration(line.seconds_left), ""}; }

std::string plain_line(const ProgressLine& line, bool of_images) {
  std::string text = fmt::format("step {}/{}", grouped(line.step), grouped(line.total_steps));
  std::vector<Field> fields{epoch_field(line.epoch), loss_field(line)};
  for (const auto& [name, value] : line.measures) fields.push_back({name + " ", significant(value, 3), ""});
  fields.insert(fields.end(), {rate_field(line), gradient_field(line), examples_field(line, of_images)});
  if (!of_images) fields.push_back(tokens_field(line));
  fields.push_back(eta_field(line));
  for (const Field& field : fields) text += "  " + field.before + field.value + field.after;
  return text;
}

bool no_colour_asked() {
  const char* value = std::getenv("NO_COLOR");
  return value != nullptr && *value != '\0';
}

}  // namespace

Progress::Progress(std::FILE* stream, bool terminal, int columns)
    : stream_(stream), terminal_(terminal), colours_(terminal && !no_colour_asked()), columns_(columns) {}

Progress::~Progress() {
  if (drawn_) std::fputs("\n", stream_);
  std::fflush(stream_);
}

void Progress::update(const ProgressLine& line) {
  last_ = line;
  if (!terminal_) {
    write(plain_line(line, of_images_) + "\n");
    return;
  }
  const bool last_step = line.step == line.total_steps;
  if (drawn_ && !last_step && Clock::now() - last_drawn_ < kBetweenDrawings) return;
  draw();
}

void Progress::evaluation(double epoch, const Metrics& metrics, bool best, std::string_view set) {
  const Field at = epoch_field(epoch);
  const std::string_view mark = best ? "  best" : "";
  const std::string what = set.empty() ? "evaluation" : fmt::format("evaluation of {}", set);
  std::string text = styled(kBold, what) + "  " + styled(kDim, at.before) + at.value;
  std::size_t used = what.size() + 2 + at.size() + mark.size();
  for (const auto& [name, value] : metrics.values) {
    const std::string number = fmt::format("{:.4f}", value);
    used += kGap + name.size() + 1 + number.size();
    // On a terminal, one line of those that matter most; a log file has room for all.
    if (terminal_ && used > static_cast<std::size_t>(width())) break;
    text += "  " + styled(kDim, name) + " " + number;
  }
  print_above(text + styled(kGreen, mark));
}

void Progress::message(std::string_view text) { print_above(text); }

void Progress::finish() {
  if (!terminal_ || !last_) return;
  draw();
  write("\n");
  drawn_ = false;
  last_.reset();
}

int Progress::width() const {
  struct winsize size {};
  const int descriptor = ::fileno(stream_);
  const bool known = descriptor >= 0 && ::ioctl(descriptor, TIOCGWINSZ, &size) == 0 && size.ws_col > 0;
  // Many terminals wrap when their last column is written.
  return std::max(1, (known ? static_cast<int>(size.ws_col) : columns_) - 1);
}

std::string Progress::styled(std::string_view style, std::string_view text) const {
  if (!colours_ || text.empty()) return std::string(text);
  return fmt::format("{}{}{}", style, text, kReset);
}

/// Percentage, bar, and as many fields as there is room for, the ones that matter most first.
std::string Progress::bar_line() {
  const ProgressLine& line = *last_;
  const std::string total = grouped(line.total_steps);
  std::vector<Field> fields{{"", fmt::format("{:>{}}/{}", grouped(line.step), total.size(), total), ""},
                            eta_field(line),
                            loss_field(line),
                            examples_field(line, of_images_),
                            rate_field(line)};
  if (!of_images_) fields.push_back(tokens_field(line));
  fields.insert(fields.end(), {gradient_field(line), epoch_field(line.epoch)});
  for (std::size_t i = 0; i < fields.size(); ++i) widest_[i] = std::max(widest_[i], fields[i].size());

  const auto room = static_cast<std::size_t>(width());
  const std::string percentage = fmt::format("{:>3}%", static_cast<int>(100.0 * fraction_done(line)));
  if (room < percentage.size()) return "";
  std::size_t used = percentage.size();
  constexpr std::size_t kFrame = 3;  // a space and two edges
  std::size_t shown = 0;
  // The bar gives way to the first two fields only.
  const auto bar_room = [&] { return shown < 2 ? 0 : kFrame + kNarrowestBar; };
  while (shown < fields.size() && used + kGap + widest_[shown] + bar_room() <= room) used += kGap + widest_[shown++];

  std::string text = styled(kBold, percentage);
  if (used + kFrame + kNarrowestBar <= room) {
    const std::size_t cells = std::min(room - used - kFrame, kWidestBar);
    text += " ▕" + styled(kCyan, blocks(fraction_done(line), cells)) + "▏";
  }
  for (std::size_t i = 0; i < shown; ++i) {
    const Field& field = fields[i];
    text += "  " + styled(kDim, field.before) + field.value + styled(kDim, field.after);
    if (i + 1 < shown) text.append(widest_[i] - field.size(), ' ');
  }
  return text;
}

void Progress::draw() {
  write(fmt::format("\r{}{}", bar_line(), kEraseToEnd));
  drawn_ = true;
  last_drawn_ = Clock::now();
}

void Progress::print_above(std::string_view text) {
  const bool bar = drawn_;
  write(fmt::format("{}{}\n", bar ? fmt::format("\r{}", kEraseToEnd) : "", text));
  if (bar) draw();
}

void Progress::write(std::string_view bytes) {
  std::fwrite(bytes.data(), 1, bytes.size(), stream_);
  std::fflush(stream_);
}

}  // namespace temper
