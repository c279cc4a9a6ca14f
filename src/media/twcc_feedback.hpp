// Transport-wide congestion feedback (draft-holmer-rmcat-transport-wide-cc-extensions-01): notes
// when each packet came and writes the report from which the sender learns how much the way
// carries. Pure.
#pragma once

#include "base/asio.hpp"

#include <cstdint>
#include <map>
#include <optional>
#include <vector>

namespace rivulet::media {

class twcc_feedback {
  public:
    static constexpr duration interval = std::chrono::milliseconds(80);

    void arrived(std::uint16_t sequence, time_point now);

    // When a report is due; max() while there is nothing to tell.
    time_point deadline() const { return arrivals_.empty() ? time_point::max() : due_; }

    // Appends the report of everything since the one before to a compound packet. False: nothing.
    bool add_report(
        std::vector<std::uint8_t>& compound, std::uint32_t own, std::uint32_t ssrc, time_point now
    );

  private:
    std::optional<std::int64_t> last_;              // sequence, unwrapped
    std::optional<std::int64_t> reported_;          // the next one that was not reported
    std::map<std::int64_t, std::int64_t> arrivals_; // µs since epoch_
    std::optional<time_point> epoch_;
    time_point due_{};
    std::uint8_t count_ = 0;
};

} // namespace rivulet::media
