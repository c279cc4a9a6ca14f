#include "live/playback.hpp"

#include "live/stream_params.hpp"

#include <algorithm>

namespace rivulet::live {
namespace {

constexpr std::size_t request_digits = 8;

bool is_request_id(std::string_view text) {
    return text.size() == request_digits && std::ranges::all_of(text, [](char c) {
               return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');
           });
}

} // namespace

std::vector<playback_path> playback_readings(std::string_view path) {
    if (!path.ends_with(output_suffix) || path.size() == output_suffix.size())
        return {{std::string(path), false, {}}};
    const auto base = path.substr(0, path.size() - output_suffix.size());
    std::vector<playback_path> readings;
    const auto hyphen = base.rfind('-');
    if (hyphen != base.npos && hyphen > 0 && is_request_id(base.substr(hyphen + 1)))
        readings.push_back(
            {std::string(base.substr(0, hyphen)), true, std::string(base.substr(hyphen + 1))}
        );
    readings.push_back({std::string(base), true, {}});
    return readings;
}

} // namespace rivulet::live
