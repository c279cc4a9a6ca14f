#include "webrtc/sdp_offer.hpp"

#include <algorithm>

namespace rivulet::webrtc {

bool offered_codec::has_feedback(std::string_view what) const {
    return std::find(feedback.begin(), feedback.end(), what) != feedback.end();
}

std::optional<std::uint8_t> offered_media::extension(std::string_view uri) const {
    const auto found = std::find_if(extensions.begin(), extensions.end(), [&](const auto& entry) {
        return entry.uri == uri;
    });
    if (found == extensions.end())
        return {};
    return found->id;
}

const offered_media* sdp_offer::first(media_kind kind) const {
    const auto found = std::find_if(media.begin(), media.end(), [&](const auto& section) {
        return section.kind == kind && !section.refused;
    });
    return found == media.end() ? nullptr : &*found;
}

} // namespace rivulet::webrtc
