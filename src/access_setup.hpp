// Builds the gate (who may publish, watch and control) and the heartbeat from the gateway's
// options.
// Thread: the owner's, outside the shards.
#pragma once

#include "gateway.hpp"
#include "live/gate.hpp"
#include "live/heartbeat.hpp"

#include <memory>

namespace rivulet {

// `metrics` outlives the gate. Fails with a text that names the setting.
outcome<std::unique_ptr<live::gate>> make_gate(
    live::registry& streams,
    const gateway_options& options,
    observe::metrics& metrics,
    const logger& log
);

// Null when no address is set. Not started.
outcome<std::unique_ptr<live::heartbeat>> make_heartbeat(
    shards& threads, live::registry& streams, const gateway_options& options, const logger& log
);

} // namespace rivulet
