#include "live/output_proof.hpp"

#include <fmt/core.h>

namespace rivulet::live {

std::optional<std::string> output_proof::seen(content what, std::uint64_t bytes, time_point now) {
    switch (what) {
    case content::too_long:
        return "a segment of it never ends";
    case content::video:
        bytes_ = 0;
        since_.reset();
        return std::nullopt;
    case content::sound:
        since_.reset();
        break;
    case content::nothing:
        if (bytes > 0 && !since_)
            since_ = now;
        break;
    }
    bytes_ += bytes;
    if (bytes_ >= most)
        return fmt::format("{} bytes of it hold no video", bytes_);
    if (since_ && now - *since_ >= patience)
        return fmt::format(
            "nothing in it can be read for {} s",
            std::chrono::duration_cast<std::chrono::seconds>(now - *since_).count()
        );
    return std::nullopt;
}

} // namespace rivulet::live
