// Segment credentials (spec/payments.md 4): what shows an orchestrator that discovery allowed this
// job. The message is net.SegData; protobuf stays in the .cpp. Pure.
#pragma once

#include "session/capabilities.hpp"
#include "session/orchestrator_info.hpp"

#include <optional>
#include <string>
#include <string_view>

namespace rivulet::payment {

struct segment_credentials {
    std::string manifest;
    std::optional<session::auth_token> token; // exactly as discovery gave it
    std::optional<session::capability_table> capabilities;
    std::string signature; // 65 bytes; empty off-chain
};

// "35_noop": what a job is called before its orchestrator has named it.
std::string job_manifest(session::capability_id capability, std::string_view model);

// The bytes that a signature covers, before hashing: neither the token nor the job's body.
std::string segment_preimage(std::string_view manifest);

// A serialized SegData.
std::string to_protobuf(const segment_credentials& credentials);
// The value of the Livepeer-Segment header.
std::string segment_header(const segment_credentials& credentials);

} // namespace rivulet::payment
