#include "data/tables/conversation_reader.h"

#include <algorithm>
#include <string>

#include "base/error.h"
#include "data/tables/json_text.h"

namespace temper {
namespace {

class ConversationReader final : public RowReader {
 public:
  ConversationReader(std::string_view text, const std::filesystem::path& name)
      : RowReader(name), bytes_(text.size()), rest_(without_byte_order_mark(text)) {
    require_line_feeds(text, name);
    head_.columns = {kConversationColumn};
    skip_blanks();
    is_array_ = rest_.starts_with('[');
    if (is_array_) pass(1);
  }

  bool next(std::vector<std::string>& fields) override {
    skip_blanks();
    if (is_array_ && !at_array_object()) return false;
    if (rest_.empty()) {
      if (line_ == 0) throw Error("{}: the file is empty, expected one conversation per line", head_.path.string());
      return false;
    }
    if (!rest_.starts_with('{'))
      throw Error("{}, line {}: found {}, expected a JSON object such as {{\"messages\": [...]}}", head_.path.string(),
                  number_, rest_.starts_with('[') ? "a list" : "no object");
    line_ = number_;
    const std::size_t length = is_array_ ? bracketed_length(rest_) : std::min(rest_.find('\n'), rest_.size());
    std::string_view row = rest_.substr(0, length);
    row = row.substr(0, row.find_last_not_of(kJsonBlanks) + 1);
    fields.assign(1, std::string(row));
    pass(length);
    return true;
  }

  [[nodiscard]] std::size_t taken() const override { return bytes_ - rest_.size(); }

 private:
  void pass(std::size_t bytes) {
    number_ +=
        static_cast<std::size_t>(std::count(rest_.begin(), rest_.begin() + static_cast<std::ptrdiff_t>(bytes), '\n'));
    rest_.remove_prefix(bytes);
  }
  void skip_blanks() { pass(std::min(rest_.find_first_not_of(kJsonBlanks), rest_.size())); }

  /// Whether an object of the array comes; passes over what stands in front of it.
  bool at_array_object() {
    if (rest_.starts_with(']')) {
      if (line_ == 0) throw Error("{}: the array is empty, expected conversations", head_.path.string());
      pass(1);
      skip_blanks();
      if (!rest_.empty())
        throw Error("{}, line {}: expected the end of the file behind the array", head_.path.string(), number_);
      is_array_ = false;
      return false;
    }
    if (line_ == 0) return true;
    if (!rest_.starts_with(','))
      throw Error("{}, line {}: expected a comma or ] behind a conversation", head_.path.string(), number_);
    pass(1);
    skip_blanks();
    return true;
  }

  std::size_t bytes_;
  std::string_view rest_;
  std::size_t number_ = 1;
  bool is_array_ = false;
};

}  // namespace

std::unique_ptr<RowReader> conversation_rows(std::string_view text, const std::filesystem::path& name) {
  return std::make_unique<ConversationReader>(text, name);
}

}  // namespace temper
