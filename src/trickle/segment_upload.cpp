#include "trickle/segment_upload.hpp"

#include "trickle/server_reply.hpp"

#include <boost/asio/detached.hpp>

#include <cstring>

namespace rivulet::trickle {
namespace {

constexpr std::string_view continue_line = "HTTP/1.1 100 Continue\r\n\r\n";

// Ends the segments of vanished writers when they are due; keeps only the channel alive.
void close_orphans_at(asio::any_io_executor executor, channel_ptr owner, time_point due) {
    auto timer = std::make_shared<asio::steady_timer>(executor, due);
    timer->async_wait([timer, owner, mine = owner->aborts()](error_code ec) {
        if (ec || owner->closed())
            return;
        auto again = owner->close_orphans(steady_clock::now());
        if (again && mine == owner->aborts())
            close_orphans_at(timer->get_executor(), owner, *again);
    });
}

} // namespace

segment_upload::segment_upload(
    http::exchange& now,
    channel_ptr to,
    channel::write_slot slot,
    const server_options& options,
    server_counters& counters
)
    : now_(now), channel_(std::move(to)), slot_(std::move(slot)), options_(options),
      counters_(counters), discarding_(!slot_.target) {
    if (slot_.target)
        slot_.target->watch(*this);
}

segment_upload::~segment_upload() {
    if (keepalive_)
        keepalive_->cancel();
    if (slot_.target)
        slot_.target->unwatch(*this);
}

// An open body can be answered at any time: stop waiting for it and answer.
void segment_upload::segment_changed() {
    if (finished_ || overtaken_ || !slot_.target->closed())
        return;
    if (received_ > 0 && !channel_->closed() && !slot_.target->evicted())
        return; // closed by DELETE, Reset or another POST: late writes still succeed (spec 8.1, 9)
    overtaken_ = true;
    now_.connection().cancel();
}

// Exactly these bytes, every `keepalive` until the first byte of the body (spec 2.5).
void segment_upload::keep_alive_later() {
    if (now_.header().version() < 11)
        return;
    if (!keepalive_)
        keepalive_ = std::make_shared<asio::steady_timer>(now_.connection().executor());
    keepalive_->expires_after(options_.keepalive);
    // Only *this owns the timer: once it is gone, so is *this.
    keepalive_->async_wait([this, timer = std::weak_ptr(keepalive_)](error_code ec) {
        if (ec || timer.expired() || received_ > 0 || finished_ || overtaken_)
            return;
        if (now_.connection().is_tls()) {
            asio::co_spawn(
                now_.connection().executor(),
                now_.connection().write(asio::buffer(continue_line)),
                asio::detached
            );
        } else {
            const std::array<asio::const_buffer, 1> line{asio::buffer(continue_line)};
            auto written = now_.connection().write_now(line);
            static_cast<void>(written); // a full or broken socket shows up in the pending read
        }
        keep_alive_later();
    });
}

void segment_upload::keep(std::span<const std::uint8_t> piece) {
    if (received_ == 0 && keepalive_)
        keepalive_->cancel();
    received_ += piece.size();
    if (discarding_)
        return;
    if (!room_)
        room_ = pages_.room(piece.size() + now_.reader().buffered());
    std::memcpy(room_ + used_, piece.data(), piece.size());
    used_ += piece.size();
}

// What one read brought becomes one block and one write to each reader.
bool segment_upload::publish_kept() {
    if (used_ > 0) {
        counters_.bytes_in.fetch_add(used_, std::memory_order_relaxed);
        auto block = pages_.commit(std::exchange(used_, 0));
        room_ = nullptr;
        refused_ = channel_->append(slot_, std::move(block), steady_clock::now());
        if (refused_ == errc::cancelled) {
            discarding_ = true;
            refused_ = {};
        }
    }
    if (discarding_ && channel_->closed())
        overtaken_ = true;
    return !overtaken_ && !refused_;
}

awaitable<error_code> segment_upload::relay() {
    const http::body_sink sink = [this](std::span<const std::uint8_t> piece) { keep(piece); };
    const std::function<bool()> after_read = [this] { return publish_kept(); };
    auto failed = co_await now_.reader().relay_body(sink, after_read);
    co_return refused_ ? refused_ : failed;
}

http::response segment_upload::reply_fields() const {
    auto made = empty_ok();
    add(made, seq_header, slot_.seq);
    if (discarding_ || overtaken_)
        add(made, dropped_header, "1");
    if (channel_->closed())
        add(made, closed_header, "terminated");
    return made;
}

awaitable<void> segment_upload::run() {
    // A number that is over and a body that has not begun: say so at once (spec 2.2).
    if (discarding_ && !now_.reader().body_done() && now_.reader().buffered() == 0)
        overtaken_ = true;
    else if (!now_.reader().body_done())
        keep_alive_later();
    error_code failed;
    if (!overtaken_)
        failed = co_await now_.invite_body();
    if (!overtaken_ && !failed && !now_.reader().body_done())
        failed = co_await relay();
    finished_ = true;
    if (keepalive_)
        keepalive_->cancel();
    const auto now = steady_clock::now();
    using http::after_reply;

    if (failed == errc::too_large) {
        channel_->finish_write(slot_, now);
        co_await now_.reply(
            text_error(
                413,
                "Segment larger than " + std::to_string(channel_->limits().segment_bytes) + " bytes"
            ),
            after_reply::close
        );
        co_return;
    }
    if (failed == errc::lagged || failed == errc::closed)
        overtaken_ = true;
    if (overtaken_) {
        channel_->finish_write(slot_, now);
        co_await now_.reply(reply_fields(), after_reply::close);
        co_return;
    }
    if (failed) {
        if (auto due = channel_->abort_write(slot_, now))
            close_orphans_at(now_.connection().executor(), channel_, *due);
        if (failed == errc::protocol_violation)
            co_await now_.reply(text_error(400, "Malformed body"), after_reply::close);
        co_return;
    }
    counters_.segments_in.fetch_add(1, std::memory_order_relaxed);
    channel_->finish_write(slot_, now);
    const auto then = received_ == 0 ? after_reply::close : after_reply::keep_alive;
    co_await now_.reply(reply_fields(), then);
}

} // namespace rivulet::trickle
