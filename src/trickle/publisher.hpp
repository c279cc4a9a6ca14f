// Publishes one channel over HTTP: a POST per segment, the next one always connected in advance.
// Thread: the executor it is given; every call from there.
// Fails with: not_found (no such channel), end_of_stream (the channel ended), closed (the server
// ended the segment, or the publisher was closed), http_status, transport codes; the text says
// which.
#pragma once

#include "base/asio.hpp"
#include "base/bytes.hpp"
#include "base/log.hpp"
#include "http/client.hpp"

#include <memory>
#include <string>
#include <vector>

namespace rivulet::trickle {

struct publisher_options {
    http::client_options client;
    std::string mime = "video/MP2T";
    bool attach = false;    // the channel may have been used: ask `next`, reset older segments
    std::int64_t first = 0; // first number when not attaching
    duration reply_timeout = std::chrono::seconds(10); // for the answer once a body has ended

    publisher_options() {}
};

class publisher {
  public:
    // One segment, or one attempt after another at it.
    class segment {
      public:
        ~segment();
        segment(const segment&) = delete;
        segment& operator=(const segment&) = delete;

        // Its number; -1 while the server has not named it (attaching without an answer to `next`).
        std::int64_t seq() const;
        // Body bytes given to the network in the current attempt.
        std::uint64_t bytes_sent() const;

        // Sends the blocks as one chunk, as soon as the POST is open. After a failure or finish()
        // was returned, writing again starts over: same number, fresh connection, first byte again.
        awaitable<outcome<void>> write(std::vector<bytes> blocks);
        awaitable<outcome<void>> write(bytes block);
        // The whole of it at once: one chunk and the end of the body in one write.
        awaitable<outcome<void>> write_whole(bytes block);
        // Ends the body (an empty one is fine) and waits for the server's word on the segment.
        awaitable<outcome<void>> finish();
        // Gives the segment up: ends the body, then deletes it on a connection of its own.
        awaitable<outcome<void>> drop();

        struct state;
        explicit segment(std::shared_ptr<state> s);

      private:
        std::shared_ptr<state> state_;
    };

    using segment_ptr = std::shared_ptr<segment>;

    publisher(
        asio::any_io_executor executor, std::string url, publisher_options options, logger log
    );
    // Like abandon().
    ~publisher();
    publisher(const publisher&) = delete;
    publisher& operator=(const publisher&) = delete;

    // Opens the first POST in the background. Fails with invalid_argument for a bad address.
    outcome<void> start();
    // The preconnected segment; the one after it is connected at once. Waits only while the number
    // is unknown.
    awaitable<outcome<segment_ptr>> next_segment();
    // One message, one segment, one chunk. Tried again once when nothing of it had been sent.
    awaitable<outcome<void>> publish_message(bytes message);
    // Deletes the channel on a connection of its own, ends the idle POST, closes everything. Open
    // segments end with errc::closed. Nothing of the publisher runs afterwards.
    awaitable<outcome<void>> close();
    // Closes all connections without a word to the server. No coroutine outlives the next turn.
    void abandon();

    struct impl;

  private:
    std::shared_ptr<impl> impl_;
};

} // namespace rivulet::trickle
