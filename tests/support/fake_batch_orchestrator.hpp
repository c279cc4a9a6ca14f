// An orchestrator's side of every batch pipeline over real sockets, answering what a test wrote:
// any status and text, late, cut off, never, or as an event stream. It keeps what it was asked.
// Known to a gateway by known_orchestrators or scripted_network under its url().
// Thread: the test's; the service has one of its own. Waits throw after some seconds.
#pragma once

#include "base/shards.hpp"
#include "http/server.hpp"

#include <boost/json/object.hpp>

#include <chrono>
#include <condition_variable>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace rivulet::test {

struct batch_part {
    std::string name, filename, content_type, value;
    bool is_file = false;
};

struct batch_question {
    std::string pipeline;                       // "text-to-image"
    std::map<std::string, std::string> headers; // lower-case names
    std::string body;                           // as it came
    boost::json::object json;                   // of a JSON body
    std::vector<batch_part> parts;              // of a form, in its order
    std::size_t number = 0;                     // among all requests to this one, from 0

    // A form's value or a JSON field as text ("512"); empty when it is not there.
    std::string value(std::string_view name) const;
    // Null when there is none.
    const batch_part* part(std::string_view name) const;
};

struct batch_reply {
    unsigned status = 200;
    std::string content_type = "application/json";
    std::string body;
    std::chrono::milliseconds delay{0}; // before the head
    bool hang = false;                  // nothing is answered until the gateway leaves
    bool cut = false;                   // hangs up instead of an answer, after the delay
    // Ends the connection after so many bytes of the body, of which all were promised.
    std::optional<std::size_t> cut_after;
    // An event stream instead of the body: each one is sent as it stands, in a chunk of its own.
    std::vector<std::string> events;
    std::chrono::milliseconds between{0}; // before each further event
    bool hang_after_events = false;       // the stream stays open
    bool cut_after_events = false;        // the connection ends without the last chunk
    bool keep_alive = true;
    std::vector<std::pair<std::string, std::string>> headers;

    batch_reply() {}

    batch_reply(unsigned s, std::string text)
        : status(s), content_type("text/plain; charset=utf-8"), body(std::move(text)) {}
};

class fake_batch_orchestrator {
  public:
    // `tls`: speaks https under a certificate of its own making.
    explicit fake_batch_orchestrator(bool tls = false);
    ~fake_batch_orchestrator();

    // "http://127.0.0.1:PORT", or https
    const std::string& url() const { return url_; }

    std::uint16_t port() const { return port_; }

    // A good answer of that pipeline: images and sound as data URLs (a video as a file of its own
    // URL), a conversation as JSON or, when it asks for it, as a stream of three chunks.
    static batch_reply good(const batch_question& asked);
    static batch_reply json(std::string_view text);
    // "data: …\n\n" for each, then "data: [DONE]\n\n".
    static batch_reply stream(std::vector<std::string> chunks);
    // {"choices":[{"delta":{"content":…}…
    static std::string chunk(std::string_view content, std::string_view finish_reason = "");
    // A 2×1 PNG, and two seconds of silence as WAV.
    static const std::string& png();
    static const std::string& wav();
    static std::string data_url(std::string_view type, std::string_view bytes);

    // How everything is answered from now on, good() unless set. Runs on the service's thread.
    using script = std::function<batch_reply(const batch_question&)>;
    void answer_with(script s);
    // Answers that come first, each once.
    void answer_next(batch_reply reply);
    // The next request is answered by its head alone; its body stays unread.
    void answer_unread_next(batch_reply reply);
    // What GET of that path gives.
    void serve_file(std::string path, std::string content_type, std::string bytes);

    std::vector<batch_question> asked();
    std::size_t count();
    // Of the last one; throws when there was none.
    batch_question last();
    // Paths that were fetched.
    std::vector<std::string> fetched();
    // Requests whose connection the gateway closed before the answer was complete.
    std::size_t left_early();
    void wait_for(std::size_t questions);
    // How long it took from this call.
    std::chrono::milliseconds wait_for_left_early(std::size_t requests);
    // Connections that were made so far.
    std::size_t connections();

    // Dies: every connection breaks, and nobody is there any more.
    void die();

  private:
    awaitable<void> handle(http::exchange& now);
    awaitable<void> take(http::exchange& now, batch_question asked);
    awaitable<void> answer_file(http::exchange& now, std::string path);
    batch_reply reply_to(batch_question& asked);

    struct served {
        std::string content_type, bytes;
    };

    std::mutex mutex_;
    std::condition_variable changed_;
    script script_;
    std::deque<batch_reply> next_, next_unread_;
    std::map<std::string, served> files_;
    std::vector<batch_question> asked_;
    std::vector<std::string> fetched_;
    std::size_t left_early_ = 0;
    std::map<std::string, int> peers_; // by remote endpoint

    shards shards_{1};
    http::server server_;
    std::uint16_t port_ = 0;
    std::string url_;
};

} // namespace rivulet::test
