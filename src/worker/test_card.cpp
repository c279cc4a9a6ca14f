#include "worker/bitmap_text.hpp"
#include "worker/model_functions.hpp"
#include "worker/picture.hpp"

#include <boost/algorithm/string/predicate.hpp>
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <cmath>
#include <numbers>

extern "C" {
#include <libavutil/parseutils.h>
}

namespace rivulet::worker {

namespace {

constexpr std::int64_t total_pixel_limit = 67'108'864; // of one request
constexpr int smallest_side = 16;

struct colour {
    double red = 0, green = 0, blue = 0; // 0 to 255

    constexpr colour() {}

    constexpr colour(double r, double g, double b) : red(r), green(g), blue(b) {}
};

colour mix(const colour& a, const colour& b, double share) {
    return {
        a.red + (b.red - a.red) * share,
        a.green + (b.green - a.green) * share,
        a.blue + (b.blue - a.blue) * share};
}

double brightness(const colour& c) {
    return 0.299 * c.red + 0.587 * c.green + 0.114 * c.blue;
}

// A bright colour somewhere on the wheel; `turn` counts rounds.
colour of_wheel(double turn) {
    const auto part = [&](double shift) {
        return 127.5 + 110 * std::cos(2 * std::numbers::pi * (turn - shift));
    };
    return {part(0), part(1.0 / 3), part(2.0 / 3)};
}

// SplitMix64: the same numbers from the same seed on every machine.
class dice {
  public:
    explicit dice(std::uint64_t seed) : state_(seed) {}

    std::uint64_t next() {
        state_ += 0x9e3779b97f4a7c15u;
        auto z = state_;
        z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
        z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
        return z ^ (z >> 31);
    }

    double share() { return static_cast<double>(next() >> 11) / 9007199254740992.0; }

