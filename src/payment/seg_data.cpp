#include "payment/seg_data.hpp"

#include "base/base64.hpp"

#include <fmt/core.h>

#include <livepeer.pb.h>

namespace rivulet::payment {
namespace {

// keccak256 of nothing: an AI job has no segment whose bytes could be hashed.
constexpr std::string_view hash_of_nothing(
    "\xc5\xd2\x46\x01\x86\xf7\x23\x3c\x92\x7e\x7d\xb2\xdc\xc7\x03\xc0"
    "\xe5\x00\xb6\x53\xca\x82\x27\x3b\x7b\xfa\xd8\x04\x5d\x85\xa4\x70",
    32
);

} // namespace

std::string job_manifest(session::capability_id capability, std::string_view model) {
    return fmt::format("{}_{}", capability, model);
}

std::string segment_preimage(std::string_view manifest) {
    std::string out(manifest);
    out.append(32, '\0'); // the sequence number as a 256-bit integer
    out += hash_of_nothing;
    return out;
}

std::string to_protobuf(const segment_credentials& credentials) {
    net::SegData message;
    message.set_manifestid(credentials.manifest);
    message.set_hash(std::string(hash_of_nothing));
    message.set_profiles("invalid"); // the network's word for "no transcoding profiles"
    message.set_sig(credentials.signature);
    if (credentials.capabilities)
        message.mutable_capabilities()->ParseFromString(
            session::to_protobuf(*credentials.capabilities)
        );
    if (credentials.token) {
        auto& token = *message.mutable_auth_token();
        token.set_token(credentials.token->token);
        token.set_session_id(credentials.token->session_id);
        token.set_expiration(credentials.token->expiration);
    }
    return message.SerializeAsString();
}

std::string segment_header(const segment_credentials& credentials) {
    return to_base64(to_protobuf(credentials));
}

} // namespace rivulet::payment
