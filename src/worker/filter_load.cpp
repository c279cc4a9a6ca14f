#include "worker/filter_load.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <optional>

namespace rivulet::worker {

namespace {

// An option that must be a plain number, because libavfilter takes any or an expression.
struct number_limit {
    std::string_view filter;
    std::string_view names; // separated by spaces
    double least, most;
    int position = -1; // among the values without a name
};

constexpr auto number_limits = std::to_array<number_limit>({
    {"boxblur", "luma_power lp", 0, 8, 1},
    {"boxblur", "chroma_power cp", -1, 8, 3},
    {"boxblur", "alpha_power ap", -1, 8, 5},
    {"chromanr", "sizew", 1, 8, 1},
    {"chromanr", "sizeh", 1, 8, 2},
    {"deband", "range r", -256, 256, 4},
    {"drawtext", "fontsize", 1, 512},
    {"drawtext", "borderw", 0, 64},
    {"drawtext", "boxborderw", 0, 64},
    {"drawtext", "tabsize", 0, 64},
    {"drawtext", "line_spacing", -64, 512},
    {"drawtext", "shadowx shadowy", -4096, 4096},
    {"fillborders", "left", 0, 4096, 0},
    {"fillborders", "right", 0, 4096, 1},
    {"fillborders", "top", 0, 4096, 2},
    {"fillborders", "bottom", 0, 4096, 3},
    {"greyedge", "sigma", 0, 16, 2},
    {"tmix", "frames", 1, 16, 0},
});

struct weight {
    std::string_view filter;
    double work, held;
};

// The worst that the options allow. What is not here is 1 and 0.
constexpr auto weights = std::to_array<weight>({
    {"alphamerge", 1, 8},    {"bilateral", 8, 28},  {"blend", 2, 8},          {"chromanr", 16, 0},
    {"colorspace", 4, 0},    {"convolution", 8, 0}, {"dblur", 4, 4},          {"deband", 2, 8},
    {"deblock", 2, 0},       {"dedot", 2, 20},      {"edgedetect", 6, 8},     {"gblur", 6, 4},
    {"greyedge", 16, 48},    {"histeq", 4, 0},      {"hqdn3d", 4, 8},         {"hstack", 1, 8},
    {"kirsch", 4, 0},        {"lagfun", 2, 16},     {"lenscorrection", 2, 8}, {"median", 8, 0},
    {"overlay", 2, 8},       {"perspective", 4, 8}, {"prewitt", 2, 0},        {"roberts", 2, 0},
    {"rotate", 2, 0},        {"sab", 16, 4},        {"scharr", 2, 0},         {"shear", 2, 0},
    {"shufflepixels", 2, 8}, {"smartblur", 4, 0},   {"sobel", 2, 0},          {"tblend", 2, 4},
    {"unsharp", 4, 0},       {"varblur", 4, 32},    {"vignette", 4, 4},       {"vstack", 1, 8},
});

bool listed(std::string_view words, std::string_view wanted) {
    while (!words.empty()) {
        const auto end = std::min(words.find(' '), words.size());
        if (words.substr(0, end) == wanted)
            return true;
        words.remove_prefix(std::min(end + 1, words.size()));
    }
    return false;
}

std::optional<double> plain_number(std::string_view text) {
    double value = 0;
    const auto* end = text.data() + text.size();
    const auto [stopped, error] = std::from_chars(text.data(), end, value);
    if (error != std::errc{} || stopped != end)
        return std::nullopt;
    return value;
}

// Pixel formats of eight bits: what a picture needs is known before libavfilter allocates it.
bool is_small_format(std::string_view format) {
    return listed(
        "yuv420p yuv422p yuv444p yuv440p yuv411p yuv410p yuva420p yuva422p yuva444p yuvj420p "
        "yuvj422p yuvj444p nv12 nv21 rgb24 bgr24 rgba bgra argb abgr rgb0 bgr0 0rgb 0bgr gbrp "
        "gbrap gray gray8 ya8 yuyv422 uyvy422",
        format
    );
}

outcome<void> check_formats(std::string_view value) {
    while (!value.empty()) {
        const auto end = std::min(value.find('|'), value.size());
        if (!is_small_format(value.substr(0, end)))
            return failure(
                errc::invalid_argument, "\"format\" takes names of 8-bit pixel formats only"
            );
        value.remove_prefix(std::min(end + 1, value.size()));
    }
    return {};
}

} // namespace

outcome<filter_load> load_of_filter(
    std::string_view filter, const std::vector<option_use>& options, std::size_t written
) {
    filter_load load;
    for (const auto& one : weights)
        if (one.filter == filter) {
            load.work = one.work;
            load.held = one.held;
        }
    double power = 2, frames = 3, font_size = 16, border = 0; // libavfilter's own
    bool expression = filter == "geq";
    int position = 0;
    for (const auto& option : options) {
        const int at = option.name.empty() ? position++ : -1;
        if (filter == "format")
            if (auto checked = check_formats(option.value); !checked)
                return checked.error();
        expression |= option.name.ends_with("_expr");
        for (const auto& limit : number_limits) {
            const bool meant =
                option.name.empty() ? limit.position == at : listed(limit.names, option.name);
            if (limit.filter != filter || !meant)
                continue;
            const auto value = plain_number(option.value);
            if (!value || !(*value >= limit.least && *value <= limit.most))
                return failure(
                    errc::invalid_argument,
                    fmt::format(
                        "\"{}\" takes a number from {} to {} as \"{}\"",
                        filter,
                        limit.least,
                        limit.most,
                        limit.names.substr(0, limit.names.find(' '))
                    )
                );
            if (filter == "boxblur")
                power = std::max(power, *value);
            else if (filter == "tmix")
                frames = *value;
            else if (option.name == "fontsize")
                font_size = *value;
            else if (option.name == "borderw")
                border = *value;
        }
    }
    // blend and tblend take expressions by position as well.
    expression |= (filter == "blend" || filter == "tblend") && position > 4;
    if (expression)
        load.work += static_cast<double>(written) / 16;
    if (filter == "boxblur")
        load.work = 1 + power;
    if (filter == "tmix") {
        load.work = frames;
        load.held = frames * 4;
    }
    if (filter == "drawtext") { // every character may be another glyph, with a border of its own
        const double side = font_size + 2 * border;
        load.fixed_work = static_cast<double>(written) * side * side;
        load.fixed_memory = 2 * load.fixed_work;
    }
    return load;
}

} // namespace rivulet::worker
