#include "worker/filter_graph_rules.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <optional>
#include <utility>

namespace rivulet::worker {

namespace {

// How a filter takes part in the size probe.
enum class probe { plain, sizes, two_inputs };

struct filter_rule {
    std::string_view name;
    probe kind = probe::plain;
    int count_limit = 0; // > 0: positional values and "count" options are counts up to this
    std::string_view count_option; // the option that names the count
    std::string_view options;      // non-empty: only these names, separated by spaces
    std::size_t by_position = 0;   // with `options`: so many leading values may come without a name
};

// Sorted by name. Left out on purpose: everything that opens files (movie, lut3d, subtitles, ass,
// removelogo, metadata, psnr, vidstab*, nnedi, sr, dnn_*), sockets (zmq), plug-ins (frei0r),
// devices (hw*), commands (sendcmd), sources, filters that change the number or the times of
// frames, and those whose memory a small option can blow up (elbg, random, v360, tmedian, nlmeans).
constexpr auto rules = std::to_array<filter_rule>({
    {"alphaextract"},
    {"alphamerge", probe::two_inputs},
    {"avgblur"},
    {"bilateral"},
    {"blend", probe::two_inputs},
    {"boxblur"},
    {"cas"},
    {"chromahold"},
    {"chromakey"},
    {"chromanr"},
    {"chromashift"},
    {"colorbalance"},
    {"colorchannelmixer"},
    {"colorcontrast"},
    {"colorcorrect"},
    {"colorhold"},
    {"colorize"},
    {"colorkey"},
    {"colorlevels"},
    {"colormatrix"},
    {"colorspace"},
    {"colortemperature"},
    {"convolution"},
    {"copy"},
    {"crop", probe::sizes},
    {"curves", probe::plain, 0, {}, "preset master m red r green g blue b all interp enable"},
    {"dblur"},
    {"deband"},
    {"deblock"},
    {"dedot"},
    {"deflate"},
    {"delogo"},
    {"despill"},
    {"dilation"},
    {"drawbox"},
    {"drawgrid"},
    {"drawtext",
     probe::plain,
     0,
     {},
     "text fontsize fontcolor x y box boxcolor boxborderw line_spacing borderw bordercolor "
     "shadowcolor shadowx shadowy alpha fix_bounds start_number expansion basetime timecode "
     "timecode_rate tc24hmax r rate tabsize text_shaping enable"},
    {"edgedetect"},
    {"eq"},
    {"erosion"},
    {"exposure"},
    {"fade"},
    {"fillborders"},
    {"format"},
    {"gblur"},
    {"geq"},
    {"gradfun"},
    {"grayworld"},
    {"greyedge"},
    {"hflip"},
    {"histeq"},
    {"hqdn3d"},
    {"hstack", probe::sizes, 4, "inputs", "inputs shortest"},
    {"hsvhold"},
    {"hsvkey"},
    {"hue"},
    {"huesaturation"},
    {"il"},
    {"inflate"},
    {"kirsch"},
    {"lagfun"},
    {"lenscorrection"},
    {"limiter"},
    {"lumakey"},
    {"lut"},
    {"lutrgb"},
    {"lutyuv"},
    {"median"},
    {"monochrome"},
    {"negate"},
    {"noise"},
    {"null"},
    {"overlay", probe::two_inputs},
    {"pad", probe::sizes, 0, {}, "width w height h x y color aspect", 5},
    {"perspective"},
    {"pixelize"},
    {"prewitt"},
    {"pseudocolor"},
    {"rgbashift"},
    {"roberts"},
    {"rotate", probe::sizes},
    {"sab"},
    {"scale",
     probe::sizes,
     0,
     {},
     "w width h height flags interl in_color_matrix out_color_matrix in_range out_range s size "
     "force_original_aspect_ratio force_divisible_by",
     3},
    {"scharr"},
    {"scroll"},
    {"selectivecolor",
     probe::plain,
     0,
     {},
     "correction_method reds yellows greens cyans blues magentas whites neutrals blacks enable"},
    {"setdar"},
    {"setsar"},
    {"shear"},
    {"shufflepixels"},
    {"shuffleplanes"},
    {"smartblur"},
    {"sobel"},
    {"split", probe::sizes, 8, "outputs", "outputs"},
    {"swaprect"},
    {"swapuv"},
    {"tblend"},
    {"tmix", probe::plain, 16, "frames", "frames weights scale planes enable"},
    {"transpose", probe::sizes},
    {"unsharp"},
    {"varblur", probe::two_inputs},
    {"vflip"},
    {"vibrance"},
    {"vignette"},
    {"vstack", probe::sizes, 4, "inputs", "inputs shortest"},
});

static_assert(std::is_sorted(rules.begin(), rules.end(), [](const auto& a, const auto& b) {
    return a.name < b.name;
}));

const filter_rule* find_rule(std::string_view name) {
    auto at = std::lower_bound(
        rules.begin(),
        rules.end(),
        name,
        [](const filter_rule& rule, std::string_view wanted) { return rule.name < wanted; }
    );
    return at != rules.end() && at->name == name ? &*at : nullptr;
}

// The characters that libavfilter calls white space.
bool is_space(char c) {
    return c == ' ' || c == '\n' || c == '\t' || c == '\r';
}

bool is_name_character(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
}

failure refuse(std::string detail) {
    return failure(errc::invalid_argument, std::move(detail));
}

// A cursor with libavutil's rules of quoting (av_get_token), so that both see the same tokens.
class token_reader {
  public:
    explicit token_reader(std::string_view text) : text_(text) {}

