#include "runtime/inputs/picture_agreement.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string_view>
#include <system_error>
#include <unordered_set>

#include "base/counted.h"
#include "base/digest.h"
#include "base/error.h"

namespace temper {
namespace {

/// Throws Error on all ranks where their lists are not the same.
void require_same(std::uint64_t digest, std::int64_t pictures, const std::string& place, Communicator& communicator) {
  const auto known = static_cast<std::int64_t>(digest >> 1);
  std::vector<std::int64_t> least{pictures, known};
  std::vector<std::int64_t> most = least;
  communicator.all_reduce(std::span(least), Reduction::min);
  communicator.all_reduce(std::span(most), Reduction::max);
  if (least == most) return;
  throw Error(
      "{}: ranks find other pictures or labels there, between {} and {}; all hosts must read the same: copy the folder "
      "anew, or use one that they share",
      place, counted(least[0], "picture"), counted(most[0], "picture"));
}

}  // namespace

void require_same_rows(const ImageRows& rows, Communicator& communicator) {
  Xxh3 digest;
  // By their names alone: hosts may have their copies in folders of their own.
  for (const std::string& file : rows.files) {
    const std::string name = std::filesystem::path(file).filename().string();
    digest.add(std::as_bytes(std::span(name)));
  }
  digest.add(std::as_bytes(std::span(rows.classes)));
  digest.add(std::as_bytes(std::span(rows.targets)));
  digest.add(std::as_bytes(std::span(rows.groups)));
  require_same(digest.value(), rows.rows(), rows.files.empty() ? "the data" : rows.files.front(), communicator);
}

void require_same_pictures(const TableSource& table, Communicator& communicator) {
  if (communicator.size() == 1 || !table.head().of_pictures) return;
  Xxh3 digest;
  table.read(kRowsInChunk, [&](Table& chunk, std::int64_t /*first*/) {
    for (const std::vector<std::string>& row : chunk.rows)
      for (const std::string& field : row) digest.add(std::as_bytes(std::span(field.c_str(), field.size() + 1)));
    return true;
  });
  require_same(digest.value(), table.rows(), table.head().path.string(), communicator);
}

std::vector<std::string> sentences_of_all(const std::vector<std::string>& mine, Communicator& communicator) {
  std::string joined;
  for (const std::string& sentence : mine) joined += sentence + "\n";
  std::vector<std::string> all;
  std::unordered_set<std::string> known;
  for (const std::vector<std::byte>& part : communicator.all_gather_variable(std::as_bytes(std::span(joined)))) {
    std::string_view text(reinterpret_cast<const char*>(part.data()), part.size());
    for (std::size_t end = text.find('\n'); end != std::string_view::npos; end = text.find('\n')) {
      if (const auto [sentence, is_new] = known.emplace(text.substr(0, end)); is_new) all.push_back(*sentence);
      text.remove_prefix(end + 1);
    }
  }
  return all;
}

void require_listed_files(const ImageRows& rows, Communicator& communicator) {
  if (rows.lists.empty()) return;
  const std::int64_t begin = rows.rows() * communicator.rank() / communicator.size();
  const std::int64_t end = rows.rows() * (communicator.rank() + 1) / communicator.size();
  std::vector<std::int64_t> missing{0};
  std::vector<std::string> mine;
  for (std::int64_t row = begin; row < end; ++row) {
    const std::string& file = rows.files[static_cast<std::size_t>(row)];
    std::error_code failed;
    if (std::filesystem::status(file, failed).type() != std::filesystem::file_type::not_found) continue;
    ++missing.front();
    const bool is_link = std::filesystem::is_symlink(file, failed);
    if (mine.size() < kPicturesNamed)
      mine.push_back(rows.place(row) + file + (is_link ? ", a link that leads nowhere" : ""));
  }
  communicator.all_reduce(std::span(missing), Reduction::sum);
  if (missing.front() == 0) return;
  const std::vector<std::string> named = sentences_of_all(mine, communicator);
  std::string others;
  for (std::size_t i = 1; i < std::min(named.size(), kPicturesNamed); ++i) others += (i == 1 ? "" : "; ") + named[i];
  throw Error("{}: no such file; {} of {} {} missing{}{}; correct the paths, or take the rows out", named.front(),
              missing.front(), counted(rows.rows(), "listed picture"), missing.front() == 1 ? "is" : "are",
              others.empty() ? "" : ", also ", others);
}

}  // namespace temper
