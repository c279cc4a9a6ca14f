// One opened stream as long as it lasts: sends the input as it is taken from the queue, reads the
// output and the events, sends parameters. Any break ends all of it, and the owner hears why.
// Thread: the executor it is given; every call from there.
// Owns: its connections and coroutines. Made by make_shared; abandon() or close() before the last
// reference goes.
#pragma once

#include "base/log.hpp"
#include "base/notifier.hpp"
#include "base/task_group.hpp"
#include "door_wire.hpp"
#include "drain_rule.hpp"
#include "http/client.hpp"
#include "input_queue.hpp"
#include "media/segmenter.hpp"
#include "media/ts_demuxer.hpp"
#include "media/ts_muxer.hpp"
#include "output_clock.hpp"
#include "trickle/publisher.hpp"
#include "trickle/subscriber.hpp"

#include <functional>
#include <memory>
#include <optional>
#include <string>

namespace rivulet::element {

// Hears nothing after abandon() or close().
class link_listener {
  public:
    virtual std::vector<input_item> take_input() = 0;
    virtual void link_wants_keyframe() = 0;
    virtual void link_format(const media::stream_format& format) = 0;
    virtual void link_unit(media::access_unit unit) = 0;
    virtual void link_event(const std::string& type, const boost::json::object& data) = 0;
    // At most one of the two, once. The link has abandoned everything.
    // `replaced`: another publisher took the stream's name.
    virtual void link_lost(const std::string& reason, bool replaced) = 0;
    virtual void link_drained() = 0;

  protected:
    ~link_listener() = default;
};

class session_link : public std::enable_shared_from_this<session_link> {
  public:
    session_link(
        asio::any_io_executor executor,
        open_door door,
        http::client_options client,
        http::header_list access, // for parameters that go by POST
        link_listener& listener,
        logger log
    );

    void start();

    // Something is in the queue.
    void input_ready() { input_.notify_all(); }

    // Replaces parameters that were not sent yet.
    void send_params(std::string params);
    // What is queued is the last of the input.
    void finish();

    // Ends everything without a word to the gateway.
    void abandon();
    // Tells the gateway that the stream is over, then the same.
    awaitable<void> close();
    // Waits until nothing of it runs any more.
    awaitable<void> gone(duration limit);

  private:
    using self_ptr = std::shared_ptr<session_link>;

    awaitable<void> send_input([[maybe_unused]] self_ptr self);
    awaitable<bool> send(media::access_unit unit);
    awaitable<bool> flush();
    awaitable<bool> begin_segment();
    void end_segment();
    awaitable<void>
    finish_segment([[maybe_unused]] self_ptr self, trickle::publisher::segment_ptr segment);
    awaitable<void> leave_when_complete();
    awaitable<void> read_output([[maybe_unused]] self_ptr self);
    void output_arrived(trickle::subscriber_item item);
    void output_unit(media::access_unit unit);
    awaitable<void> read_events([[maybe_unused]] self_ptr self);
    void event_arrived(const std::string& text);
    awaitable<void> send_control([[maybe_unused]] self_ptr self);
    awaitable<void> post_params(std::string params);
    void params_not_taken(const std::string& why);
    awaitable<void> lose([[maybe_unused]] self_ptr self, std::string reason, bool by_gateway);
    void lost(const failure& why);
    void ended_well();

    asio::any_io_executor executor_;
    const open_door door_;
    const http::client_options client_;
    const http::header_list access_;
    link_listener& listener_;
    const logger log_;
    task_group tasks_;

    notifier input_;   // the queue, finish()
    notifier changed_; // of the draining
    trickle::publisher publisher_;
    trickle::publisher::segment_ptr segment_;
    std::vector<bytes> pending_; // of the segment, not written yet
    media::ts_muxer muxer_;
    media::segmenter segmenter_;
    output_clock clock_;
    std::optional<std::int64_t> last_video_;
    std::size_t ending_ = 0; // segments that wait for the gateway's word
    drain_rule drain_;

    trickle::subscriber output_;
    media::ts_demuxer demuxer_;
    media::stream_format told_;

    std::optional<trickle::subscriber> events_;
    std::optional<trickle::publisher> control_;
    notifier control_wake_;
    std::optional<std::string> params_;
    std::string end_reason_; // as the events tell
    bool replaced_ = false;  // by another publisher, as the events tell

    bool finishing_ = false, left_ = false;
    bool losing_ = false, over_ = false;
};

} // namespace rivulet::element
