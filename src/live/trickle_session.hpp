// One stream published through the trickle door: MPEG-TS of its input channel goes to the live
// side, the processed stream is relayed to its output channel, parameters come by the control
// channel, and what happens is told on the events channel. Thread: the home shard of the stream.
// Held by shared_ptr. Owns: the four channels, the publisher's media half.
#pragma once

#include "base/log.hpp"
#include "base/notifier.hpp"
#include "base/task_group.hpp"
#include "ingest/source.hpp"
#include "ingest/ts_publisher.hpp"
#include "live/door_channels.hpp"
#include "live/event_hub.hpp"
#include "trickle/channel_reader.hpp"
#include "trickle/channel_table.hpp"
#include "trickle/channel_writer.hpp"

#include <boost/json/object.hpp>

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>

namespace rivulet::live {

class stream;

struct trickle_session_options {
    duration idle_limit = std::chrono::seconds(30); // without a byte of input
    duration tick = std::chrono::milliseconds(100);
    // The channels keep five segments: events don't come faster than readers fetch them.
    duration event_pause = std::chrono::milliseconds(25);
    duration last_words = std::chrono::seconds(2);       // for readers that are not at the end yet
    duration cut_short = std::chrono::milliseconds(300); // the same when the stream was cut
    ingest::ts_publisher_options publisher;

    trickle_session_options() { publisher.no_media_limit = std::chrono::seconds(30); }
};

// What sessions of one door share; outlives them.
struct trickle_session_services {
    trickle::channel_table& table;
    door_channels& channels;
    std::shared_ptr<event_hub> events;
};

class trickle_session : public std::enable_shared_from_this<trickle_session> {
  public:
    trickle_session(
        asio::any_io_executor executor,
        const trickle_session_services& services,
        std::string stream,
        std::string id,
        const trickle_session_options& options,
        logger log
    );
    ~trickle_session();

    // For the live side; may be called before begin().
    ingest::kick kick();
    // The live side took the publisher: creates the channels, and `tasks` run it to its end. Fails
    // with no_capacity when it was kicked meanwhile or there is no room for the channels, closed
    // when the gateway stops; then the sink was told.
    outcome<void> begin(std::shared_ptr<ingest::unit_sink> sink, task_group& tasks);
    // Ends it from here: the rest of the output is still sent.
    void end(std::string reason);

    // Of one that has begun.
    const door_channel_set& channels() const { return channels_; }

    boost::json::object report() const;

  private:
    using self_ptr = std::shared_ptr<trickle_session>;

    static awaitable<void> read_input(self_ptr self);
    static awaitable<void> watch_input(self_ptr self);
    static awaitable<void> read_control(self_ptr self);
    static awaitable<void> relay_output(self_ptr self, trickle::channel_ptr source);
    static awaitable<void> tell_events(self_ptr self);
    static awaitable<void> until_read(self_ptr self, trickle::channel_ptr channel);

    void change(std::string message);
    void refuse_update(std::string why);
    void tell_refused(time_point now);
    void close_long_updates();
    void take(const trickle::channel_chunk& chunk);
    void kicked(std::string reason);
    bool is_ours(const std::string& event);
    void close(trickle::channel_ptr& channel);

    const asio::any_io_executor executor_;
    const trickle_session_services& services_;
    const std::string stream_, id_;
    const trickle_session_options& options_;
    const logger log_;
    const std::uint64_t event_before_; // the newest one when this began

    door_channel_set channels_;
    std::string request_id_;
    std::weak_ptr<stream> live_; // this publisher's own, also when another one has the name
    std::shared_ptr<ingest::ts_publisher> publisher_;
    std::unique_ptr<event_hub::watch> events_;
    notifier event_came_;
    std::optional<std::string> kick_reason_;
    std::optional<std::uint64_t> last_event_; // of this session; others follow under its name
    bool over_ = false;
    bool own_events_ = false; // its first event was seen
    time_point last_data_{};

    std::string refused_why_;                // the newest refusal that was not told yet
    std::uint64_t untold_refusals_ = 0;      // with that one
    std::optional<time_point> told_refused_; // when the last one was told

    std::uint64_t bytes_ = 0, segments_ = 0, updates_ = 0, refused_updates_ = 0;
    std::uint64_t output_bytes_ = 0, output_segments_ = 0, told_ = 0;
};

} // namespace rivulet::live
