#include "runtime/steps/step_message.h"

#include <algorithm>
#include <array>
#include <span>

namespace temper {

void StepMessage::share(Communicator& communicator) {
  std::array<std::int64_t, kBytes / sizeof(std::int64_t)> numbers{};
  const std::array<ExactSum*, 3> sums{&squares, &loss, &weight};
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
