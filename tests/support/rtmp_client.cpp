#include "support/rtmp_client.hpp"

#include "base/deadline.hpp"
#include "http/stream.hpp"
#include "ingest/rtmp_client_fsm.hpp"
#include "ingest/rtmp_session_fsm.hpp"

#include <fstream>
#include <iterator>

namespace rivulet::test {
namespace {

using namespace asio::experimental::awaitable_operators;

constexpr std::size_t read_size = 64u << 10;
constexpr duration connect_limit = std::chrono::seconds(10);
constexpr duration linger = std::chrono::seconds(1);

struct client {
    client(http::stream s, ingest::rtmp_role role, ingest::rtmp_url url)
        : stream(std::move(s)), machine(role, std::move(url)), input(read_size) {}

    http::stream stream;
    ingest::rtmp_client_fsm machine;
    ingest::rtmp_chunk_writer writer{ingest::rtmp_our_chunk_size};
    std::vector<std::uint8_t> input;

    awaitable<error_code> flush() {
        while (machine.has_output()) {
            const auto out = machine.take_output();
            auto failed = co_await stream.write(asio::buffer(out));
            if (failed)
                co_return failed;
        }
        co_return error_code{};
    }

    awaitable<error_code> receive() {
        auto got = co_await stream.read_some(asio::buffer(input));
        if (!got)
            co_return got.error();
        machine.receive({input.data(), *got});
        co_return error_code{};
    }
};

struct opened {
    std::shared_ptr<client> link;
    std::string refusal;
};

awaitable<result<opened>> introduce(std::shared_ptr<client> link) {
    link->machine.start();
    for (;;) {
        auto failed = co_await link->flush();
        if (failed)
            co_return failed;
        while (auto event = link->machine.next_event()) {
            if (std::holds_alternative<ingest::rtmp_client_ready>(*event)) {
                opened done;
                done.link = link;
                co_return done;
            }
            if (const auto* end = std::get_if<ingest::rtmp_client_ended>(&*event)) {
                opened refused;
                refused.refusal = end->reason;
                co_return refused;
            }
        }
        failed = co_await link->receive();
        if (failed)
            co_return failed;
    }
}

awaitable<outcome<std::shared_ptr<client>>> open(std::string url, ingest::rtmp_role role) {
    auto target = ingest::parse_rtmp_url(url);
    if (!target)
        co_return target.error();
    auto connected =
        co_await http::stream::connect(target->host, target->port, nullptr, connect_limit);
    if (!connected)
        co_return failure(connected.error(), "cannot connect: " + connected.error().message());
    auto link = std::make_shared<client>(std::move(*connected), role, std::move(*target));
    // A player may wait for its stream to begin, so the limit is generous.
    auto greeted = co_await with_deadline(introduce(link), std::chrono::seconds(40));
    if (!greeted)
        co_return failure(greeted.error(), "handshake: " + greeted.error().message());
    if (!greeted->refusal.empty())
        co_return failure(errc::unauthorized, greeted->refusal);
    co_return greeted->link;
}

awaitable<std::string> listen(std::shared_ptr<client> link) {
    for (;;) {
        auto failed = co_await link->receive();
        if (failed)
            co_return failed.message();
        while (auto event = link->machine.next_event())
            if (const auto* end = std::get_if<ingest::rtmp_client_ended>(&*event))
                co_return end->reason;
    }
}

awaitable<error_code> send_tags(
    std::shared_ptr<client> link,
    std::shared_ptr<const std::vector<media::flv_tag>> tags,
    std::shared_ptr<const rtmp_publish_options> options
) {
    asio::steady_timer pace(co_await asio::this_coro::executor);
    const auto begun = steady_clock::now();
    std::optional<std::int64_t> first;
    std::int64_t shift = 0;
    for (;;) {
        std::int64_t last = 0;
        std::int64_t step = 33;
        for (const auto& source : *tags) {
            auto tag = source;
            tag.timestamp += shift;
            if (!first)
                first = tag.timestamp;
            const auto due = begun + std::chrono::milliseconds(tag.timestamp - *first);
            if (options->realtime && due > steady_clock::now()) {
                pace.expires_at(due);
                co_await pace.async_wait(as_tuple);
            }
            if (steady_clock::now() - begun > options->limit)
                co_return error_code{};
            if (options->on_send)
                options->on_send(tag);
            ingest::rtmp_message message;
            message.type = static_cast<ingest::rtmp_type>(tag.type);
            message.chunk_stream = tag.type == media::flv_tag_type::audio ? 4 : 6;
            message.stream = link->machine.stream();
            message.timestamp = static_cast<std::uint32_t>(tag.timestamp);
            message.payload = tag.body;
            std::vector<std::uint8_t> out;
            link->writer.append(out, message);
            auto failed = co_await link->stream.write(asio::buffer(out));
            if (!failed)
                failed = co_await link->flush();
            if (failed)
                co_return failed;
            if (source.timestamp > last) {
                step = std::min<std::int64_t>(source.timestamp - last, 100);
                last = source.timestamp;
            }
        }
        if (!options->loop)
            co_return error_code{};
        shift += last + step - (tags->empty() ? 0 : tags->front().timestamp);
    }
}

} // namespace

outcome<std::vector<media::flv_tag>> load_flv(const std::string& path) {
    std::ifstream file(path, std::ios::binary);
    if (!file)
        return failure(errc::not_found, "cannot read " + path);
    const std::vector<std::uint8_t> all(
        (std::istreambuf_iterator<char>(file)), std::istreambuf_iterator<char>()
    );
    auto tags = media::parse_flv_file(all);
    if (!tags)
        return failure(tags.error(), path + " is not an FLV file");
    return std::move(*tags);
}

awaitable<outcome<void>> rtmp_publish(
    std::string url,
    std::shared_ptr<const std::vector<media::flv_tag>> tags,
    rtmp_publish_options options
) {
    auto link = co_await open(std::move(url), ingest::rtmp_role::publish);
    if (!link)
        co_return link.error();
    auto settings = std::make_shared<const rtmp_publish_options>(std::move(options));
    auto either = co_await (send_tags(*link, tags, settings) || listen(*link));
    if (either.index() == 1)
        co_return failure(errc::closed, std::get<1>(either));
    if (const auto failed = std::get<0>(either)) {
        // The server's last words say more than a reset connection.
        while (auto event = (*link)->machine.next_event())
            if (const auto* end = std::get_if<ingest::rtmp_client_ended>(&*event))
                co_return failure(errc::closed, end->reason);
        co_return failure(failed, failed.message());
    }
    if (settings->unpublish) {
        (*link)->machine.finish();
        auto failed = co_await (*link)->flush();
        if (!failed)
            co_await (*link)->stream.linger_close(linger);
    }
    co_return outcome<void>{};
}

awaitable<outcome<void>>
rtmp_play(std::string url, std::function<bool(const rtmp_played&)> on_tag, duration limit) {
    auto opened = co_await open(std::move(url), ingest::rtmp_role::play);
    if (!opened)
        co_return opened.error();
    auto& link = **opened;
    const auto until = steady_clock::now() + limit;
    for (;;) {
        while (auto event = link.machine.next_event()) {
            if (const auto* end = std::get_if<ingest::rtmp_client_ended>(&*event)) {
                if (end->regular)
                    co_return outcome<void>{};
                co_return failure(errc::closed, end->reason);
            }
            auto* media = std::get_if<ingest::rtmp_client_media>(&*event);
            if (!media)
                continue;
            rtmp_played played;
            played.tag.type =
                media->message.type == ingest::rtmp_type::audio   ? media::flv_tag_type::audio
                : media->message.type == ingest::rtmp_type::video ? media::flv_tag_type::video
                                                                  : media::flv_tag_type::script;
            played.tag.timestamp = media->message.timestamp;
            played.tag.body = media->message.payload;
            played.received = steady_clock::now();
            if (!on_tag(played))
                co_return outcome<void>{};
        }
        auto failed = co_await link.flush();
        if (failed)
            co_return failure(failed, failed.message());
        const auto left = until - steady_clock::now();
        if (left <= duration::zero())
            co_return failure(errc::timed_out, "the play limit passed");
        link.stream.expires_after(left);
        failed = co_await link.receive();
        if (failed)
            co_return failure(failed, failed.message());
    }
}

} // namespace rivulet::test
