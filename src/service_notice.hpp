// Tells the service manager that started this process (systemd, Type=notify) how it stands. Does
// nothing where nobody asked for it: no NOTIFY_SOCKET in the environment.
// Thread: main.
#pragma once

#include <string_view>

namespace rivulet {

// "READY=1\nSTATUS=http 127.0.0.1:8935", "STOPPING=1"; see sd_notify(3). True when it was sent.
bool tell_service_manager(std::string_view state);

} // namespace rivulet