    bool done() const { return at_ >= text_.size(); }

    char peek() const { return done() ? '\0' : text_[at_]; }

    char next() { return done() ? '\0' : text_[at_++]; }

    std::size_t position() const { return at_; }

    std::string_view since(std::size_t from) const { return text_.substr(from, at_ - from); }

    void skip_space() {
        while (!done() && is_space(text_[at_]))
            ++at_;
    }

    // Up to one of `stops`, quotes and backslashes undone. Nothing when a quote stays open.
    std::optional<std::string> token(std::string_view stops) {
        std::string out;
        skip_space();
        while (!done() && stops.find(text_[at_]) == std::string_view::npos) {
            const char c = text_[at_++];
            if (c == '\\' && !done()) {
                out.push_back(text_[at_++]);
            } else if (c == '\'') {
                while (!done() && text_[at_] != '\'')
                    out.push_back(text_[at_++]);
                if (done())
                    return std::nullopt;
                ++at_;
            } else {
                out.push_back(c);
            }
        }
        return out;
    }

  private:
    std::string_view text_;
    std::size_t at_ = 0;
};

// "iw/2:ih:exact=1" → values and names, as av_opt_get_key_value() splits them.
std::optional<std::vector<option_use>> split_options(std::string_view arguments) {
    std::vector<option_use> found;
    token_reader in(arguments);
    while (!in.done()) {
        option_use one;
        token_reader ahead = in;
        ahead.skip_space();
        const auto name_begins = ahead.position();
        while (is_name_character(ahead.peek()))
            ahead.next();
        const auto name = ahead.since(name_begins);
        ahead.skip_space();
        if (!name.empty() && ahead.peek() == '=') {
            ahead.next();
            one.name = std::string(name);
            in = ahead;
        }
        auto value = in.token(":");
        if (!value)
            return std::nullopt;
        one.value = std::move(*value);
        found.push_back(std::move(one));
        if (in.peek() == ':')
            in.next();
    }
    return found;
}

bool listed(std::string_view words, std::string_view wanted) {
    while (!words.empty()) {
        const auto end = std::min(words.find(' '), words.size());
        if (words.substr(0, end) == wanted)
            return true;
        words.remove_prefix(std::min(end + 1, words.size()));
    }
    return false;
}

// Whatever the quoting hides: the text without quotes, backslashes and spaces must not hold these.
// The functions can loop without end or nest loops; the others name files. libavutil knows a
// function by its name and any character after it that can't be part of a name, and looks for the
// '(' further on: "while.(1,1)" is a loop. So the bare word is refused, whatever follows. In a
// text, "%{eif:1:d:999999999}" and strftime()'s "%999999999Y" fill the memory with digits.
std::optional<std::string> forbidden_word(std::string_view text) {
    std::string bare;
    std::vector<bool> cut; // a quote or a backslash was left out in front, and may be still there
    bool left_out = false; // for the evaluator, which takes it for the end of a name
    for (const char c : text) {
        left_out |= c == '\\' || c == '\'';
        if (c == '\\' || c == '\'' || is_space(c))
            continue;
        bare.push_back(c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c);
        cut.push_back(std::exchange(left_out, false));
    }
    for (const std::string_view word :
         {"file=",
          "filename=",
          "plot=",
          "fontsdir=",
          "model=",
          "{eif",
          "{expr_int_format",
          "{localtime:",
          "{gmtime:",
          "pts:localtime:",
          "pts:gmtime:"})
        if (bare.find(word) != std::string::npos)
            return std::string(word);
    for (const std::string_view word : {"while", "root", "taylor", "print"})
        for (auto at = bare.find(word); at != std::string::npos; at = bare.find(word, at + 1)) {
            const auto end = at + word.size();
            const bool begins = at == 0 || cut[at] || !is_name_character(bare[at - 1]);
            const bool ends = end == bare.size() || cut[end] || !is_name_character(bare[end]);
            if (begins && ends)
                return std::string(word);
        }
    return std::nullopt;
}

outcome<void> check_options(const filter_rule& rule, const std::vector<option_use>& options) {
    if (rule.count_limit == 0 && rule.options.empty())
        return {};
    std::size_t nameless = 0;
    for (const auto& option : options) {
        const bool is_count =
            rule.count_limit > 0 && (option.name.empty() || option.name == rule.count_option);
        if (is_count) {
            int count = 0;
            const auto* end = option.value.data() + option.value.size();
            auto [stopped, error] = std::from_chars(option.value.data(), end, count);
            if (error != std::errc{} || stopped != end || count < 1 || count > rule.count_limit)
                return refuse(fmt::format(
                    "\"{}\" takes a number from 1 to {} here", rule.name, rule.count_limit
                ));
        } else if (option.name.empty() && nameless++ < rule.by_position) {
            continue;
        } else if (option.name.empty()) {
            return refuse(fmt::format("write the options of \"{}\" by name", rule.name));
        } else if (!listed(rule.options, option.name)) {
            return refuse(
                fmt::format("option \"{}\" of filter \"{}\" is not allowed", option.name, rule.name)
            );
        } else if (option.name == "expansion" && !listed("none normal", option.value)) {
            return refuse("\"expansion\" takes \"none\" or \"normal\"");
        }
    }
    return {};
}

// "[a][b]" in front of or behind a filter.
outcome<std::vector<std::string>> read_labels(token_reader& in) {
    std::vector<std::string> labels;
    in.skip_space();
    while (in.peek() == '[') {
        in.next();
        const auto begins = in.position();
        while (is_name_character(in.peek()))
            in.next();
        std::string label(in.since(begins));
        if (label.empty() || label.size() > 32 || in.next() != ']')
            return refuse("a link label is 1 to 32 letters, digits or '_' in brackets, like [top]");
        labels.push_back(std::move(label));
        if (labels.size() > 8)
            return failure(errc::too_many, "more than 8 link labels on one filter");
        in.skip_space();
    }
    return labels;
}

outcome<filter_step> read_step(token_reader& in) {
    filter_step step;
    auto inputs = read_labels(in);
    if (!inputs)
        return inputs.error();
    step.inputs = std::move(*inputs);

    const auto begins = in.position();
    while (is_name_character(in.peek()))
        in.next();
    step.name = std::string(in.since(begins));
    if (step.name.empty())
        return refuse("a filter's name is missing");
    const auto* rule = find_rule(step.name);
    if (!rule)
        return refuse(fmt::format(
            "filter \"{}\" is not allowed or unknown", std::string_view(step.name).substr(0, 40)
        ));
    in.skip_space();
    std::string arguments;
    if (in.peek() == '=') {
        in.next();
        auto token = in.token("[],;");
        if (!token)
            return refuse(fmt::format("the quotes after \"{}\" do not match", step.name));
        arguments = std::move(*token);
    }
    step.written = std::string(in.since(begins));
    const auto options = split_options(arguments);
    if (!options)
        return refuse(fmt::format("the quotes in the options of \"{}\" do not match", rule->name));
    auto checked = check_options(*rule, *options);
    if (!checked)
        return checked.error();
    auto load = load_of_filter(rule->name, *options, step.written.size());
    if (!load)
        return load.error();
    step.load = *load;

    auto outputs = read_labels(in);
    if (!outputs)
        return outputs.error();
    step.outputs = std::move(*outputs);
    return step;
}

} // namespace

outcome<filter_graph> parse_filter_graph(std::string_view text) {
    filter_graph graph;
    if (text.size() > graph_text_limit)
        return failure(
            errc::too_large, fmt::format("a graph has at most {} characters", graph_text_limit)
        );
    for (const char c : text)
        if ((static_cast<unsigned char>(c) < 0x20 && !is_space(c)) || c == 0x7f)
            return refuse("control characters are not allowed in a graph");
    if (auto word = forbidden_word(text))
        return refuse(fmt::format("\"{}\" is not allowed in a graph", *word));

    token_reader in(text);
    in.skip_space();
    if (in.done())
        return graph;
    for (;;) {
        auto step = read_step(in);
        if (!step)
            return step.error();
        in.skip_space();
        const char separator = in.next();
        step->continues = separator == ',';
        graph.steps.push_back(std::move(*step));
        if (graph.steps.size() > graph_filter_limit)
            return failure(
                errc::too_many, fmt::format("a graph has at most {} filters", graph_filter_limit)
            );
        if (separator == '\0')
            break;
        if (separator != ',' && separator != ';')
            return refuse(
                fmt::format("',' or ';' expected after filter \"{}\"", graph.steps.back().name)
            );
    }
    graph.text = std::string(text);
    return graph;
}

std::string filter_graph::size_probe() const {
    std::string out;
    for (const auto& step : steps) {
        for (const auto& label : step.inputs)
            out += fmt::format("[{}]", label);
        const auto* rule = find_rule(step.name);
        switch (rule ? rule->kind : probe::plain) {
        case probe::sizes:
            out += step.written;
            break;
        case probe::two_inputs:
            out += "overlay";
            break; // the size of the first input
        case probe::plain:
            out += "null";
            break;
        }
        for (const auto& label : step.outputs)
            out += fmt::format("[{}]", label);
        if (&step != &steps.back())
            out += step.continues ? ',' : ';';
    }
    return out;
}

} // namespace rivulet::worker
