// Completion for shells, made from the settings table: `rivulet -helpBash`, `-helpZsh`,
// `-helpFish`. Pure.
#pragma once

#include <string>

namespace rivulet {

std::string bash_completion();
std::string zsh_completion();
std::string fish_completion();

} // namespace rivulet
