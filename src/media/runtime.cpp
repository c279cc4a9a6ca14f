#include "media/runtime.hpp"

#include "base/log.hpp"

#include <condition_variable>
#include <deque>
#include <mutex>
#include <thread>

extern "C" {
#include <libavutil/log.h>
}

namespace rivulet::media {

namespace {

constexpr duration tear_down_limit = std::chrono::seconds(5);
constexpr duration idle_limit = std::chrono::seconds(10);

// Every element that a pipeline of ours is made of.
constexpr const char* elements[] = {
    "appsrc",
    "appsink",
    "flvdemux",
    "h264parse",
    "aacparse",
    "identity",
    "queue",
    "capsfilter",
    "fakesink"};

// Loaded when they are there: what needs one of them says so when it is missing.
constexpr const char* optional_elements[] = {
    "h265parse",
    "avdec_h264",
    "avdec_h265",
    "vp8dec",
    "vp9dec",
    "rtph264depay",
    "rtph265depay",
    "rtpvp8depay",
    "rtpvp9depay",
    "videoconvertscale",
    "x264enc",
    "openh264enc"};

// Buries pipelines one after the other. A burial that does not end keeps its thread; the next ones
// get a new one.
class undertaker {
  public:
    void take(gst_ptr<GstElement> pipeline) {
        std::unique_lock lock(mutex_);
        waiting_.push_back(std::move(pipeline));
        ++pending_;
        ensure_worker();
        changed_.notify_all();
    }

    std::size_t pending() {
        std::unique_lock lock(mutex_);
        return pending_;
    }

    bool wait(duration limit) {
        auto until = steady_clock::now() + limit;
        std::unique_lock lock(mutex_);
        while (pending_ != 0) {
            auto now = steady_clock::now();
            if (now >= until)
                return false;
            ensure_worker();
            changed_.wait_until(lock, std::min(until, now + std::chrono::milliseconds(200)));
        }
        return true;
    }

  private:
    void ensure_worker() {
        bool stuck = busy_ && steady_clock::now() - busy_since_ > tear_down_limit;
        if (stuck) {
            log_.error(
                "a pipeline did not stop within {} s; going on without it",
                std::chrono::duration_cast<std::chrono::seconds>(tear_down_limit).count()
            );
            ++generation_;
            --pending_;
            working_ = busy_ = false;
        }
        if (working_ || waiting_.empty())
            return;
        working_ = true;
        std::thread([this, mine = ++generation_] { work(mine); }).detach();
    }

    void work(std::uint64_t mine) {
        std::unique_lock lock(mutex_);
        for (;;) {
            if (waiting_.empty() &&
                !changed_.wait_for(lock, idle_limit, [&] { return !waiting_.empty(); })) {
                working_ = false;
                return;
            }
            auto pipeline = std::move(waiting_.front());
            waiting_.pop_front();
            busy_ = true;
            busy_since_ = steady_clock::now();
            lock.unlock();
            gst_element_set_state(pipeline.get(), GST_STATE_NULL);
            pipeline.reset();
            lock.lock();
            if (mine != generation_) // given up on, replaced and already counted
                return;
            busy_ = false;
            --pending_;
            changed_.notify_all();
        }
    }

    logger log_{"media"};
    std::mutex mutex_;
    std::condition_variable changed_;
    std::deque<gst_ptr<GstElement>> waiting_;
    std::size_t pending_ = 0; // waiting and in work
    std::uint64_t generation_ = 0;
    bool working_ = false, busy_ = false;
    time_point busy_since_{};
};

// Never destroyed: its thread may outlive static storage.
undertaker& the_undertaker() {
    static auto* one = new undertaker;
    return *one;
}

std::string load_plugins() {
    av_log_set_level(AV_LOG_FATAL);
    GError* raw = nullptr;
    if (!gst_init_check(nullptr, nullptr, &raw)) {
        auto error = adopt(raw);
        return std::string("GStreamer itself: ") + (error ? error->message : "unknown error");
    }
    std::string missing;
    for (const char* name : elements) {
        auto element = sink(gst_element_factory_make(name, nullptr));
        if (element)
            continue;
        if (!missing.empty())
            missing += ", ";
        missing += name;
    }
    for (const char* name : optional_elements)
        sink(gst_element_factory_make(name, nullptr));
    return missing;
}

} // namespace

std::string init() {
    static const std::string missing = load_plugins();
    return missing;
}

void tear_down(gst_ptr<GstElement> pipeline) {
    if (pipeline)
        the_undertaker().take(std::move(pipeline));
}

std::size_t tear_downs_pending() {
    return the_undertaker().pending();
}

bool wait_for_tear_downs(duration limit) {
    return the_undertaker().wait(limit);
}

} // namespace rivulet::media
