// Which ticket numbers were used with which parameters (spec/payments.md 6.3). An orchestrator
// takes each number once and 600 numbers in all; several payments at once share one book.
// Thread: any. Bounded: what was not used for half an hour has expired at the orchestrator too.
#pragma once

#include "base/asio.hpp"

#include <cstdint>
#include <map>
#include <mutex>
#include <optional>
#include <string>

namespace rivulet::payment {

class nonce_book {
  public:
    static constexpr std::uint32_t most = 600;

    // `count` numbers in a row, the first of which is returned; nothing when there are not as many
    // left: fresh parameters are needed.
    std::optional<std::uint32_t>
    take(const std::string& session_id, std::uint64_t count, time_point now);

    std::size_t sessions() const;

  private:
    struct entry {
        std::uint32_t last = 0;
        time_point used;
    };

    mutable std::mutex guard_;
    std::map<std::string, entry> entries_;
    time_point swept_{};
};

} // namespace rivulet::payment
