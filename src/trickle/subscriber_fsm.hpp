// What a trickle subscriber does next: which number it wants, when a waiting GET is asked again,
// what a reply means, when to give up.
// Pure: time is a parameter. The shell (subscriber.hpp) carries out the actions in order.
// Thread: one owner.
#pragma once

#include "base/asio.hpp"
#include "base/error.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace rivulet::trickle {

using get_id = std::uint32_t;

struct subscriber_action {
    enum class kind {
        open_get, // GET {url}/{seq}; report with sent(), replied() or failed()
        close_get // abandon it, whatever it is doing
    };

    kind what = kind::open_get;
    get_id get = 0;
    std::int64_t seq = 0;
    bool fresh = false; // on a new connection
};

using subscriber_actions = std::vector<subscriber_action>;

struct get_reply {
    unsigned status = 0;
    bool closed = false; // Lp-Trickle-Closed is there
    std::optional<std::int64_t> seq;
    std::optional<std::int64_t> latest;
    std::string body; // of a reply that is no segment: the beginning, for messages
};

class subscriber_fsm {
  public:
    static constexpr duration usual_refresh = std::chrono::seconds(20);
    // Old and new GET live side by side for this long, so that a reply under way is not lost.
    static constexpr duration overlap = std::chrono::seconds(1);
    // For the rest of a head whose first bytes are there.
    static constexpr duration head_limit = std::chrono::seconds(10);
    static constexpr unsigned max_connect_failures = 6;

    explicit subscriber_fsm(std::int64_t start, duration refresh = usual_refresh)
        : refresh_(refresh), position_(start) {}

    // What read() finds: a segment to take bytes from, a failure to return, or nothing yet.
    struct status {
        enum class kind { reading, failed, waiting } what = kind::waiting;
        get_id get = 0;             // reading
        std::int64_t seq = 0;       // reading
        std::uint64_t skip = 0;     // reading: bytes at the beginning that were delivered before
        std::optional<failure> why; // failed
    };

    // The caller wants data: opens a GET when none is there. The failure, if any, is handed over
    // once.
    status want(time_point now, subscriber_actions& out);

    void sent(get_id get, time_point now);
    subscriber_actions replied(get_id get, const get_reply& reply, time_point now);
    // The connection failed before a reply. `reused`: it had served before and may have been stale.
    subscriber_actions failed(get_id get, failure why, bool reused, time_point now);
    // Body bytes were delivered; the body ended; the body broke off or took too long.
    void delivered(get_id get, std::uint64_t bytes);
    subscriber_actions body_ended(get_id get, time_point now);
    subscriber_actions body_failed(get_id get, failure why, time_point now);
    // A reply has begun to arrive on this GET: a refresh leaves it alone for a while.
    void reply_begun(get_id get, time_point now);

    // Time has come to deadline().
    subscriber_actions tick(time_point now);
    time_point deadline() const;

    subscriber_actions set_seq(std::int64_t seq);

    std::int64_t position() const { return position_; }

    // The newest Lp-Trickle-Latest seen.
    std::optional<std::int64_t> latest() const { return latest_; }

    bool dead() const { return connect_failures_ >= max_connect_failures; }

  private:
    struct request {
        get_id id = 0;
        std::int64_t seq = 0;
        std::optional<time_point> sent_at;
        std::optional<time_point> begun_at;
    };

    struct body {
        get_id id = 0;
        std::int64_t seq = 0;
        std::uint64_t skip = 0;
        std::uint64_t delivered = 0;
    };

    void open(subscriber_actions& out, bool fresh);
    void drop_waiting(subscriber_actions& out);
    request* find(get_id get);
    void promote(subscriber_actions& out);

    duration refresh_;
    std::int64_t position_;
    std::int64_t skip_seq_ = -1;
    std::uint64_t skip_ = 0;       // bytes of skip_seq_ that were delivered before a break
    std::vector<request> waiting_; // oldest first, at most two
    std::optional<body> reading_;
    std::optional<body> ready_; // replied while another body is being read
    std::optional<failure> failure_;
    std::optional<std::int64_t> latest_;
    unsigned connect_failures_ = 0;
    bool fresh_next_ = false;
    get_id last_id_ = 0;
};

} // namespace rivulet::trickle
