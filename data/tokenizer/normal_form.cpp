// Normal forms by ICU, narrowed to the characters of Unicode 9 as the Hugging Face library's tables are.
#include <unicode/uniset.h>

#include <unicode/normalizer2.h>
#include <unicode/unistr.h>

#include <algorithm>
#include <utility>

#include "base/error.h"
#include "data/tokenizer/normalizer.h"

namespace temper {
namespace {

void require(UErrorCode status) {
  if (U_FAILURE(status) != 0) throw Error("the Unicode data of ICU cannot be loaded: {}", u_errorName(status));
}

class NormalForm : public Normalizer {
 public:
  /// `lowest`: no code point below it is changed or combines with one before it. It has two bytes in UTF-8.
  NormalForm(const icu::Normalizer2& form, char32_t lowest)
      : first_byte_(static_cast<unsigned char>(0xC0 | (lowest >> 6))),
        known_(characters_of_unicode_9()),
        form_(form, known_) {}

  bool normalize(std::string_view text, std::string& normalized) const override {
    const bool plain = std::all_of(text.begin(), text.end(),
                                   [this](char byte) { return static_cast<unsigned char>(byte) < first_byte_; });
    if (plain) {
      normalized = text;
      return true;
    }
    UErrorCode status = U_ZERO_ERROR;
    const icu::StringPiece piece(text.data(), static_cast<std::int32_t>(text.size()));
    const icu::Normalizer2& form = form_;  // the class itself hides this overload
    const icu::UnicodeString result = form.normalize(icu::UnicodeString::fromUTF8(piece), status);
    require(status);
    normalized.clear();
    result.toUTF8String(normalized);
    return true;
  }

 private:
  static icu::UnicodeSet characters_of_unicode_9() {
    UErrorCode status = U_ZERO_ERROR;
    icu::UnicodeSet set(u"[:age=9.0:]", status);
    require(status);
    set.freeze();
    return set;
  }

  unsigned char first_byte_;
  icu::UnicodeSet known_;
  icu::FilteredNormalizer2 form_;
};

using Instance = const icu::Normalizer2* (*)(UErrorCode&);

std::unique_ptr<Normalizer> make_normal_form(Instance instance, char32_t lowest) {
  UErrorCode status = U_ZERO_ERROR;
  const icu::Normalizer2* form = instance(status);
  require(status);
  return std::make_unique<NormalForm>(*form, lowest);
}

}  // namespace

std::unique_ptr<Normalizer> make_nfc_normalizer(const JsonNode& /*node*/) {
  return make_normal_form(icu::Normalizer2::getNFCInstance, 0x300);
}
std::unique_ptr<Normalizer> make_nfd_normalizer(const JsonNode& /*node*/) {
  return make_normal_form(icu::Normalizer2::getNFDInstance, 0xC0);
}
std::unique_ptr<Normalizer> make_nfkc_normalizer(const JsonNode& /*node*/) {
  return make_normal_form(icu::Normalizer2::getNFKCInstance, 0x80);
}
std::unique_ptr<Normalizer> make_nfkd_normalizer(const JsonNode& /*node*/) {
  return make_normal_form(icu::Normalizer2::getNFKDInstance, 0x80);
}

}  // namespace temper
