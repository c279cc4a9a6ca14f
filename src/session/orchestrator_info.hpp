// An orchestrator's answer to discovery, read into plain values with every size bounded, and the
// question (spec/orchestrators.md 2). Protobuf stays in the .cpp.
// Fails with: protocol_violation and a text that names the field.
#pragma once

#include "base/error.hpp"
#include "session/capabilities.hpp"

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace rivulet::session {

struct auth_token {
    std::string token, session_id;
    std::int64_t expiration = 0; // unix seconds
};

// Wei per unit is the exact fraction per_unit / pixels_per_unit; never 0 below the line.
struct price_info {
    std::int64_t per_unit = 0;
    std::int64_t pixels_per_unit = 1;
    std::uint32_t capability = 0;
    std::string constraint; // the model, when it is a capability's price
};

// Raw bytes, as on the wire: integers are minimal big-endian.
struct ticket_params {
    std::string recipient, face_value, win_prob, recipient_rand_hash, seed, expiration_block;
    std::int64_t creation_round = 0;
    std::string creation_round_block_hash;
};

struct hardware_info {
    struct gpu {
        std::string id, name;
        std::uint32_t major = 0, minor = 0;
        std::int64_t memory_free = 0, memory_total = 0; // bytes
    };

    std::string pipeline, model_id;
    std::map<std::string, gpu> gpus;
};

struct orchestrator_info {
    std::string transcoder; // "https://host:port", no final slash: base of every HTTP call and the
                            // session's name; empty: it only names other nodes
    std::string address;    // 20 bytes or none
    std::optional<price_info> price;
    std::optional<ticket_params> tickets;
    std::optional<auth_token> token;
    std::optional<capability_table> capabilities;
    std::vector<price_info> capability_prices;
    std::vector<hardware_info> hardware;
    std::vector<std::string> nodes; // absolute https URLs
    std::string raw;                // the serialized message itself; the remote signer wants it
};

using info_ptr = std::shared_ptr<const orchestrator_info>;

// Bounds what a hostile answer can make us keep: 1 MiB, 4,096 models, 64 nodes, prices and hardware
// rows 4,096, texts 1,024 bytes without control characters; a transcoder that is no http(s) URL is
// refused. Nodes and capability prices that make no sense are left out.
outcome<info_ptr> parse_orchestrator_info(std::string_view protobuf);

constexpr std::size_t max_info_bytes = 1024 * 1024;

// Who asks. Off-chain: 20 zero bytes and no signature.
struct caller_identity {
    std::string address = std::string(20, '\0');
    std::string signature; // 65 bytes or none
};

// A serialized OrchestratorRequest.
std::string info_request(
    const caller_identity& caller,
    const std::optional<capability_table>& capabilities,
    bool ignore_capacity
);

// A serialized Capabilities message.
std::string to_protobuf(const capability_table& table);

// The other side of the call, for the built-in orchestrator and for doubles of real ones.
struct received_question {
    caller_identity caller;
    std::optional<capability_table> capabilities;
    bool ignore_capacity = false;
};

// Bounded as the answer is. Fails with: protocol_violation.
outcome<received_question> parse_info_request(std::string_view protobuf);
// A serialized OrchestratorInfo; `raw` is ignored.
std::string to_protobuf(const orchestrator_info& info);

} // namespace rivulet::session
