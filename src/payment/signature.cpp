#include "payment/signature.hpp"

#include "session/keccak.hpp"

#include <openssl/crypto.h>
#include <openssl/rand.h>

#include <array>
#include <memory>
#include <secp256k1_recovery.h>
#include <stdexcept>

namespace rivulet::payment {
namespace {

const secp256k1_context* curve() {
    struct freed {
        void operator()(secp256k1_context* context) const { secp256k1_context_destroy(context); }
    };

    static const auto context = [] {
        std::unique_ptr<secp256k1_context, freed> made(
            secp256k1_context_create(SECP256K1_CONTEXT_SIGN | SECP256K1_CONTEXT_VERIFY)
        );
        std::array<unsigned char, 32> seed;
        // Blinding against side channels; the signatures are the same without.
        if (RAND_bytes(seed.data(), seed.size()) != 1 ||
            !secp256k1_context_randomize(made.get(), seed.data()))
            throw std::runtime_error("the system's random generator failed");
        return made;
    }();
    return context.get();
}

const unsigned char* raw(std::string_view text) {
    return reinterpret_cast<const unsigned char*>(text.data());
}

unsigned char* raw(std::string& text) {
    return reinterpret_cast<unsigned char*>(text.data());
}

std::string prefixed_hash(std::string_view message) {
    std::string text = "\x19"
                       "Ethereum Signed Message:\n" +
                       std::to_string(message.size());
    text += message;
    return keccak(text);
}

std::string address_of(const secp256k1_pubkey& key) {
    std::string point(65, '\0');
    std::size_t size = point.size();
    secp256k1_ec_pubkey_serialize(curve(), raw(point), &size, &key, SECP256K1_EC_UNCOMPRESSED);
    return keccak(std::string_view(point).substr(1)).substr(12);
}

} // namespace

std::string keccak(std::string_view bytes) {
    const auto hash = session::keccak256(bytes);
    return std::string(reinterpret_cast<const char*>(hash.data()), hash.size());
}

outcome<signing_key> signing_key::of(std::string_view secret) {
    secp256k1_pubkey point;
    if (secret.size() != 32 || !secp256k1_ec_pubkey_create(curve(), &point, raw(secret)))
        return failure(errc::invalid_argument, "no private key of 32 bytes");
    signing_key key;
    key.secret_ = secret;
    key.address_ = address_of(point);
    return key;
}

signing_key::~signing_key() {
    OPENSSL_cleanse(secret_.data(), secret_.size());
}

std::string signing_key::sign(std::string_view message) const {
    const auto hash = prefixed_hash(message);
    secp256k1_ecdsa_recoverable_signature signature;
    if (!secp256k1_ecdsa_sign_recoverable(
            curve(), &signature, raw(hash), raw(secret_), nullptr, nullptr
        ))
        return {};
    std::string out(65, '\0');
    int recovery = 0;
    secp256k1_ecdsa_recoverable_signature_serialize_compact(
        curve(), raw(out), &recovery, &signature
    );
    out[64] = static_cast<char>(27 + recovery);
    return out;
}

std::optional<std::string> signer_of(std::string_view message, std::string_view signature) {
    if (signature.size() != 65 || (signature[64] != 27 && signature[64] != 28))
        return std::nullopt;
    secp256k1_ecdsa_recoverable_signature parsed;
    if (!secp256k1_ecdsa_recoverable_signature_parse_compact(
            curve(), &parsed, raw(signature), signature[64] - 27
        ))
        return std::nullopt;
    secp256k1_ecdsa_signature plain;
    secp256k1_ecdsa_recoverable_signature_convert(curve(), &plain, &parsed);
    // True when S was high: the same signature in its other form, which nobody may accept.
    if (secp256k1_ecdsa_signature_normalize(curve(), nullptr, &plain))
        return std::nullopt;
    const auto hash = prefixed_hash(message);
    secp256k1_pubkey point;
    if (!secp256k1_ecdsa_recover(curve(), &point, &parsed, raw(hash)))
        return std::nullopt;
    return address_of(point);
}

std::string info_request_message(std::string_view address) {
    return keccak(session::checksum_address(address));
}

} // namespace rivulet::payment
