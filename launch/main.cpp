// temper: the program. Errors of every command are caught here, once.
#include <cstdlib>
#include <exception>
#include <string_view>

#include "base/error.h"
#include "launch/commands/command.h"
#include "launch/process_clock.h"
#include "launch/ranks.h"
#include "launch/signals.h"

namespace {

int run(int argc, char** argv) {
  using namespace temper;
  CLI::App app{"Fine-tunes pre-trained networks on one machine or on hundreds.", "temper"};
  app.require_subcommand(1);
  app.footer(
      "Example:\n  mpirun -n 2 temper train examples/sentiment.toml\nEach command explains itself: temper train "
      "--help");
  const std::vector<Command> commands{add_train_command(app),  add_eval_command(app),    add_predict_command(app),
                                      add_export_command(app), add_inspect_command(app), add_plan_command(app),
                                      add_bench_command(app),  add_version_command(app)};
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    // Every rank parses the same words; the one that mpirun numbers 0 says what is wrong with them.
    const char* rank = std::getenv("OMPI_COMM_WORLD_RANK");
    const bool speaks = rank == nullptr || std::string_view(rank) == "0";
    const int status = speaks ? app.exit(error) : static_cast<int>(error.get_exit_code());
    return status == 0 ? kExitDone : static_cast<int>(ErrorKind::usage);
  }

  ignore_file_size_signal();
  for (const Command& command : commands)
    if (command.app->parsed() && command.stops_cleanly) defer_stop_signals();
  Ranks ranks(&argc, &argv);
  try {
    CommandContext context{ranks.world(), seconds_since_process_start()};
    for (const Command& command : commands)
      if (command.app->parsed()) return command.run(context);
  } catch (const Error& error) {
    ranks.fail(error.what(), static_cast<int>(error.kind()));
  } catch (const std::bad_alloc&) {
    ranks.fail("out of memory; lower train.batch_size or data.max_length, or raise train.gradient_accumulation",
               static_cast<int>(ErrorKind::failure));
  } catch (const std::exception& error) {
    ranks.fail(std::string("unexpected error: ") + error.what(), static_cast<int>(ErrorKind::failure));
  }
  return kExitDone;
}

}  // namespace

int main(int argc, char** argv) { return run(argc, argv); }
