#include "launch/commands/adapter_option.h"

namespace temper {

void add_adapter_option(const CommandLine& command, std::vector<std::string>& adapters) {
  command.repeated("--adapter", adapters,
                   "Folder of an adapter (PEFT) to use on the model; given several times, each is merged into the "
                   "weights before the next one is put on them, so plain LoRA adapters add up");
}

}  // namespace temper
