#include "data/tokenizer/byte_pair_merges.h"

#include <algorithm>
#include <array>
#include <string>

#include "base/error.h"

namespace temper {

BytePairMerges::BytePairMerges(const TokenizerFile& file, const Vocabulary& vocabulary, std::string_view prefix) {
  std::size_t slots = 16;
  while (slots < 2 * file.merges.size()) slots *= 2;
  slots_.resize(slots);
  std::string merged;
  for (std::size_t rank = 0; rank < file.merges.size(); ++rank) {
    const Merge& merge = file.merges[rank];
    const auto id = [&](std::string_view token) {
      const std::optional<std::int32_t> found = vocabulary.find(token);
      if (!found)
        throw Error(
            "{}: model.merges[{}]: token \"{}\" is not in model.vocab; vocabulary and merges are not of one tokenizer",
            file.name, rank, token);
      return *found;
    };
    const std::int32_t first = id(file.first_of(merge));
    const std::int32_t second = id(file.second_of(merge));
    if (file.second_of(merge).size() < prefix.size())
      throw Error("{}: model.merges[{}]: token \"{}\" is shorter than the prefix \"{}\" of what continues a word",
                  file.name, rank, file.second_of(merge), prefix);
    merged.assign(file.first_of(merge)).append(file.second_of(merge).substr(prefix.size()));
    const std::uint64_t pair = pair_of(first, second);
    slots_[position(pair)] = {pair, {static_cast<std::uint32_t>(rank), id(merged)}};
  }
}

std::size_t BytePairMerges::apply(std::span<std::int32_t> ids) const {
  std::array<MergeRule, 48> rules;
  return ids.size() <= rules.size() ? merge_few(ids, rules) : merge_many(ids);
}

/// A word of few tokens: look at all neighbours, merge the best, close the gap.
std::size_t BytePairMerges::merge_few(std::span<std::int32_t> ids, std::span<MergeRule> rules) const {
  std::size_t count = ids.size();
  for (std::size_t i = 0; i + 1 < count; ++i) rules[i] = find(ids[i], ids[i + 1]);
  while (count > 1) {
    std::size_t best = 0;
    for (std::size_t i = 1; i + 1 < count; ++i)
      if (rules[i].rank < rules[best].rank) best = i;
    if (rules[best].rank == MergeRule::kNone) break;
    ids[best] = rules[best].merged;
    std::copy(ids.begin() + static_cast<std::ptrdiff_t>(best) + 2, ids.begin() + static_cast<std::ptrdiff_t>(count),
              ids.begin() + static_cast<std::ptrdiff_t>(best) + 1);
    std::copy(rules.begin() + static_cast<std::ptrdiff_t>(best) + 1,
              rules.begin() + static_cast<std::ptrdiff_t>(count) - 1,
              rules.begin() + static_cast<std::ptrdiff_t>(best));
    --count;
    if (best > 0) rules[best - 1] = find(ids[best - 1], ids[best]);
    if (best + 1 < count) rules[best] = find(ids[best], ids[best + 1]);
  }
  return count;
}

/// A word of many tokens: a heap of candidate merges over a linked list, O(n log n).
std::size_t BytePairMerges::merge_many(std::span<std::int32_t> ids) const {
  struct Candidate {
    std::uint32_t rank;
    std::uint32_t position;  // of the first of the two
    std::int32_t first;
    std::int32_t second;
    std::int32_t merged;
  };
  const auto later = [](const Candidate& a, const Candidate& b) {
    return a.rank != b.rank ? a.rank > b.rank : a.position > b.position;
  };
  constexpr std::int32_t kGone = -1;
  const auto count = static_cast<std::uint32_t>(ids.size());
  std::vector<std::uint32_t> previous(count);
  std::vector<std::uint32_t> next(count);
  std::vector<Candidate> heap;
  const auto propose = [&](std::uint32_t position) {
    const std::uint32_t second = next[position];
    if (second == count) return;
    const MergeRule rule = find(ids[position], ids[second]);
    if (rule.rank == MergeRule::kNone) return;
    heap.push_back({rule.rank, position, ids[position], ids[second], rule.merged});
    std::push_heap(heap.begin(), heap.end(), later);
  };
  for (std::uint32_t i = 0; i < count; ++i) {
    previous[i] = i - 1;  // that of the first is never followed
    next[i] = i + 1;
  }
  for (std::uint32_t i = 0; i < count; ++i) propose(i);
  while (!heap.empty()) {
    std::pop_heap(heap.begin(), heap.end(), later);
    const Candidate best = heap.back();
    heap.pop_back();
    const std::uint32_t second = next[best.position];
    // One of the two may have been merged with another neighbour since it was proposed.
    if (second == count || ids[best.position] != best.first || ids[second] != best.second) continue;
    ids[best.position] = best.merged;
    ids[second] = kGone;
    next[best.position] = next[second];
    if (next[second] != count) previous[next[second]] = best.position;
    if (best.position != 0) propose(previous[best.position]);
    propose(best.position);
  }
  return static_cast<std::size_t>(std::remove(ids.begin(), ids.end(), kGone) - ids.begin());
}

}  // namespace temper
