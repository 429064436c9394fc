#include "launch/ranks.h"

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <limits>
#include <thread>

#include "base/error.h"
#include "launch/signals.h"

namespace temper {

double start_seconds(std::optional<double> wait_limit) {
  constexpr const char* kVariable = "TEMPER_START_TIMEOUT_SECONDS";
  const char* text = std::getenv(kVariable);
  if (text == nullptr) return std::min(kStartSeconds, wait_limit.value_or(kStartSeconds));
  char* end = nullptr;
  const double seconds = std::strtod(text, &end);
  if (end == text || *end != '\0' || !(seconds > 0.0))
    throw usage_error("{} is \"{}\"; set it to a number of seconds above 0, or unset it", kVariable, text);
  return seconds;
}

Ranks::Ranks(int* argc, char*** argv, double start_seconds) {
  if (!MpiSession::launched_by_mpi()) {
    world_ = make_solo_communicator();
    return;
  }
  try {
    session_ = std::make_unique<MpiSession>(argc, argv, start_seconds);
    world_ = session_->world();
  } catch (const std::exception& error) {
    // Not thrown on: to take a session down is to wait in MPI_Finalize for ranks that wait for this one.
    fail(error.what(), static_cast<int>(ErrorKind::failure));
  }
}

void Ranks::end_waits_on_sigterm() {
  if (session_ == nullptr) return;
  world_->set_wait_hook([this](const Wait& wait) {
    // A rank that lives, however slow, comes in the end, and then all save. Of one that is stopped, or out of reach,
    // this cannot be said; nor, without connections beside MPI, of any.
    constexpr double kPatience = 5.0;
    constexpr double kPatienceInTheDark = 20.0;
    const double since = std::min(wait.seconds, seconds_since_sigterm());
    if (since < kPatience) return;
    const RankWatch::Sight sight = session_->watch().sight();
    if (sight == RankWatch::Sight::all_alive) return;
    if (sight == RankWatch::Sight::unknown && since < kPatienceInTheDark) return;
    throw Error(
        "{} was told to end (SIGTERM), but has waited {:.0f} s for the others in {}{}: nothing is saved beyond the "
        "last checkpoint",
        world_->rank_name(world_->rank()), wait.seconds, wait.what, session_->watch().silence());
  });
}

void Ranks::fail(const std::string& sentence, int status) {
  const bool speaks = session_ == nullptr || session_->watch().claim_end(status);
  if (speaks) {
    // Without a world there is no number to tell yet.
    const std::string name = world_ == nullptr ? "" : world_->rank_name(world_->rank());
    const bool named = world_ == nullptr || world_->rank() == 0 || sentence.starts_with(name);
    std::fprintf(stderr, "temper: %s%s\n", named ? "" : (name + ": ").c_str(), sentence.c_str());
  }
  std::fflush(nullptr);
  // The one that speaks ends all of them, and may be about to: an end from here could come before its sentence.
  constexpr auto kPatience = std::chrono::seconds(2);
  const auto asked = std::chrono::steady_clock::now();
  while (!speaks && seconds_since_sigterm() == 0.0 && std::chrono::steady_clock::now() - asked < kPatience)
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
  if (session_ != nullptr) MpiSession::abort(status);
  // Threads may still hold what static destructors would take away.
  std::_Exit(status);
}

}  // namespace temper
