#include "data/tokenizer/grapheme.h"

#include <unicode/uchar.h>

#include "data/tokenizer/utf8.h"

namespace temper {
namespace {

int break_class(char32_t c) { return u_getIntPropertyValue(static_cast<UChar32>(c), UCHAR_GRAPHEME_CLUSTER_BREAK); }

bool is_pictograph(char32_t c) {
  return u_hasBinaryProperty(static_cast<UChar32>(c), UCHAR_EXTENDED_PICTOGRAPHIC) != 0;
}

bool is_control(int c) { return c == U_GCB_CONTROL || c == U_GCB_CR || c == U_GCB_LF; }

/// Rules GB3 to GB9b for two neighbours.
bool stay_together(int before, int after) {
  if (before == U_GCB_CR) return after == U_GCB_LF;
  if (is_control(before) || is_control(after)) return false;
  switch (before) {
    case U_GCB_L:
      if (after == U_GCB_L || after == U_GCB_V || after == U_GCB_LV || after == U_GCB_LVT) return true;
      break;
    case U_GCB_LV:
    case U_GCB_V:
      if (after == U_GCB_V || after == U_GCB_T) return true;
      break;
    case U_GCB_LVT:
    case U_GCB_T:
      if (after == U_GCB_T) return true;
      break;
    case U_GCB_PREPEND:
      return true;
    default:
      break;
  }
  return after == U_GCB_EXTEND || after == U_GCB_ZWJ || after == U_GCB_SPACING_MARK;
}

}  // namespace

std::size_t end_of_grapheme(std::string_view text, std::size_t start) {
  const CodePoint first = decode_utf8(text.data() + start);
  std::size_t end = start + first.bytes;
  int before = break_class(first.value);
  bool after_pictograph = is_pictograph(first.value);  // and marks that extend it
  bool flag = before == U_GCB_REGIONAL_INDICATOR;      // the first of a pair
  while (end < text.size()) {
    const CodePoint next = decode_utf8(text.data() + end);
    const int after = break_class(next.value);
    const bool pictograph = is_pictograph(next.value);
    const bool sequence = after_pictograph && before == U_GCB_ZWJ && pictograph;  // GB11
    const bool pair = flag && after == U_GCB_REGIONAL_INDICATOR;                  // GB12, GB13
    if (!sequence && !pair && !stay_together(before, after)) break;
    after_pictograph = pictograph || (after_pictograph && (after == U_GCB_EXTEND || after == U_GCB_ZWJ));
    flag = !pair && after == U_GCB_REGIONAL_INDICATOR;
    before = after;
    end += next.bytes;
  }
  return end;
}

}  // namespace temper
