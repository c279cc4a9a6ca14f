#include "live/event_door.hpp"

#include "live/http_access.hpp"

#include <charconv>
#include <optional>
#include <string>
#include <utility>

namespace rivulet::live {
namespace {

constexpr std::string_view all_events = "/live/video-to-video/events";
constexpr std::string_view stream_events = "/live/video-to-video/{stream}/events";

class event_session final : public http::websocket_session {
  public:
    event_session(
        std::shared_ptr<event_hub> hub, std::string stream, std::optional<std::uint64_t> after
    )
        : hub_(std::move(hub)), stream_(std::move(stream)), after_(after) {}

    void opened(std::function<void()> wake) override {
        watch_ = hub_->begin(stream_, after_, std::move(wake));
    }

    http::websocket_output next() override {
        http::websocket_output out;
        out.text = watch_->next();
        if (out.text)
            out.what = http::websocket_output::kind::text;
        return out;
    }

    void received(std::string_view) override {}

    void closed() override { watch_.reset(); }

  private:
    std::shared_ptr<event_hub> hub_;
    std::string stream_;
    std::optional<std::uint64_t> after_;
    std::unique_ptr<event_hub::watch> watch_;
};

outcome<std::optional<std::uint64_t>> resume_point(const http::request& asked) {
    const auto text = asked.query_value("after");
    if (!text || text->empty())
        return std::optional<std::uint64_t>();
    std::uint64_t after = 0;
    const auto* end = text->data() + text->size();
    const auto [stop, ec] = std::from_chars(text->data(), end, after);
    if (ec != std::errc() || stop != end)
        return failure(errc::invalid_argument, "after is not the number of an event");
    return std::optional(after);
}

awaitable<http::websocket_opening> open_session(
    std::shared_ptr<event_hub> hub, ingest::check_access check, const http::request& asked
) {
    http::websocket_opening opening;
    const auto named = asked.params.find("stream");
    const auto stream = named == asked.params.end() ? std::string() : named->second;
    auto after = resume_point(asked);
    if (!after) {
        opening.refusal = http::error_response(http::status::bad_request, after.error().detail);
        co_return opening;
    }
    opening.refusal = co_await ask_access(check, ingest::access_action::control, asked, stream);
    if (!opening.refusal)
        opening.session = std::make_shared<event_session>(std::move(hub), stream, *after);
    co_return opening;
}

} // namespace

void add_event_door(
    http::websocket_host& host,
    http::server& server,
    std::shared_ptr<event_hub> hub,
    event_door_options options
) {
    const auto open = [hub = std::move(hub),
                       check = std::move(options.check)](const http::request& asked) {
        return open_session(hub, check, asked);
    };
    host.mount(server, std::string(all_events), open);
    host.mount(server, std::string(stream_events), open);
}

} // namespace rivulet::live
