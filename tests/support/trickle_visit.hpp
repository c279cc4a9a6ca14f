// A program at the trickle door, in a test: opens it, writes segments, reads channels to their end.
// Thread: the test's, one call at a time; calls block, with deadlines.
#pragma once

#include "support/raw_http.hpp"

#include <boost/json/object.hpp>
#include <boost/json/parse.hpp>

#include <future>
#include <string>
#include <string_view>
#include <vector>

namespace rivulet::test {

struct trickle_visit {
    std::uint16_t port = 0;
    raw_reply reply; // to the POST that opened the door
    boost::json::object body;

    // "publish_url" → "/ai/trickle/…"
    std::string path(std::string_view url) const {
        const auto found = body.find(url);
        if (found == body.end())
            return "/missing";
        const std::string text(found->value().as_string());
        return text.substr(text.find('/', text.find("://") + 3));
    }

    raw_reply write(std::string_view url, std::int64_t seq, std::string_view data) const {
        return ask(port, request_with_body("POST", path(url) + "/" + std::to_string(seq), data));
    }

    raw_reply get(std::string_view url, const std::string& item) const {
        return ask(port, request_text("GET", path(url) + "/" + item));
    }

    raw_reply remove(std::string_view url) const {
        return ask(port, request_text("DELETE", path(url)));
    }
};

inline trickle_visit open_trickle(
    std::uint16_t port,
    const std::string& stream,
    std::string_view body = {},
    std::string extra = {}
) {
    trickle_visit made;
    made.port = port;
    made.reply =
        ask(port,
            request_with_body("POST", "/live/video-to-video/" + stream + "/trickle", body, extra));
    if (made.reply.status == 201)
        made.body = boost::json::parse(made.reply.body).as_object();
    return made;
}

struct read_channel {
    std::vector<std::string> segments;
    int last_status = 0;
    bool ended = false; // by the channel's end, not by a deadline

    std::string whole() const {
        std::string all;
        for (const auto& each : segments)
            all += each;
        return all;
    }
};

// From segment 0 to the end.
inline read_channel
read_to_end(const trickle_visit& door, std::string_view url, milliseconds patience) {
    read_channel got;
    std::string seq = "0";
    try {
        for (;;) {
            raw_client client(door.port);
            client.deadline(patience);
            client.send(request_text("GET", door.path(url) + "/" + seq));
            auto reply = client.read_reply();
            got.last_status = reply.status;
            if (reply.status == 404 || reply.has("lp-trickle-closed")) {
                got.ended = true;
                return got;
            }
            if (reply.status == 470) {
                seq = reply["lp-trickle-latest"];
                continue;
            }
            if (reply.status != 200)
                return got;
            seq = std::to_string(std::stoll(reply["lp-trickle-seq"]) + 1);
            got.segments.push_back(std::move(reply.body));
        }
    } catch (const raw_http_error&) {
        return got;
    }
}

// The same while the test goes on.
inline std::future<read_channel>
reading(const trickle_visit& door, std::string url, milliseconds patience = milliseconds(20'000)) {
    return std::async(std::launch::async, [door, url = std::move(url), patience] {
        return read_to_end(door, url, patience);
    });
}

} // namespace rivulet::test