  private:
    std::uint64_t state_;
};

std::vector<std::string> words_of(std::string_view text) {
    std::vector<std::string> made(1);
    for (const unsigned char c : text) {
        if (std::isalpha(c))
            made.back() += static_cast<char>(std::tolower(c));
        else if (!made.back().empty())
            made.emplace_back();
    }
    return made;
}

// The colours of the Web by name.
std::optional<colour> colour_named(std::string_view word) {
    const std::uint8_t* rgb = nullptr;
    for (int i = 0; const char* name = av_get_known_color_name(i, &rgb); ++i)
        if (boost::algorithm::iequals(word, name))
            return colour(rgb[0], rgb[1], rgb[2]);
    return std::nullopt;
}

enum class pattern { gradient, rings, stripes, checkers, count };

struct card {
    colour first, second;
    pattern kind = pattern::gradient;
    double angle = 0;
    double cell = 64; // pixels
};

// Words of the prompt decide; the seed decides what they leave open.
card plan(std::string_view prompt, std::int64_t seed, int width, int height) {
    dice roll(static_cast<std::uint64_t>(seed));
    card made;
    const double hue = roll.share();
    made.kind = static_cast<pattern>(roll.next() % static_cast<unsigned>(pattern::count));
    made.angle = roll.share() * 2 * std::numbers::pi;
    made.cell = std::max(8.0, std::min(width, height) * (0.06 + 0.12 * roll.share()));
    made.first = of_wheel(hue);
    made.second = of_wheel(hue + 0.3 + 0.4 * roll.share());

    int named = 0;
    for (const auto& word : words_of(prompt)) {
        if (const auto meant = colour_named(word); meant && named < 2)
            (named++ ? made.second : made.first) = *meant;
        if (word == "gradient" || word == "sky" || word == "sunset")
            made.kind = pattern::gradient;
        else if (word == "circle" || word == "circles" || word == "rings" || word == "sun")
            made.kind = pattern::rings;
        else if (word == "stripes" || word == "lines" || word == "bars")
            made.kind = pattern::stripes;
        else if (word == "checkerboard" || word == "checkers" || word == "squares")
            made.kind = pattern::checkers;
    }
    if (named == 1) // one colour alone goes into its own shade
        made.second = mix(made.first, {20, 20, 30}, 0.75);
    return made;
}

double pattern_at(const card& from, double x, double y, int width, int height) {
    const double cx = x - width / 2.0, cy = y - height / 2.0;
    const double along = cx * std::cos(from.angle) + cy * std::sin(from.angle);
    switch (from.kind) {
    case pattern::rings:
        return 0.5 + 0.5 * std::cos(std::hypot(cx, cy) / from.cell * std::numbers::pi);
    case pattern::stripes:
        return 0.5 + 0.5 * std::cos(along / from.cell * std::numbers::pi);
    case pattern::checkers:
        return (static_cast<std::int64_t>(std::floor(cx / from.cell)) +
                static_cast<std::int64_t>(std::floor(cy / from.cell))) &
                       1
                   ? 1.0
                   : 0.0;
    default:
        return std::clamp(0.5 + along / std::hypot(width, height), 0.0, 1.0);
    }
}

void put(AVFrame& into, int x, int y, const colour& c) {
    auto* at = into.data[0] + std::ptrdiff_t{y} * into.linesize[0] + std::ptrdiff_t{x} * 3;
    at[0] = static_cast<std::uint8_t>(std::lround(c.red));
    at[1] = static_cast<std::uint8_t>(std::lround(c.green));
    at[2] = static_cast<std::uint8_t>(std::lround(c.blue));
}

colour get(const AVFrame& from, int x, int y) {
    const auto* at = from.data[0] + std::ptrdiff_t{y} * from.linesize[0] + std::ptrdiff_t{x} * 3;
    return {double(at[0]), double(at[1]), double(at[2])};
}

bool fill(AVFrame& into, const card& from, const std::function<bool()>& cancelled) {
    constexpr std::array<colour, 7> bars{{
        {192, 192, 192},
        {192, 192, 0},
        {0, 192, 192},
        {0, 192, 0},
        {192, 0, 192},
        {192, 0, 0},
        {0, 0, 192},
    }};
    const int bars_from = into.height - into.height / 8;
    for (int y = 0; y < into.height; ++y) {
        if (y % 64 == 0 && cancelled())
            return false;
        for (int x = 0; x < into.width; ++x) {
            if (y >= bars_from)
                put(into, x, y, bars[std::size_t(x) * bars.size() / std::size_t(into.width)]);
            else
                put(into,
                    x,
                    y,
                    mix(from.first,
                        from.second,
                        pattern_at(from, x + 0.5, y + 0.5, into.width, into.height)));
        }
    }
    return true;
}

struct box {
    int left, top, width, height;
};

void darken(AVFrame& into, const box& where, const colour& with, double share) {
    for (int y = std::max(0, where.top); y < std::min(into.height, where.top + where.height); ++y)
        for (int x = std::max(0, where.left); x < std::min(into.width, where.left + where.width);
             ++x)
            put(into, x, y, mix(get(into, x, y), with, share));
}

void write_line(AVFrame& into, std::string_view line, int left, int top, int scale, colour ink) {
    for (std::size_t i = 0; i < line.size(); ++i) {
        const int from = left + static_cast<int>(i) * glyph_width * scale;
        for (int y = 0; y < glyph_height * scale; ++y)
            for (int x = 0; x < glyph_width * scale; ++x) {
                const double share = ink_at(line[i], (x + 0.5) / scale, (y + 0.5) / scale);
                const int px = from + x, py = top + y;
                if (share > 0 && px >= 0 && px < into.width && py >= 0 && py < into.height)
                    put(into, px, py, mix(get(into, px, py), ink, share));
            }
    }
}

// The prompt in the largest letters that let all of it fit.
void write_prompt(AVFrame& into, std::string_view prompt, const card& from) {
    const int width = into.width * 9 / 10, height = into.height * 6 / 10;
    int scale = std::clamp(std::min(width, height) / 80, 1, 12);
    std::vector<std::string> lines;
    for (;; --scale) {
        const int columns = width / (glyph_width * scale), rows = height / (glyph_height * scale);
        lines = wrap_text(prompt, columns, rows);
        // Once more than it may have tells whether something was left out.
        if (scale == 1 || wrap_text(prompt, columns, rows + 1).size() == lines.size())
            break;
    }
    if (lines.empty())
        return;
    std::size_t longest = 0;
    for (const auto& line : lines)
        longest = std::max(longest, line.size());
    const int step = glyph_height * scale, margin = 6 * scale;
    const int text_width = static_cast<int>(longest) * glyph_width * scale;
    const int text_height = static_cast<int>(lines.size()) * step;
    const box panel{
        (into.width - text_width) / 2 - margin,
        (into.height * 7 / 8 - text_height) / 2 - margin,
        text_width + 2 * margin,
        text_height + 2 * margin};
    const bool bright = brightness(mix(from.first, from.second, 0.5)) > 127;
    const colour paper = bright ? colour{255, 255, 255} : colour{0, 0, 0};
    const colour ink = bright ? colour{0, 0, 0} : colour{255, 255, 255};
    darken(into, panel, paper, 0.9);
    for (std::size_t i = 0; i < lines.size(); ++i) {
        const int left = (into.width - static_cast<int>(lines[i].size()) * glyph_width * scale) / 2;
        write_line(
            into, lines[i], left, panel.top + margin + static_cast<int>(i) * step, scale, ink
        );
    }
}

void write_facts(AVFrame& into, std::int64_t seed) {
    const auto text = fmt::format("{}x{} seed {}", into.width, into.height, seed);
    const int scale = std::clamp(into.height / 400, 1, 4);
    const int top = into.height - into.height / 16 - glyph_height * scale / 2;
    const int width = static_cast<int>(text.size()) * glyph_width * scale;
    if (width + 8 * scale > into.width || into.height / 8 < glyph_height * scale)
        return;
    const int left = (into.width - width) / 2;
    darken(into, {left - 4 * scale, top, width + 8 * scale, glyph_height * scale}, {0, 0, 0}, 0.8);
    write_line(into, text, left, top, scale, {255, 255, 255});
}

// One bright line along every edge: a picture that was cut shows it.
void frame_edges(AVFrame& into) {
    const colour white{255, 255, 255};
    for (int x = 0; x < into.width; ++x) {
        put(into, x, 0, white);
        put(into, x, into.height - 1, white);
    }
    for (int y = 0; y < into.height; ++y) {
        put(into, 0, y, white);
        put(into, into.width - 1, y, white);
    }
}

} // namespace

outcome<model_answer> draw_test_cards(const model_call& call) {
    const auto prompt = call.text("prompt");
    const auto width = call.integer("width").value_or(512);
    const auto height = call.integer("height").value_or(512);
    const auto count = std::max<std::int64_t>(1, call.integer("num_images_per_prompt").value_or(1));
    if (width < smallest_side || height < smallest_side)
        return failure(
            errc::invalid_argument,
            fmt::format("width and height must be at least {}", smallest_side)
        );
    if (width > 8192 || height > 8192 || count > 64 || width * height * count > total_pixel_limit)
        return failure(
            errc::invalid_argument,
            fmt::format(
                "{} pictures of {}x{} are more than {} pixels",
                count,
                width,
                height,
                total_pixel_limit
            )
        );
    // Without a seed, the prompt is one: the same words give the same picture.
    auto seed = call.integer("seed");
    if (!seed) {
        std::uint64_t sum = 0xcbf29ce484222325u;
        for (const unsigned char c : prompt)
            sum = (sum ^ c) * 0x100000001b3u;
        seed = static_cast<std::int64_t>(sum & 0xffffffffu);
    }
    model_answer made;
    for (std::int64_t i = 0; i < count; ++i) {
        const auto own =
            static_cast<std::int64_t>(static_cast<std::uint64_t>(*seed) + std::uint64_t(i));
        const auto from = plan(prompt, own, static_cast<int>(width), static_cast<int>(height));
        auto picture =
            blank_picture(static_cast<int>(width), static_cast<int>(height), AV_PIX_FMT_RGB24);
        if (!picture)
            return failure(errc::no_capacity, "no memory for a picture");
        if (!fill(*picture, from, call.cancelled))
            return failure(errc::cancelled, "nobody waits for it any more");
        write_prompt(*picture, prompt, from);
        write_facts(*picture, own);
        frame_edges(*picture);
        auto file = encode_png(*picture);
        if (!file)
            return file.error();
        made.files.emplace_back(std::move(*file), "png", "image/png", own);
    }
    return made;
}

} // namespace rivulet::worker
