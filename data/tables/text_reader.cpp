#include "data/tables/text_reader.h"

#include <algorithm>
#include <string>

#include "base/error.h"
#include "data/tables/label_values.h"

namespace temper {
namespace {

class TextReader final : public RowReader {
 public:
  TextReader(std::string_view text, const std::filesystem::path& name)
      : RowReader(name), bytes_(text.size()), rest_(without_byte_order_mark(text)) {
    require_line_feeds(text, name);
    head_.columns = {"text"};
  }

  bool next(std::vector<std::string>& fields) override {
    while (!rest_.empty()) {
      ++number_;
      const std::size_t end = std::min(rest_.find('\n'), rest_.size());
      std::string_view line = rest_.substr(0, end);
      rest_.remove_prefix(std::min(end + 1, rest_.size()));
      if (line.ends_with('\r')) line.remove_suffix(1);
      if (is_blank(line)) continue;
      fields.assign(1, std::string(line));
      line_ = number_;
      return true;
    }
    if (line_ == 0) throw Error("{}: the file has only blank lines, expected one text per line", head_.path.string());
    return false;
  }

  [[nodiscard]] std::size_t taken() const override { return bytes_ - rest_.size(); }

 private:
  std::size_t bytes_;
  std::string_view rest_;
  std::size_t number_ = 0;
};

class ParagraphReader final : public RowReader {
 public:
  ParagraphReader(std::string_view text, const std::filesystem::path& name) : RowReader(name), lines_(text, name) {
    head_.columns = {"text"};
    more_ = lines_.next(line_fields_);
  }

  bool next(std::vector<std::string>& fields) override {
    if (!more_) return false;
    line_ = lines_.line();
    fields.assign(1, std::move(line_fields_.front()));
    for (std::size_t last = line_; (more_ = lines_.next(line_fields_)) && lines_.line() == last + 1; ++last)
      fields.front().append("\n").append(line_fields_.front());
    return true;
  }

  [[nodiscard]] std::size_t taken() const override { return lines_.taken(); }

 private:
  TextReader lines_;
  std::vector<std::string> line_fields_;
  bool more_ = false;
};

class WholeTextReader final : public RowReader {
 public:
  WholeTextReader(std::string_view text, const std::filesystem::path& name)
      : RowReader(name), bytes_(text.size()), text_(without_byte_order_mark(text)) {
    if (is_blank(text_)) throw Error("{}: the file is blank, expected a text", head_.path.string());
    head_.columns = {"text"};
  }

  bool next(std::vector<std::string>& fields) override {
    if (line_ == 1) return false;
    fields.assign(1, std::string(text_));
    line_ = 1;
    return true;
  }

  [[nodiscard]] std::size_t taken() const override { return line_ == 0 ? 0 : bytes_; }

 private:
  std::size_t bytes_;
  std::string_view text_;
};

}  // namespace

std::unique_ptr<RowReader> paragraph_rows(std::string_view text, const std::filesystem::path& name) {
  return std::make_unique<ParagraphReader>(text, name);
}

std::unique_ptr<RowReader> whole_text_rows(std::string_view text, const std::filesystem::path& name) {
  return std::make_unique<WholeTextReader>(text, name);
}

std::unique_ptr<RowReader> text_rows(std::string_view text, const std::filesystem::path& name) {
  return std::make_unique<TextReader>(text, name);
}

}  // namespace temper
