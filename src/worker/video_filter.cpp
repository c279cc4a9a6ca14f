#include "worker/video_filter.hpp"

#include "worker/libav_complaint.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

extern "C" {
#include <libavfilter/avfilter.h>
#include <libavfilter/buffersink.h>
#include <libavfilter/buffersrc.h>
#include <libavutil/imgutils.h>
#include <libavutil/opt.h>
#include <libavutil/pixdesc.h>
}

namespace rivulet::worker {

namespace {

struct free_filter_graph {
    void operator()(AVFilterGraph* graph) const noexcept { avfilter_graph_free(&graph); }
};

struct free_pads {
    void operator()(AVFilterInOut* pads) const noexcept { avfilter_inout_free(&pads); }
};

using graph_ptr = std::unique_ptr<AVFilterGraph, free_filter_graph>;
using pads_ptr = std::unique_ptr<AVFilterInOut, free_pads>;

constexpr int smallest = 16; // pixels; encoders need about that

std::string reason(int code, const libav_complaint& complaint) {
    if (!complaint.text().empty())
        return complaint.text();
    char text[AV_ERROR_MAX_STRING_SIZE] = {};
    av_strerror(code, text, sizeof text);
    return text;
}

failure refused(std::string detail) {
    return failure(errc::invalid_argument, std::move(detail));
}

struct built_graph {
    graph_ptr graph;
    AVFilterContext* source = nullptr;
    AVFilterContext* sink = nullptr;
};

// What follows the user's filters: name and arguments.
using tail_filters = std::vector<std::pair<const char*, std::string>>;

// Where the output of the user's part comes out.
struct open_end {
    AVFilterContext* filter = nullptr;
    unsigned pad = 0;
};

outcome<open_end>
add_user_filters(built_graph& into, const std::string& text, const libav_complaint& complaint) {
    AVFilterInOut* raw_inputs = nullptr;
    AVFilterInOut* raw_outputs = nullptr;
    const int parsed =
        avfilter_graph_parse2(into.graph.get(), text.c_str(), &raw_inputs, &raw_outputs);
    pads_ptr inputs(raw_inputs), outputs(raw_outputs);
    if (parsed < 0)
        return refused("libavfilter does not understand the graph: " + reason(parsed, complaint));
    if (!inputs || inputs->next || !outputs || outputs->next)
        return refused("a graph has exactly one open input and one open output");
    for (auto* pads : {inputs.get(), outputs.get()}) {
        const auto* list =
            pads == inputs.get() ? pads->filter_ctx->input_pads : pads->filter_ctx->output_pads;
        if (avfilter_pad_get_type(list, pads->pad_idx) != AVMEDIA_TYPE_VIDEO)
            return refused("a graph works on video only");
    }
    const auto first = static_cast<unsigned>(inputs->pad_idx);
    if (int linked = avfilter_link(into.source, 0, inputs->filter_ctx, first); linked < 0)
        return refused("the graph's input can't be linked: " + reason(linked, complaint));
    return open_end{outputs->filter_ctx, static_cast<unsigned>(outputs->pad_idx)};
}

outcome<built_graph>
assemble(const std::string& text, const AVFrame& example, const tail_filters& tail) {
    const libav_complaint complaint;
    built_graph built;
    built.graph.reset(avfilter_graph_alloc());
    if (!built.graph)
        return failure(errc::media_error, "no memory for a graph");
    built.graph->nb_threads = 1;
    built.graph->thread_type = 0;
    av_opt_set(built.graph.get(), "scale_sws_opts", "flags=bilinear", 0);

    const auto aspect = example.sample_aspect_ratio.num > 0 && example.sample_aspect_ratio.den > 0
                            ? example.sample_aspect_ratio
                            : AVRational{1, 1};
    const auto arguments = fmt::format(
        "video_size={}x{}:pix_fmt={}:time_base=1/{}:pixel_aspect={}/{}",
        example.width,
        example.height,
        example.format,
        media::clock_rate,
        aspect.num,
        aspect.den
    );
    auto add = [&](AVFilterContext** made, const char* kind, const char* name, const char* with) {
        return avfilter_graph_create_filter(
            made, avfilter_get_by_name(kind), name, with, nullptr, built.graph.get()
        );
    };
    if (add(&built.source, "buffer", "rivulet_in", arguments.c_str()) < 0 ||
        add(&built.sink, "buffersink", "rivulet_out", nullptr) < 0)
        return failure(errc::media_error, "the ends of the graph can't be made");

    open_end end{built.source, 0};
    if (!text.empty()) {
        auto user = add_user_filters(built, text, complaint);
        if (!user)
            return user.error();
        end = *user;
    }
    for (const auto& [kind, with] : tail) {
        AVFilterContext* next = nullptr;
        if (add(&next, kind, nullptr, with.c_str()) < 0 ||
            avfilter_link(end.filter, end.pad, next, 0) < 0)
            return refused(fmt::format("the graph's output can't be converted ({})", kind));
        end = {next, 0};
    }
    if (int linked = avfilter_link(end.filter, end.pad, built.sink, 0); linked < 0)
        return refused("the graph's output can't be linked: " + reason(linked, complaint));
    if (int ready = avfilter_graph_config(built.graph.get(), nullptr); ready < 0)
        return refused("the graph does not fit the video: " + reason(ready, complaint));
    return built;
}

double area(const AVFilterLink* link) {
    return link ? static_cast<double>(link->w) * link->h : 0;
}

// Bytes of one picture; four a pixel while the real formats are not known yet.
double picture_bytes(const AVFilterLink& link, bool formats_known) {
    const int bytes =
        formats_known
            ? av_image_get_buffer_size(static_cast<AVPixelFormat>(link.format), link.w, link.h, 1)
            : -1;
    return bytes > 0 ? bytes : 4 * area(&link);
}

// These hand on the picture that they got.
bool copies_nothing(std::string_view filter) {
    return filter == "buffer" || filter == "buffersink" || filter == "format" || filter == "null" ||
           filter == "copy" || filter == "split" || filter == "setdar" || filter == "setsar";
}

failure too_large(std::string detail) {
    return failure(errc::too_large, std::move(detail));
}

// Every picture that a configured graph would hand from filter to filter, and what all of it costs.
// libavfilter keeps the filters in the order of the text, behind the two ends of assemble(); those
// that it adds itself come last.
outcome<void> check_sizes(
    const AVFilterGraph& graph, const filter_graph& user, picture_size limit, bool formats_known
) {
    constexpr std::size_t ends = 2;
    double work = 0, memory = 0;
    for (unsigned i = 0; i < graph.nb_filters; ++i) {
        const auto& filter = *graph.filters[i];
        const auto* step =
            i >= ends && i - ends < user.steps.size() ? &user.steps[i - ends] : nullptr;
        const auto load = step ? step->load : filter_load{};
        const bool counts =
            !copies_nothing(step ? std::string_view(step->name) : filter.filter->name);
        double in = 0, out = 0;
        for (unsigned pad = 0; pad < filter.nb_inputs; ++pad)
            in += area(filter.inputs[pad]);
        for (unsigned pad = 0; pad < filter.nb_outputs; ++pad) {
            const auto* link = filter.outputs[pad];
            if (!link)
                continue;
            if (!picture_size{link->w, link->h}.fits_in(limit))
                return too_large(fmt::format(
                    "the graph makes pictures of {}x{}, more than {}x{}",
                    link->w,
                    link->h,
                    limit.width,
                    limit.height
                ));
            out += area(link);
            if (counts)
                memory += picture_bytes(*link, formats_known);
        }
        if (!counts)
            continue;
        work += load.work * std::max(in, out) + load.fixed_work;
        memory += load.held * std::max(in, out) + load.fixed_memory;
    }
    if (work > graph_work_limit)
        return too_large(fmt::format(
            "the graph is too much work for pictures of this size ({:.0f} of {:.0f} million "
            "pixels)",
            work / 1e6,
            graph_work_limit / 1e6
        ));
    if (memory > graph_memory_limit)
        return too_large(fmt::format(
            "the graph needs too much memory for pictures of this size ({:.0f} of {:.0f} MB)",
            memory / 1e6,
            graph_memory_limit / 1e6
        ));
    return {};
}

picture_size even(int width, int height) {
    return {std::max(width & ~1, smallest), std::max(height & ~1, smallest)};
}

} // namespace

void video_filter::free_graph::operator()(AVFilterGraph* graph) const noexcept {
    avfilter_graph_free(&graph);
}

video_filter::~video_filter() = default;
video_filter::video_filter(video_filter&&) noexcept = default;
video_filter& video_filter::operator=(video_filter&&) noexcept = default;

outcome<video_filter> video_filter::build(
    const filter_graph& graph,
    const AVFrame& example,
    std::optional<picture_size> output,
    picture_size limit,
    AVPixelFormat format
) {
    const auto fitting = [&](int width, int height) {
        return format == AV_PIX_FMT_YUV420P ? even(width, height) : picture_size{width, height};
    };
    picture_size natural = fitting(example.width, example.height);
    if (!graph.steps.empty()) {
        auto probe = assemble(graph.size_probe(), example, {});
        if (!probe)
            return probe.error();
        auto checked = check_sizes(*probe->graph, graph, limit, false);
        if (!checked)
            return checked.error();
        natural = fitting(av_buffersink_get_w(probe->sink), av_buffersink_get_h(probe->sink));
    }
    const auto size = output.value_or(natural);
    const tail_filters tail{
        {"scale", fmt::format("{}:{}:flags=bilinear", size.width, size.height)},
        {"format", av_get_pix_fmt_name(format)},
    };
    auto built = assemble(graph.text, example, tail);
    if (!built)
        return built.error();
    auto checked = check_sizes(*built->graph, graph, limit, true);
    if (!checked)
        return checked.error();

    video_filter made;
    made.graph_.reset(built->graph.release());
    made.source_ = built->source;
    made.sink_ = built->sink;
    made.width_ = example.width;
    made.height_ = example.height;
    made.format_ = example.format;
    made.output_ = size;
    return made;
}

bool video_filter::fits(const AVFrame& frame) const {
    return frame.width == width_ && frame.height == height_ && frame.format == format_;
}

error_code video_filter::push(frame_ptr frame, const video_decoder::frame_sink& sink) {
    if (av_buffersrc_add_frame(source_, frame.get()) < 0)
        return make_error_code(errc::media_error);
    return pull(sink);
}

error_code video_filter::pull(const video_decoder::frame_sink& sink) {
    for (;;) {
        frame_ptr frame(av_frame_alloc());
        if (!frame)
            return make_error_code(errc::media_error);
        const int got = av_buffersink_get_frame(sink_, frame.get());
        if (got == AVERROR(EAGAIN) || got == AVERROR_EOF)
            return {};
        if (got < 0)
            return make_error_code(errc::media_error);
        const auto base = av_buffersink_get_time_base(sink_);
        frame->pts = av_rescale_q(frame->pts, base, {1, static_cast<int>(media::clock_rate)});
        sink(std::move(frame));
    }
}

void video_filter::drain(const video_decoder::frame_sink& sink) {
    if (av_buffersrc_add_frame(source_, nullptr) >= 0)
        pull(sink);
}

} // namespace rivulet::worker
