// Tells the service manager that started this process (systemd, Type=notify) how it stands. Does
// nothing where nobody asked for it: no NOTIFY_SOCKET in the environment.
// Thread: main.
#pragma once

#include "base/log.hpp"

#include <string_view>

namespace rivulet {

// "READY=1\nSTATUS=http 127.0.0.1:8935", "STOPPING=1"; see sd_notify(3). Waits for a busy service
// manager, but not long; what it could not be told is a warning in the log.
void tell_service_manager(std::string_view state, const logger& log);

} // namespace rivulet
