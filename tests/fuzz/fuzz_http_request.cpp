// Requests of one connection, head and body framing, as the server reads them. The first byte says
// how the input is cut: small values are the size of each piece, others where it is cut in two.
#include "http/exchange.hpp"
#include "http/request_reader.hpp"
#include "support/byte_feed.hpp"

#include <boost/asio/detached.hpp>

#include <algorithm>
#include <cstdlib>

using namespace rivulet;

namespace {

struct reading {
    explicit reading(asio::io_context& context) : feed(context) {}

    awaitable<void> run() {
        const http::body_sink sink = [this](std::span<const std::uint8_t> piece) {
            if (piece.size() > reader.buffered())
                std::abort(); // publishers reserve room by this bound
            body += piece.size();
        };
        const std::function<bool()> go_on = [] { return true; };
        for (int requests = 0; requests < 1000; ++requests) {
            auto failed = co_await reader.read_head(std::chrono::hours(1), std::chrono::hours(1));
            if (failed)
                break;
            http::exchange now(*feed.stream(), reader, false);
            http::response reply;
            reply.headers = {{"X-Echo", std::string(now.path())}};
            static_cast<void>(now.render(reply, http::after_reply::keep_alive));
            static_cast<void>(now.streaming_head(reply));
            const bool whole = requests % 2 == 0;
            while (!failed && !reader.body_done()) {
                if (whole)
                    failed = co_await reader.relay_body(sink, go_on);
                else
                    failed = co_await reader.read_body(sink);
            }
            if (failed || !reader.keep_alive())
                break;
        }
        ended = true;
    }

    test::byte_feed feed;
    http::request_reader reader{feed.stream(), 16 * 1024};
    std::size_t body = 0;
    bool ended = false;
};

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    if (size == 0 || size > 100'000)
        return 0;
    const std::string_view text(reinterpret_cast<const char*>(data + 1), size - 1);
    const bool small_pieces = data[0] < 16;
    const auto step = small_pieces ? data[0] + 1u : text.size() * data[0] / 256 + 1;
    asio::io_context context;
    reading peer(context);
    asio::co_spawn(context, peer.run(), asio::detached);
    context.poll();
    for (std::size_t at = 0, pieces = 0; at < text.size(); ++pieces) {
        const auto size = pieces < 500 ? step : text.size();
        peer.feed.give(text.substr(at, size));
        at += std::min(size, text.size() - at);
        context.restart();
        context.poll();
    }
    peer.feed.end();
    context.restart();
    context.poll();
    if (!peer.ended || peer.body > size)
        std::abort(); // the end of the peer ends the reading
    return 0;
}
