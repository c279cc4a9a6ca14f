// The tokens of discovery: a session id and an end of life, sealed with this process's secret, so
// that nothing needs to be remembered (spec/orchestrators.md 2.4).
// Thread: any.
#pragma once

#include "base/error.hpp"

#include <cstdint>
#include <string>
#include <string_view>

namespace rivulet::worker {

struct session_token {
    std::string seal; // 32 bytes
    std::string session_id;
    std::int64_t expiration = 0; // unix seconds
};

class token_mint {
  public:
    static constexpr std::int64_t lifetime = 30 * 60; // seconds

    token_mint(); // a fresh secret

    explicit token_mint(std::string secret) : secret_(std::move(secret)) {}

    // With a session id of its own.
    session_token make(std::int64_t unix_now) const;
    // Empty when it is one of ours and lives; else what the network's orchestrators say.
    std::string_view fault(const session_token& token, std::int64_t unix_now) const;
    // The same for a Livepeer-Segment header's value.
    std::string_view header_fault(std::string_view segment, std::int64_t unix_now) const;

  private:
    std::string seal(std::string_view session_id, std::int64_t expiration) const;

    std::string secret_;
};

} // namespace rivulet::worker
