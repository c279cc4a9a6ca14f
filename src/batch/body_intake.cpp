#include "batch/body_intake.hpp"

#include "http/message.hpp"

namespace rivulet::batch {
namespace {

// "10 MiB" where it is a round number: people compare it with their own.
std::string size_text(std::uint64_t bytes) {
    constexpr std::uint64_t mebi = 1u << 20;
    return bytes >= mebi && bytes % mebi == 0 ? std::to_string(bytes / mebi) + " MiB"
                                              : std::to_string(bytes) + " bytes";
}

bool plain_encoding(std::string_view encoding) {
    return encoding.empty() || encoding == "identity";
}

} // namespace

body_intake::body_intake(
    http::exchange& peer, const reading_limits& limits, std::uint64_t most, std::string_view why
)
    : peer_(peer), most_(most), why_(why), watch_(limits.pace, steady_clock::now()) {}

body_intake::~body_intake() {
    peer_.connection().expires_after(duration::max());
}

api_error body_intake::too_large() const {
    return api_error(
        http::status::payload_too_large,
        "the body is larger than " + size_text(most_) + std::string(why_)
    );
}

awaitable<answer<void>> body_intake::begin() {
    if (!plain_encoding(peer_["Content-Encoding"]))
        co_return api_error(
            http::status::unsupported_media_type,
            "the body is compressed; send it without Content-Encoding"
        );
    if (peer_.reader().content_length().value_or(0) > most_)
        co_return too_large();
    auto invited = co_await peer_.invite_body();
    if (invited)
        co_return api_error(client_left, "the client left");
    co_return answer<void>();
}

awaitable<answer<void>> body_intake::next(const http::body_sink& sink) {
    std::size_t came = 0;
    bool over = false;
    const http::body_sink counted = [&](std::span<const std::uint8_t> piece) {
        came += piece.size();
        over = over || taken_ + came > most_;
        if (!over)
            sink(piece);
    };
    peer_.connection().expires_after(watch_.patience(steady_clock::now()));
    auto failed = co_await peer_.reader().read_body(counted);
    taken_ += came;
    if (over)
        co_return too_large();
    static constexpr auto slow = "the body came too slowly";
    if (failed == errc::timed_out)
        co_return api_error(http::status::request_timeout, slow);
    if (failed == errc::protocol_violation)
        co_return api_error(http::status::bad_request, "malformed body framing");
    if (failed)
        co_return api_error(client_left, "the client left");
    const bool fast = watch_.received(came, steady_clock::now());
    if (!fast && !done())
        co_return api_error(http::status::request_timeout, slow);
    co_return answer<void>();
}

} // namespace rivulet::batch
