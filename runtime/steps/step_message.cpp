#include "runtime/steps/step_message.h"

#include <algorithm>
#include <span>
#include <vector>

namespace temper {

void StepMessage::share(Communicator& communicator) {
  std::vector<ExactSum*> sums{&squares, &loss, &weight};
  for (ExactSum& measure : measures) sums.push_back(&measure);
  std::vector<std::int64_t> numbers(sums.size() * ExactSum::kWords + 3);
  for (std::size_t i = 0; i < sums.size(); ++i) {
    const ExactSum::Words words = sums[i]->words();
    std::copy(words.begin(), words.end(), numbers.begin() + static_cast<std::ptrdiff_t>(i * ExactSum::kWords));
  }
  const std::span rest = std::span(numbers).last<3>();
  rest[0] = tokens;
  rest[1] = stop ? 1 : 0;
  rest[2] = save ? 1 : 0;
  communicator.all_reduce(std::span<std::int64_t>(numbers), Reduction::sum);
  for (std::size_t i = 0; i < sums.size(); ++i)
    sums[i]->set_words(std::span(numbers).subspan(i * ExactSum::kWords).first<ExactSum::kWords>());
  tokens = rest[0];
  stop = rest[1] > 0;
  save = rest[2] > 0;
}

}  // namespace temper
