#include "webrtc/srtp.hpp"

#include <openssl/crypto.h>

#include <algorithm>
#include <limits>
#include <srtp2/srtp.h>
#include <vector>

namespace rivulet::webrtc {
namespace {

// Inbound: how late a packet may come. Outbound: how old a packet may be repeated for a peer that
// lost it (about ten seconds of video at 2.5 Mbit/s).
constexpr unsigned long replay_window = 2048;

struct session_free {
    void operator()(srtp_ctx_t_* session) const { srtp_dealloc(session); }
};

using session_ptr = std::unique_ptr<srtp_ctx_t_, session_free>;

// libsrtp keeps its tables of ciphers for the whole process; they never change after this.
bool library_ready() {
    static const bool ready = srtp_init() == srtp_err_status_ok;
    return ready;
}

session_ptr make_session(srtp_profile profile, const std::uint8_t* key, srtp_ssrc_type_t type) {
    srtp_policy_t policy{};
    const auto id = static_cast<srtp_profile_t>(profile);
    if (srtp_crypto_policy_set_from_profile_for_rtp(&policy.rtp, id) != srtp_err_status_ok ||
        srtp_crypto_policy_set_from_profile_for_rtcp(&policy.rtcp, id) != srtp_err_status_ok)
        return {};
    policy.ssrc.type = type;
    policy.key = const_cast<std::uint8_t*>(key); // read only, but not declared so
    policy.window_size = replay_window;
    policy.allow_repeat_tx = 1;
    srtp_t session = nullptr;
    if (srtp_create(&session, &policy) != srtp_err_status_ok)
        return {};
    return session_ptr(session);
}

std::uint32_t number(const std::uint8_t* at) {
    return static_cast<std::uint32_t>(at[0]) << 24 | at[1] << 16 | at[2] << 8 | at[3];
}

} // namespace

std::size_t srtp_key_bytes(srtp_profile) {
    return 16;
}

std::size_t srtp_salt_bytes(srtp_profile profile) {
    return profile == srtp_profile::aead_aes_128_gcm ? 12 : 14;
}

srtp_keys::~srtp_keys() {
    OPENSSL_cleanse(outbound.data(), outbound.size());
    OPENSSL_cleanse(inbound.data(), inbound.size());
}

struct srtp_session::state {
    session_ptr outbound, inbound;
    std::vector<std::uint32_t> sources; // whose packets were decrypted

    // libsrtp keeps a stream for every source whose packet was authentic.
    bool allowed(std::uint32_t source) const {
        return sources.size() < max_sources ||
               std::find(sources.begin(), sources.end(), source) != sources.end();
    }

    void remember(std::uint32_t source) {
        if (std::find(sources.begin(), sources.end(), source) == sources.end())
            sources.push_back(source);
    }
};

srtp_session::srtp_session(std::unique_ptr<state> state) : state_(std::move(state)) {}

srtp_session::srtp_session(srtp_session&&) noexcept = default;
srtp_session& srtp_session::operator=(srtp_session&&) noexcept = default;
srtp_session::~srtp_session() = default;

outcome<srtp_session> srtp_session::make(const srtp_keys& keys) {
    if (!library_ready())
        return failure(errc::media_error, "libsrtp did not start");
    auto made = std::make_unique<state>();
    made->outbound = make_session(keys.profile, keys.outbound.data(), ssrc_any_outbound);
    made->inbound = make_session(keys.profile, keys.inbound.data(), ssrc_any_inbound);
    if (!made->outbound || !made->inbound)
        return failure(errc::media_error, "libsrtp refused the keys");
    return srtp_session(std::move(made));
}

std::size_t srtp_session::protect_rtp(std::span<std::uint8_t> room, std::size_t size) {
    if (size < 12 || size + srtp_overhead > room.size())
        return 0;
    int length = static_cast<int>(size);
    if (srtp_protect(state_->outbound.get(), room.data(), &length) != srtp_err_status_ok)
        return 0;
    return static_cast<std::size_t>(length);
}

std::size_t srtp_session::protect_rtcp(std::span<std::uint8_t> room, std::size_t size) {
    if (size < 8 || size + srtp_overhead > room.size())
        return 0;
    int length = static_cast<int>(size);
    if (srtp_protect_rtcp(state_->outbound.get(), room.data(), &length) != srtp_err_status_ok)
        return 0;
    return static_cast<std::size_t>(length);
}

std::size_t srtp_session::unprotect_rtp(std::span<std::uint8_t> packet) {
    if (packet.size() < 12 || packet.size() > std::numeric_limits<std::uint16_t>::max())
        return 0;
    const auto source = number(packet.data() + 8);
    if (!state_->allowed(source))
        return 0;
    int length = static_cast<int>(packet.size());
    if (srtp_unprotect(state_->inbound.get(), packet.data(), &length) != srtp_err_status_ok)
        return 0;
    state_->remember(source);
    return static_cast<std::size_t>(length);
}

std::size_t srtp_session::unprotect_rtcp(std::span<std::uint8_t> packet) {
    if (packet.size() < 8 || packet.size() > std::numeric_limits<std::uint16_t>::max())
        return 0;
    const auto source = number(packet.data() + 4);
    if (!state_->allowed(source))
        return 0;
    int length = static_cast<int>(packet.size());
    if (srtp_unprotect_rtcp(state_->inbound.get(), packet.data(), &length) != srtp_err_status_ok)
        return 0;
    state_->remember(source);
    return static_cast<std::size_t>(length);
}

} // namespace rivulet::webrtc
