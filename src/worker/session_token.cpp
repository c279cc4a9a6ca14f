#include "worker/session_token.hpp"

#include "base/base64.hpp"
#include "base/ids.hpp"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>

#include <array>
#include <livepeer.pb.h>

namespace rivulet::worker {

namespace {

constexpr std::size_t header_limit = 16 * 1024;

} // namespace

token_mint::token_mint() : secret_(random_hex(32)) {}

std::string token_mint::seal(std::string_view session_id, std::int64_t expiration) const {
    std::string text(session_id);
    for (int shift = 56; shift >= 0; shift -= 8)
        text.push_back(static_cast<char>(static_cast<std::uint64_t>(expiration) >> shift & 0xff));
    std::array<unsigned char, EVP_MAX_MD_SIZE> digest{};
    unsigned size = 0;
    HMAC(
        EVP_sha256(),
        secret_.data(),
        static_cast<int>(secret_.size()),
        reinterpret_cast<const unsigned char*>(text.data()),
        text.size(),
        digest.data(),
        &size
    );
    return {reinterpret_cast<const char*>(digest.data()), size};
}

session_token token_mint::make(std::int64_t unix_now) const {
    session_token made;
    made.session_id = random_hex(4);
    made.expiration = unix_now + lifetime;
    made.seal = seal(made.session_id, made.expiration);
    return made;
}

std::string_view token_mint::fault(const session_token& token, std::int64_t unix_now) const {
    const auto expected = seal(token.session_id, token.expiration);
    if (expected.size() != token.seal.size() ||
        CRYPTO_memcmp(expected.data(), token.seal.data(), expected.size()) != 0)
        return "invalid auth token";
    if (token.expiration <= unix_now)
        return "expired auth token";
    return {};
}

std::string_view token_mint::header_fault(std::string_view segment, std::int64_t unix_now) const {
    net::SegData data;
    if (segment.empty())
        return "missing auth token";
    if (segment.size() > header_limit)
        return "ErrorSegEncoding";
    const auto bytes = from_base64(segment);
    if (!bytes || !data.ParseFromString(*bytes))
        return "ErrorSegEncoding";
    if (!data.has_auth_token())
        return "missing auth token";
    return fault(
        {data.auth_token().token(), data.auth_token().session_id(), data.auth_token().expiration()},
        unix_now
    );
}

} // namespace rivulet::worker
