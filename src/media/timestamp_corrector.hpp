// Some Safari versions count video time in microseconds instead of RTP's 90 kHz (WebKit bug
// 292273). Seen at the second picture, mended from then on. Pure.
#pragma once

#include "base/asio.hpp"

#include <cstdint>
#include <optional>
#include <string_view>

namespace rivulet::media {

// iOS browsers and Safari 18 before 18.6; an unknown program too.
bool may_count_microseconds(std::string_view user_agent);

class timestamp_corrector {
  public:
    explicit timestamp_corrector(bool enabled) : enabled_(enabled) {}

    // `ticks` since the first packet's, unwrapped. The first picture keeps its time.
    std::int64_t operator()(std::int64_t ticks, time_point now);

    bool correcting() const { return correcting_; }

  private:
    bool enabled_;
    bool decided_ = false, correcting_ = false;
    std::optional<std::int64_t> first_;
    time_point first_at_{};
};

} // namespace rivulet::media
