// The newest events of all streams, numbered in one sequence, as the JSON that is sent. Bounded in
// number and in bytes; who comes back with the last number seen gets what has happened since, or is
// told that some of it is gone. Pure.
#pragma once

#include <boost/json/object.hpp>

#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <string>
#include <string_view>

namespace rivulet::live {

struct event_log_limits {
    std::size_t events = 1'000;
    std::size_t bytes = 8 * 1024 * 1024; // of all texts
    std::size_t data_bytes = 64 * 1024;  // of one event; larger ones lose their data
};

class event_log {
  public:
    // `last` is the number before the first event's.
    explicit event_log(std::uint64_t last, event_log_limits limits = {});

    // Adds {"seq":…,"time":…,"stream":…,"type":…,"data":…}; its number.
    std::uint64_t
    add(std::string_view stream,
        std::string_view type,
        const boost::json::object& data,
        std::int64_t time_ms);

    using text = std::shared_ptr<const std::string>;

    // The first event after `cursor` of this stream (empty: of any), and moves the cursor to it.
    // When events after the cursor are gone, that is said first, by an event of type "gap". Nothing
    // when there is none; the cursor then is at the end.
    text next(std::uint64_t& cursor, std::string_view stream, std::int64_t now_ms) const;

    std::uint64_t last() const { return last_; }

    // The number of the oldest event kept; last() + 1 when there is none.
    std::uint64_t oldest() const { return last_ + 1 - entries_.size(); }

    std::size_t bytes() const { return bytes_; }

  private:
    struct entry {
        std::string stream;
        text json;
    };

    event_log_limits limits_;
    std::uint64_t last_;
    std::deque<entry> entries_;
    std::size_t bytes_ = 0;
};

// One event's text; also for those that are not kept.
std::string event_text(
    std::uint64_t seq,
    std::int64_t time_ms,
    std::string_view stream,
    std::string_view type,
    std::string_view data_json
);

} // namespace rivulet::live
