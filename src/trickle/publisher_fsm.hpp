// What a trickle publisher does next: numbers, the one preconnected POST, what a reply means.
// Pure: no sockets, no timers. The shell (publisher.hpp) carries out the actions in order.
// Thread: one owner.
#pragma once

#include "base/error.hpp"

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace rivulet::trickle {

using post_id = std::uint32_t;

struct publisher_action {
    enum class kind {
        ask_next,  // GET {url}/next, answer with next_answered()
        open_post, // POST {url}/{seq} with an open body, answer with opened() or failed()
        close_post // give the connection of this POST up
    };

    kind what = kind::open_post;
    post_id post = 0;
    std::int64_t seq = 0;
    bool reset = false; // send Lp-Trickle-Reset
    bool fresh = false; // on a connection of its own, not on a kept one
};

using publisher_actions = std::vector<publisher_action>;

// The parts of a reply that decide what became of a segment.
struct post_reply {
    unsigned status = 0;
    bool closed = false;             // Lp-Trickle-Closed is there
    bool dropped = false;            // Lp-Trickle-Dropped is there: the server threw bytes away
    std::optional<std::int64_t> seq; // Lp-Trickle-Seq
    std::string body;                // the beginning of it, for messages
};

class publisher_fsm {
  public:
    enum class start_at {
        zero, // a channel of our own: first number 0
        next  // a channel that may have been used: ask for the number and reset what is older
    };

    explicit publisher_fsm(start_at where, std::int64_t first = 0);

    // --- numbering
    // ---------------------------------------------------------------------------------
    publisher_actions start();
    // The answer to ask_next; nothing when it failed.
    publisher_actions next_answered(std::optional<std::int64_t> next);
    // Hands out the preconnected POST and opens the one after it. Nothing: not known yet which
    // number comes next (attaching), ask again after the next event.
    std::optional<post_id> take(publisher_actions& out);

    // --- one POST
    // ----------------------------------------------------------------------------------
    void opened(post_id post); // its headers are on the wire
    // The connection failed. `reused`: it had served before, so it may just have been stale.
    publisher_actions failed(post_id post, failure why, bool reused);
    publisher_actions replied(post_id post, post_reply reply);
    // The caller is about to write bytes (or an empty write, n = 0).
    // Nothing: go on (or wait for opened()). A failure: the POST has ended already and nothing may
    // be written.
    std::optional<failure> before_write(post_id post) const;
    void wrote(post_id post, std::uint64_t n);
    // The caller writes again on a POST whose outcome it has seen: the same number, from the start.
    publisher_actions rewrite(post_id post);
    void body_ended(post_id post);
    // The handle is gone; nothing about it needs to be remembered.
    publisher_actions forget(post_id post);

    enum class phase { opening, open, streaming, ended_body, over };

    phase state(post_id post) const;
    std::int64_t seq(post_id post) const;
    std::uint64_t bytes(post_id post) const;
    // Set once the POST is over; code() is clear on success.
    const std::optional<failure>& outcome(post_id post) const;

    // The preconnected POST, if one is open or opening.
    std::optional<post_id> idle() const { return idle_; }

    // POSTs that are not over.
    std::size_t live() const;

    // Ends numbering: no further POST is opened.
    void stop() { stopped_ = true; }

  private:
    struct one_post {
        std::int64_t seq = 0;
        phase at = phase::opening;
        std::uint64_t bytes = 0;
        bool reset = false;
        bool fresh = false;
        std::optional<failure> outcome;
    };

    publisher_action open(std::int64_t seq, bool reset);
    std::int64_t count_on();
    void open_idle(publisher_actions& out);

    start_at where_;
    std::int64_t next_;          // the number after the newest POST
    bool known_ = false;         // next_ may be used
    bool awaiting_echo_ = false; // the first POST went to -1; its reply names the number
    bool stopped_ = false;
    post_id last_id_ = 0;
    std::optional<post_id> idle_;
    std::map<post_id, one_post> posts_;
};

} // namespace rivulet::trickle
