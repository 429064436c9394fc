#include "data/tokenizer/word_cutter.h"

#include <string>

namespace temper {

SplitBehavior read_split_behavior(const JsonNode& node) {
  const std::string name = node.text();
  if (name == "Removed") return SplitBehavior::removed;
  if (name == "Isolated") return SplitBehavior::isolated;
  if (name == "MergedWithPrevious") return SplitBehavior::merged_with_previous;
  if (name == "MergedWithNext") return SplitBehavior::merged_with_next;
  if (name == "Contiguous") return SplitBehavior::contiguous;
  throw node.unexpected("Removed, Isolated, MergedWithPrevious, MergedWithNext or Contiguous");
}

void WordCutter::flush() {
  if (start_ < end_) words_.push_back(text_.substr(start_, end_ - start_));
  start_ = end_;
}

void WordCutter::add(std::size_t end, bool is_delimiter) {
  bool continues = false;  // the word before
  switch (behavior_) {
    case SplitBehavior::removed:
    case SplitBehavior::isolated:
      break;
    case SplitBehavior::merged_with_previous:
      continues = is_delimiter && !after_delimiter_;
      break;
    case SplitBehavior::merged_with_next:
      continues = !is_delimiter && after_delimiter_;
      break;
    case SplitBehavior::contiguous:
      continues = is_delimiter == after_delimiter_;
      break;
  }
  if (!continues) flush();
  end_ = end;
  if (behavior_ == SplitBehavior::removed && is_delimiter) start_ = end;
  after_delimiter_ = is_delimiter;
}

}  // namespace temper
