// Lets the gate decide over SRT callers: during their handshake, with the reason it can carry, and
// with the passphrase that the auth webhook gave.
#pragma once

#include "ingest/srt_server.hpp"
#include "live/gate.hpp"

namespace rivulet::live {

// Fills in publish, check_publish, passphrase and access; the gate outlives the server.
void decide_over_srt(ingest::srt_callbacks& callbacks, gate& decides);

} // namespace rivulet::live
