// What this node tells gateways about itself, and its answers to discovery
// (spec/orchestrators.md 2.4). Pure; protobuf stays in the .cpp.
// Fails with: no_capacity, protocol_violation; the detail is the text for the gateway.
#pragma once

#include "base/error.hpp"
#include "session/capabilities.hpp"
#include "session/orchestrator_info.hpp"
#include "worker/session_token.hpp"

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace rivulet::worker {

struct offered_model {
    session::capability_id capability = session::capability::live_video_to_video;
    std::string model;
    bool warm = true;
    std::uint32_t capacity = 0; // free places
    std::uint32_t in_use = 0;
    std::string runner_version;
    std::optional<session::price_info> price;
};

struct node_offer {
    std::string url; // base of every later HTTP call
    std::string version;
    std::vector<offered_model> models;
    std::vector<session::hardware_info> hardware;
    std::optional<session::price_info> base_price;
    std::vector<std::string> nodes; // siblings: "https://host:port"
};

// A serialized OrchestratorInfo for a serialized OrchestratorRequest.
outcome<std::string>
answer_discovery(const node_offer& offer, std::string_view request, const session_token& token);

} // namespace rivulet::worker
