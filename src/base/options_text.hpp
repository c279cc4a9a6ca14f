// What -help, -helpMarkdown and -printConfig print, made from the settings table. Pure.
#pragma once

#include "base/settings_table.hpp"

#include <string>

namespace rivulet {

std::string help_text(command which);
// docs/options.md.
std::string help_markdown();
// A config file that gives these values again; secrets are shown as *** and commented out.
std::string config_text(command which, const settings& values);

} // namespace rivulet
