// An uploaded file or a result, whatever it is: never crashes, ends, and what is told about it is
// within the limits.
#include "batch/media_probe.hpp"
#include "batch/result_check.hpp"

#include <cmath>
#include <cstdint>
#include <cstdlib>

extern "C" {
#include <libavutil/log.h>
}

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace rivulet::batch;
    av_log_set_level(AV_LOG_QUIET);
    probe_limits limits;
    limits.width = limits.height = 512;
    limits.seconds = 60;
    spool content{spool_limits()};
    if (content.write({data, size}))
        return 0;
    const auto picture = probe_media(media_kind::image, content, limits);
    if (picture && (picture->width <= 0 || picture->width > limits.width || picture->height <= 0 ||
                    picture->height > limits.height || picture->format.empty()))
        std::abort();
    const auto sound = probe_media(media_kind::audio, content, limits);
    if (sound && !(sound->seconds > 0 && sound->seconds <= limits.seconds))
        std::abort();
    if (picture && sound)
        std::abort();
    const std::string bytes(reinterpret_cast<const char*>(data), size);
    for (const auto kind : {reply_kind::images, reply_kind::video, reply_kind::audio}) {
        const auto extension = check_result(kind, bytes);
        if (extension && extension->empty())
            std::abort();
    }
    return 0;
}
