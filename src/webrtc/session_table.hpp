// The WHIP or WHEP sessions of one shard as HTTP resources: what POST, PATCH, DELETE and a
// session's own end do to them. No sockets.
// Thread: its shard.
#pragma once

#include "http/message.hpp"
#include "webrtc/session_routes.hpp"

#include <atomic>
#include <optional>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

namespace rivulet::webrtc {

// What a POST brings back to its client.
struct session_opening {
    std::optional<failure> failed = failure(errc::closed, "the gateway ends");
    std::string answer, etag;
    std::vector<std::pair<std::string, std::string>> headers;
};

class session_table {
  public:
    // `open` counts the sessions that clients know of, over all shards.
    explicit session_table(std::atomic<std::size_t>& open) : open_(open) {}

    // A POST is being decided over; false when the gateway ends.
    bool begin(const session_request& request);
    // The door decided; without a success, or after stop(), nothing is left of it.
    session_opening finish(const std::string& id, outcome<open_session> decided);
    // The door failed without a decision.
    void abandon(const std::string& id);

    // PATCH and DELETE of the session `id` of `stream`; 404 when there is none.
    http::response patch(const std::string& id, std::string_view stream, const http::request&);
    http::response end(const std::string& id, std::string_view stream);

    // The session ended by itself.
    void forget(const std::string& id);
    // Ends all, and those that are being decided over once they are.
    void stop(const std::string& reason);

  private:
    struct session {
        std::string stream, etag, mid;
        open_session opened;
        bool is_open = false; // else the door still thinks
        bool ended = false;   // while the door thought
    };

    session* find(const std::string& id, std::string_view stream);

    std::atomic<std::size_t>& open_;
    std::unordered_map<std::string, session> sessions_;
    bool stopping_ = false;
};

} // namespace rivulet::webrtc
