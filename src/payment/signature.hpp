// Ethereum signatures (spec/payments.md 5): secp256k1 over the "signed message" hash, 65 bytes
// R‖S‖V with low S and V 27 or 28. Thread: any; a key never changes.
// Fails with: invalid_argument (no key of the curve).
#pragma once

#include "base/error.hpp"

#include <optional>
#include <string>
#include <string_view>

namespace rivulet::payment {

class signing_key {
  public:
    // 32 bytes.
    static outcome<signing_key> of(std::string_view secret);
    ~signing_key();
    signing_key(signing_key&&) noexcept = default;
    signing_key& operator=(signing_key&&) noexcept = default;
    signing_key(const signing_key&) = delete;
    signing_key& operator=(const signing_key&) = delete;

    const std::string& address() const { return address_; } // 20 bytes

    // Deterministic (RFC 6979). `message` is hashed with its prefix here.
    std::string sign(std::string_view message) const;

  private:
    signing_key() = default;

    std::string secret_, address_;
};

// Whose signature over `message` it is, as 20 bytes. Nothing for a high S, another V, or none.
std::optional<std::string> signer_of(std::string_view message, std::string_view signature);

// What GetOrchestrator is signed over: the hash of the address as people write it.
std::string info_request_message(std::string_view address);

// The hash as a byte string.
std::string keccak(std::string_view bytes);

} // namespace rivulet::payment
