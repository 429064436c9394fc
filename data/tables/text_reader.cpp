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

}  // namespace

std::unique_ptr<RowReader> text_rows(std::string_view text, const std::filesystem::path& name) {
  return std::make_unique<TextReader>(text, name);
}

}  // namespace temper
