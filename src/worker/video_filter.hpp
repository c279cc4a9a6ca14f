// One configured libavfilter graph between a decoder and an encoder: pictures of one size and
// format in, pictures of one size and format (YUV 4:2:0 for video) out, PTS untouched. Thread: any
// one at a time. The graph runs on the caller's thread. Fails with: invalid_argument (libavfilter
// does not take the graph), too_large (a picture, or the cost of the whole graph).
#pragma once

#include "base/error.hpp"
#include "worker/filter_graph_rules.hpp"
#include "worker/video_decoder.hpp"

#include <functional>
#include <memory>
#include <optional>

struct AVFilterContext;
struct AVFilterGraph;

namespace rivulet::worker {

// What one graph may cost.
inline constexpr double graph_work_limit = 64e6;    // pixels a picture, see filter_load
inline constexpr double graph_memory_limit = 256e6; // bytes

struct picture_size {
    int width = 0, height = 0;
    bool operator==(const picture_size&) const = default;

    // Inside `limit`, upright or on its side.
    bool fits_in(picture_size limit) const {
        return (width <= limit.width && height <= limit.height) ||
               (width <= limit.height && height <= limit.width);
    }
};

class video_filter {
  public:
    // For pictures like `example`. With `output`, the result is scaled to it; else the size is what
    // the graph makes; for YUV 4:2:0 rounded down to even numbers.
    static outcome<video_filter> build(
        const filter_graph& graph,
        const AVFrame& example,
        std::optional<picture_size> output,
        picture_size limit,
        AVPixelFormat format = AV_PIX_FMT_YUV420P
    );
    ~video_filter();
    video_filter(video_filter&&) noexcept;
    video_filter& operator=(video_filter&&) noexcept;

    // False when a picture has another size or format than the graph was built for.
    bool fits(const AVFrame& frame) const;

    picture_size output() const { return output_; }

    // Takes the picture and hands on what the graph gives for it.
    error_code push(frame_ptr frame, const video_decoder::frame_sink& sink);
    // What filters with a memory still hold; nothing can be pushed afterwards.
    void drain(const video_decoder::frame_sink& sink);

  private:
    struct free_graph {
        void operator()(AVFilterGraph* graph) const noexcept;
    };

    video_filter() = default;

    error_code pull(const video_decoder::frame_sink& sink);

    std::unique_ptr<AVFilterGraph, free_graph> graph_;
    AVFilterContext* source_ = nullptr; // owned by the graph
    AVFilterContext* sink_ = nullptr;
    int width_ = 0, height_ = 0, format_ = 0;
    picture_size output_;
};

} // namespace rivulet::worker
