// Whether what an orchestrator sends is processed media at all: one whose output is something else,
// or holds no picture, must not fill the channel for ever. Output that falls silent, and sound
// without a picture, are the watchdog's. Pure; time is given.
#pragma once

#include "base/asio.hpp"

#include <cstdint>
#include <optional>
#include <string>

namespace rivulet::live {

class output_proof {
  public:
    // Of a piece of output.
    enum class content {
        nothing, // that we can read
        sound,
        video,
        too_long // the segment went over the channel's limit and was ended there
    };

    // So much may come without a picture, and so long without picture or sound.
    static constexpr std::uint64_t most = 4u << 20;
    static constexpr duration patience = std::chrono::seconds(5);

    // Why it is no output; nothing while it may be one.
    std::optional<std::string> seen(content what, std::uint64_t bytes, time_point now);

  private:
    std::uint64_t bytes_ = 0;         // since the last picture
    std::optional<time_point> since_; // nothing readable came
};

} // namespace rivulet::live
