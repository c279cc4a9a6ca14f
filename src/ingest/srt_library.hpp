// libsrt started, and its values in our terms.
// Thread: any.
#pragma once

#include "base/error.hpp"

#include <srt/srt.h>
#include <string>

namespace rivulet::ingest {

// Starts libsrt once a process; its own static destructor ends it.
void start_srt();

// The text of the calling thread's last error.
std::string last_srt_error();

// "127.0.0.1:1234", "[::1]:1234".
std::string to_string(const sockaddr& address);

// The code that tells a caller why it was refused; 1000 below what the protocol's documents and
// most clients print ("2401").
int srt_reject_code(const failure& why, bool key_shown);

} // namespace rivulet::ingest
