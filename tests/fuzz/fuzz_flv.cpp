// FLV files and the headers of their tags.
#include "media/flv_tag.hpp"
#include "media/flv_write.hpp"

#include <cstdlib>

using namespace rivulet::media;

namespace {

void look_at(const flv_tag& tag) {
    const auto body = tag.body.view();
    const auto video = parse_flv_video(body);
    if (video && video->header_bytes > body.size())
        std::abort();
    const auto audio = parse_flv_audio(body);
    if (audio && audio->header_bytes > body.size())
        std::abort();
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    flv_tag whole;
    whole.body = rivulet::bytes::copy_of({data, size});
    look_at(whole);
    access_unit unit;
    unit.data = whole.body;
    flv_video_body(unit);
    const auto tags = parse_flv_file({data, size});
    if (!tags)
        return 0;
    auto file = flv_file_header();
    for (const auto& tag : *tags) {
        look_at(tag);
        append_flv_tag(file, tag);
    }
    if (parse_flv_file(file).value().size() != tags->size())
        std::abort();
    return 0;
}
