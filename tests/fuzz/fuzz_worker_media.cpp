// An upload as the CPU models take it: whatever it is, the decoders end, within their limits.
#include "worker/model_functions.hpp"
#include "worker/picture.hpp"
#include "worker/wave_file.hpp"

#include <cstdlib>

extern "C" {
#include <libavutil/log.h>
}

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace rivulet::worker;
    constexpr int rate = 16'000, seconds = 2;
    av_log_set_level(AV_LOG_QUIET);
    model_call call;
    call.file.assign(reinterpret_cast<const char*>(data), size);

    const auto sound = decode_sound(call.file, rate, seconds, [] { return false; });
    if (sound && (sound->empty() || sound->size() > std::size_t{rate} * seconds))
        std::abort();

    const auto picture = decode_picture(call.file);
    if (!picture)
        return 0;
    const auto pixels = std::int64_t{(*picture)->width} * (*picture)->height;
    if (pixels < 1 || pixels > picture_pixel_limit)
        std::abort();
    if (pixels > 256 * 256) // the rest would only take long
        return 0;
    call.fields["prompt"] = "hflip";
    for (const auto model : {filter_picture, enlarge_picture}) {
        const auto made = model(call);
        if (made && (made->files.size() != 1 || made->files[0].bytes.empty()))
            std::abort();
    }
    return 0;
}
