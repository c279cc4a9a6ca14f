#include "worker/model_functions.hpp"
#include "worker/picture.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <filesystem>
#include <memory>
#include <tesseract/capi.h>

extern "C" {
#include <libswscale/swscale.h>
}

namespace rivulet::worker {

namespace {

constexpr std::int64_t pixel_limit = 16'777'216;
constexpr int small_side = 1'000; // below, letters are often too small to be read

// The folder of eng.traineddata; empty when there is none.
std::string find_data() {
    std::vector<std::filesystem::path> places;
    if (const char* named = std::getenv("TESSDATA_PREFIX")) {
        places.emplace_back(named);
        places.push_back(std::filesystem::path(named) / "tessdata");
    }
    for (const char* usual :
         {"/usr/share/tesseract-ocr/5/tessdata",
          "/usr/share/tessdata",
          "/usr/share/tesseract/tessdata",
          "/usr/local/share/tessdata"})
        places.emplace_back(usual);
    for (const auto& place : places) {
        std::error_code ignored;
        if (std::filesystem::is_regular_file(place / "eng.traineddata", ignored))
            return place.string();
    }
    return {};
}

const std::string& data_folder() {
    static const std::string folder = find_data();
    return folder;
}

struct free_reader {
    void operator()(TessBaseAPI* reader) const noexcept {
        TessBaseAPIEnd(reader);
        TessBaseAPIDelete(reader);
    }
};

struct free_monitor {
    void operator()(ETEXT_DESC* monitor) const noexcept { TessMonitorDelete(monitor); }
};

struct free_text {
    void operator()(char* text) const noexcept { TessDeleteText(text); }
};

bool stop_reading(void* opaque, int) {
    return (*static_cast<const std::function<bool()>*>(opaque))();
}

// One line a line, without the blank ones at the end.
std::string tidy(std::string_view text) {
    while (!text.empty() && static_cast<unsigned char>(text.back()) <= ' ')
        text.remove_suffix(1);
    return std::string(text);
}

} // namespace

bool can_read() {
    return !data_folder().empty();
}

outcome<model_answer> read_picture(const model_call& call) {
    auto decoded = decode_picture(call.file);
    if (!decoded)
        return decoded.error();
    const int width = (*decoded)->width, height = (*decoded)->height;
    if (std::int64_t{width} * height > pixel_limit)
        return failure(
            errc::too_large,
            fmt::format(
                "the image is {}x{}; this model reads at most {} pixels", width, height, pixel_limit
            )
        );
    const int factor = std::max(width, height) < small_side ? 2 : 1;
    auto grey =
        convert_picture(**decoded, width * factor, height * factor, AV_PIX_FMT_GRAY8, SWS_BICUBIC);
    decoded->reset();
    if (!grey)
        return grey.error();

    const std::unique_ptr<TessBaseAPI, free_reader> reader(TessBaseAPICreate());
    const std::unique_ptr<ETEXT_DESC, free_monitor> monitor(TessMonitorCreate());
    if (!reader || !monitor)
        return failure(errc::no_capacity, "no memory to read a picture");
    TessBaseAPISetVariable(reader.get(), "debug_file", "/dev/null");
    if (TessBaseAPIInit3(reader.get(), data_folder().c_str(), "eng") != 0)
        return failure(errc::no_capacity, "tesseract's data can't be read");
    TessBaseAPISetPageSegMode(reader.get(), tesseract::PSM_AUTO);
    const auto& picture = **grey;
    TessBaseAPISetImage(
        reader.get(), picture.data[0], picture.width, picture.height, 1, picture.linesize[0]
    );
    TessBaseAPISetSourceResolution(reader.get(), 150 * factor);
    TessMonitorSetCancelFunc(monitor.get(), stop_reading);
    TessMonitorSetCancelThis(
        monitor.get(), const_cast<void*>(static_cast<const void*>(&call.cancelled))
    );
    const int read = TessBaseAPIRecognize(reader.get(), monitor.get());
    if (call.cancelled())
        return failure(errc::cancelled, "nobody waits for it any more");
    if (read != 0)
        return failure(errc::media_error, "the image can't be read");
    const std::unique_ptr<char, free_text> text(TessBaseAPIGetUTF8Text(reader.get()));
    model_answer made;
    made.body["text"] = tidy(text ? text.get() : "");
    return made;
}

} // namespace rivulet::worker
