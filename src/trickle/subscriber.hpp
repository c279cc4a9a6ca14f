// Reads one channel over HTTP: bytes as they arrive, the next segment always asked for in advance.
// Thread: the executor it is given; every call from there, one pending read at a time.
// Fails with: end_of_stream (the channel ended), not_found, sequence_not_found (latest() says where
// to go on), connect_failed and other transport codes, http_status, cancelled, closed.
#pragma once

#include "base/asio.hpp"
#include "base/bytes.hpp"
#include "base/log.hpp"
#include "http/client.hpp"

#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace rivulet::trickle {

struct subscriber_options {
    http::client_options client;
    std::int64_t start = -1; // -1 the next segment, -2 the newest begun one, or a number
    duration refresh = std::chrono::seconds(20); // a GET that waits is asked anew
    // From a segment's head to its end; a longer one fails with timed_out and is read again.
    duration segment_timeout = duration::max();

    subscriber_options() {}
};

struct subscriber_item {
    std::int64_t seq = 0;
    bool segment_begins = false;
    bool segment_ends = false; // blocks may be empty
    std::vector<bytes> blocks;
    std::string mime; // when the segment begins
};

struct subscriber_message {
    std::int64_t seq = 0;
    std::string body;
};

class subscriber {
  public:
    subscriber(
        asio::any_io_executor executor, std::string url, subscriber_options options, logger log
    );
    ~subscriber();
    subscriber(const subscriber&) = delete;
    subscriber& operator=(const subscriber&) = delete;

    // Whatever arrived of the current segment, waiting for it. An error can be followed by another
    // read(): after a broken connection the same segment is read again and the bytes that were
    // delivered before are left out.
    awaitable<outcome<subscriber_item>> read();
    // The next segment that is not empty, whole. Fails with too_large beyond `max`; the read after
    // that goes on with the following segment.
    awaitable<outcome<subscriber_message>> read_message(std::size_t max);

    // Goes on at `seq` (also -1, -2), forwards or backwards, on a fresh connection; revives a
    // subscriber that had given up. A pending read() continues there.
    void set_seq(std::int64_t seq);
    std::int64_t position() const;
    // The newest number that the server named as its next one.
    std::optional<std::int64_t> latest() const;

    // A pending read() and all later ones fail with `why`. Connections close.
    void cancel(failure why);
    // Lets so much time pass; cancel() ends it.
    awaitable<void> rest(duration time);
    // cancel() or close() was called: no read will succeed any more.
    bool cancelled() const;
    // cancel(closed), and waits until no coroutine of it is left.
    awaitable<void> close();

    struct impl;

  private:
    std::shared_ptr<impl> impl_;
};

} // namespace rivulet::trickle
