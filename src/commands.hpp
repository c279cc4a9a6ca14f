// The three commands of the program: each builds its objects from the settings, runs until SIGINT
// or SIGTERM, drains and returns the exit code.
// Thread: main, once.
#pragma once

#include "base/options.hpp"

namespace rivulet {

int run_command(const invocation& chosen);

} // namespace rivulet
