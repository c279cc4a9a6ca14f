#include "ingest/rtmp_handshake.hpp"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/rand.h>

#include <algorithm>
#include <cstring>
#include <optional>
#include <string_view>

namespace rivulet::ingest {
namespace {

constexpr std::size_t digest_size = 32;
using digest = std::array<std::uint8_t, digest_size>;
using byte_view = std::span<const std::uint8_t>;
constexpr std::uint8_t rtmp_version = 3;

// Public constants of the digest form: a name and 32 more octets. C1 and S1 are signed with the
// name alone, C2 and S2 with the whole.
constexpr std::string_view client_name = "Genuine Adobe Flash Player 001";
constexpr std::string_view server_name = "Genuine Adobe Flash Media Server 001";
constexpr std::array<std::uint8_t, 32> key_tail{
    0xf0, 0xee, 0xc2, 0x4a, 0x80, 0x68, 0xbe, 0xe8, 0x2e, 0x00, 0xd0, 0xd1, 0x02, 0x9e, 0x7e, 0x57,
    0x6e, 0xec, 0x5d, 0x2d, 0x29, 0x80, 0x6f, 0xab, 0x93, 0xb8, 0xe6, 0x36, 0xcf, 0xeb, 0x31, 0xae};

byte_view as_bytes(std::string_view text) {
    return {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()};
}

std::vector<std::uint8_t> whole_key(std::string_view name) {
    std::vector<std::uint8_t> key(name.begin(), name.end());
    key.insert(key.end(), key_tail.begin(), key_tail.end());
    return key;
}

digest hmac(byte_view key, byte_view data) {
    digest out{};
    unsigned length = 0;
    HMAC(
        EVP_sha256(),
        key.data(),
        static_cast<int>(key.size()),
        data.data(),
        data.size(),
        out.data(),
        &length
    );
    return out;
}

std::size_t digest_offset(const rtmp_handshake_block& block, rtmp_digest_layout layout) {
    const std::size_t base = layout == rtmp_digest_layout::first_half ? 8 : 772;
    const std::size_t sum = block[base] + block[base + 1] + block[base + 2] + block[base + 3];
    return sum % 728 + base + 4;
}

digest digest_of(const rtmp_handshake_block& block, std::size_t offset, byte_view key) {
    std::vector<std::uint8_t> rest(block.begin(), block.begin() + static_cast<long>(offset));
    rest.insert(rest.end(), block.begin() + static_cast<long>(offset + digest_size), block.end());
    return hmac(key, rest);
}

struct found_digest {
    digest value;
    rtmp_digest_layout layout;
};

std::optional<found_digest> find_digest(const rtmp_handshake_block& block, std::string_view name) {
    for (auto layout : {rtmp_digest_layout::second_half, rtmp_digest_layout::first_half}) {
        const auto offset = digest_offset(block, layout);
        const auto expected = digest_of(block, offset, as_bytes(name));
        if (CRYPTO_memcmp(expected.data(), block.data() + offset, digest_size) == 0)
            return found_digest{expected, layout};
    }
    return std::nullopt;
}

void fill_random(std::span<std::uint8_t> block) {
    RAND_bytes(block.data(), static_cast<int>(block.size()));
}

// A first block (C1, S1) signed with `name`. `version` of four zeros would mean the plain form.
rtmp_handshake_block signed_block(
    std::array<std::uint8_t, 4> version, rtmp_digest_layout layout, std::string_view name
) {
    rtmp_handshake_block block;
    fill_random(block);
    std::fill_n(block.begin(), 4, std::uint8_t{0});
    std::copy(version.begin(), version.end(), block.begin() + 4);
    const auto offset = digest_offset(block, layout);
    const auto signature = digest_of(block, offset, as_bytes(name));
    std::copy(signature.begin(), signature.end(), block.begin() + static_cast<long>(offset));
    return block;
}

// A second block (C2, S2) that answers the peer's digest.
rtmp_handshake_block signed_answer(const digest& peer, std::string_view name) {
    rtmp_handshake_block block;
    fill_random(block);
    const auto key = hmac(whole_key(name), peer);
    const auto signature = hmac(key, std::span(block).first(rtmp_handshake_size - digest_size));
    std::copy(signature.begin(), signature.end(), block.end() - digest_size);
    return block;
}

void append(std::vector<std::uint8_t>& out, const rtmp_handshake_block& block) {
    out.insert(out.end(), block.begin(), block.end());
}

// Moves bytes from `in` until `held` has `wanted`; true when it has.
bool collect(std::vector<std::uint8_t>& held, byte_view& in, std::size_t wanted) {
    const auto n = std::min(wanted - std::min(wanted, held.size()), in.size());
    held.insert(held.end(), in.begin(), in.begin() + static_cast<long>(n));
    in = in.subspan(n);
    return held.size() >= wanted;
}

} // namespace

result<bool>
rtmp_server_handshake::receive(std::span<const std::uint8_t>& in, std::vector<std::uint8_t>& out) {
    if (held_.empty() && !answered_ && !in.empty() && in[0] != rtmp_version)
        return {boost::system::in_place_error, make_error_code(errc::protocol_violation)};
    if (!answered_) {
        if (!collect(held_, in, 1 + rtmp_handshake_size))
            return false;
        rtmp_handshake_block c1;
        std::copy_n(held_.begin() + 1, rtmp_handshake_size, c1.begin());
        held_.clear();
        answered_ = true;
        out.push_back(rtmp_version);
        const bool may_be_signed = (c1[4] | c1[5] | c1[6] | c1[7]) != 0;
        const auto found = may_be_signed ? find_digest(c1, client_name) : std::nullopt;
        if (found) {
            used_digest_ = true;
            append(out, signed_block({4, 5, 0, 1}, found->layout, server_name));
            append(out, signed_answer(found->value, server_name));
        } else {
            rtmp_handshake_block s1;
            fill_random(s1);
            std::fill_n(s1.begin(), 8, std::uint8_t{0});
            append(out, s1);
            append(out, c1);
        }
    }
    // C2 carries nothing that matters: its content is not checked, as encoders disagree on it.
    if (!collect(held_, in, rtmp_handshake_size))
        return false;
    held_.clear();
    held_.shrink_to_fit();
    return true;
}

void rtmp_client_handshake::start(std::vector<std::uint8_t>& out) {
    c1_ = signed_block({9, 0, 124, 2}, rtmp_digest_layout::first_half, client_name);
    out.push_back(rtmp_version);
    append(out, c1_);
}

result<bool>
rtmp_client_handshake::receive(std::span<const std::uint8_t>& in, std::vector<std::uint8_t>& out) {
    if (held_.empty() && !in.empty() && in[0] != rtmp_version)
        return {boost::system::in_place_error, make_error_code(errc::protocol_violation)};
    if (!collect(held_, in, 1 + 2 * rtmp_handshake_size))
        return false;
    rtmp_handshake_block s1;
    std::copy_n(held_.begin() + 1, rtmp_handshake_size, s1.begin());
    const bool may_be_signed = (s1[4] | s1[5] | s1[6] | s1[7]) != 0;
    const auto found = may_be_signed ? find_digest(s1, server_name) : std::nullopt;
    server_digest_valid_ = found.has_value();
    append(out, found ? signed_answer(found->value, client_name) : s1);
    held_.clear();
    held_.shrink_to_fit();
    return true;
}

} // namespace rivulet::ingest
