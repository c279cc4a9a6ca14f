#include "trickle/subscriber.hpp"

#include "base/notifier.hpp"
#include "base/task_group.hpp"
#include "trickle/client_reply.hpp"
#include "trickle/subscriber_fsm.hpp"

#include <map>

namespace rivulet::trickle {

struct subscriber::impl : std::enable_shared_from_this<subscriber::impl> {
    // One GET as the network sees it.
    struct one_get {
        http::connection_ptr connection;
        bool gone = false;         // abandoned: nothing that it says counts
        bool begun = false;        // an item with segment_begins was handed out
        std::uint64_t raw = 0;     // body bytes so far
        std::uint64_t counted = 0; // of them, told to the machine
        time_point head_at{};
    };

    using get_ptr = std::shared_ptr<one_get>;

    impl(asio::any_io_executor ex, std::string text, subscriber_options o, logger l)
        : executor(ex), options(std::move(o)), log(std::move(l)),
          fsm(options.start, options.refresh), tasks(ex, log), changed(ex), alarm(ex) {
        auto parsed = http::parse_http_url(text);
        if (parsed)
            url = std::move(*parsed);
        else
            ended = parsed.error();
    }

    void perform(const subscriber_actions& actions);
    void end(failure why);
    void keep(http::connection_ptr connection);
    http::connection_ptr take_kept();
    awaitable<void>
    run_get([[maybe_unused]] std::shared_ptr<impl> self, subscriber_action action, get_ptr get);
    awaitable<void> watch_time([[maybe_unused]] std::shared_ptr<impl> self);
    awaitable<outcome<subscriber_item>> read();
    awaitable<outcome<subscriber_message>> read_message(std::size_t max);

    asio::any_io_executor executor;
    subscriber_options options;
    logger log;
    http::http_url url;
    subscriber_fsm fsm;
    task_group tasks;
    notifier changed; // for the reader
    notifier alarm;   // for the clock: the deadline moved
    std::map<get_id, get_ptr> gets;
    http::connection_ptr kept;
    std::optional<failure> ended; // cancelled, or never valid
    bool clock_runs = false;
    std::string partial; // of the message being read; survives errors in its middle
    std::int64_t partial_seq = -1;
    bool partial_too_large = false;
};

void subscriber::impl::perform(const subscriber_actions& actions) {
    for (const auto& action : actions) {
        if (action.what == subscriber_action::kind::open_get) {
            auto get = std::make_shared<one_get>();
            gets[action.get] = get;
            tasks.spawn("get", run_get(shared_from_this(), action, std::move(get)));
        } else if (auto found = gets.find(action.get); found != gets.end()) {
            found->second->gone = true;
            if (found->second->connection)
                found->second->connection->close();
            gets.erase(found);
        }
    }
    if (!actions.empty()) {
        if (!clock_runs && !ended) {
            clock_runs = true;
            tasks.spawn("clock", watch_time(shared_from_this()));
        }
        alarm.notify_all();
    }
}

http::connection_ptr subscriber::impl::take_kept() {
    auto connection = std::exchange(kept, nullptr);
    if (connection && connection->transport().peer_gone()) {
        connection->close();
        connection.reset();
    }
    return connection;
}

void subscriber::impl::keep(http::connection_ptr connection) {
    if (!ended && !kept && connection->reusable())
        kept = std::move(connection);
    else
        connection->close();
}

// Opens a GET and waits for its head, which may take minutes. The body is read by read().
awaitable<void> subscriber::impl::run_get(
    [[maybe_unused]] std::shared_ptr<impl> self, subscriber_action action, get_ptr get
) {
    if (get->gone)
        co_return;
    http::connection_ptr connection;
    if (!action.fresh)
        connection = take_kept();
    const bool reused = connection != nullptr;
    if (!connection) {
        auto opened = co_await http::client_connection::open(url, options.client);
        if (get->gone)
            co_return;
        if (!opened) {
            gets.erase(action.get);
            perform(fsm.failed(action.get, opened.error(), false, steady_clock::now()));
            changed.notify_all();
            co_return;
        }
        connection = std::move(*opened);
    }
    get->connection = connection;
    http::client_request request(http::verb::get, (url / std::to_string(action.seq)).target());
    auto failed = co_await connection->send(std::move(request));
    if (!failed && !get->gone) {
        fsm.sent(action.get, steady_clock::now());
        alarm.notify_all();
        failed = co_await connection->read_head();
    }
    if (get->gone) {
        connection->close();
        co_return;
    }
    if (failed) {
        connection->close();
        gets.erase(action.get);
        auto why = http::describe_failure(failed, url, "GET from");
        perform(fsm.failed(action.get, std::move(why), reused, steady_clock::now()));
        changed.notify_all();
        co_return;
    }
    const auto& head = connection->head();
    get_reply reply;
    reply.status = head.status;
    reply.closed = head.has("Lp-Trickle-Closed");
    reply.seq = to_number(head["Lp-Trickle-Seq"]);
    reply.latest = to_number(head["Lp-Trickle-Latest"]);
    const bool is_segment = reply.status == 200 && !reply.closed;
    if (!is_segment) {
        auto text = co_await connection->read_text(reply_text_limit, reply_text_time);
        if (get->gone) {
            connection->close();
            co_return;
        }
        if (text)
            reply.body = first_line(std::move(*text));
        gets.erase(action.get);
        keep(std::move(connection));
    }
    get->head_at = steady_clock::now();
    perform(fsm.replied(action.get, reply, get->head_at));
    changed.notify_all();
}

// Asks waiting GETs anew when their time has come.
awaitable<void> subscriber::impl::watch_time([[maybe_unused]] std::shared_ptr<impl> self) {
    while (!ended) {
        const auto until = fsm.deadline();
        if (until > steady_clock::now()) {
            co_await alarm.wait_until(until);
            continue;
        }
        const auto now = steady_clock::now();
        for (auto& [id, get] : gets)
            if (get->connection && get->connection->reply_begun())
                fsm.reply_begun(id, now);
        perform(fsm.tick(now));
    }
}

void subscriber::impl::end(failure why) {
    if (ended)
        return;
    ended = std::move(why);
    for (auto& [id, get] : gets) {
        get->gone = true;
        if (get->connection)
            get->connection->close();
    }
    gets.clear();
    if (kept)
        kept->close();
    kept.reset();
    tasks.close();
    changed.notify_all();
    alarm.notify_all();
}

awaitable<outcome<subscriber_item>> subscriber::impl::read() {
    auto self = shared_from_this();
    for (;;) {
        if (ended)
            co_return *ended;
        subscriber_actions actions;
        auto wanted = fsm.want(steady_clock::now(), actions);
        perform(actions);
        if (wanted.why)
            co_return std::move(*wanted.why);
        if (wanted.what == subscriber_fsm::status::kind::waiting) {
            co_await changed.wait();
            continue;
        }
        auto get = gets.at(wanted.get);
        auto connection = get->connection;
        auto limit = options.segment_timeout;
        if (limit != duration::max())
            limit -= steady_clock::now() - get->head_at;
        auto pieces = co_await connection->read_body(limit);
        if (get->gone)
            continue; // set_seq() or cancel() came in between
        if (!pieces) {
            // Our caller stopped waiting; the connection is as it was.
            if (pieces.error() == asio::error::operation_aborted)
                co_return failure(errc::cancelled, "the read was cancelled");
            auto why = http::describe_failure(pieces.error(), url, "segment from");
            perform(fsm.body_failed(wanted.get, std::move(why), steady_clock::now()));
            continue;
        }
        subscriber_item item;
        item.seq = wanted.seq;
        for (auto& piece : *pieces) {
            const auto begin = get->raw;
            get->raw += piece.size();
            if (get->raw <= wanted.skip)
                continue; // the caller has it from an earlier attempt
            const auto known = begin < wanted.skip ? wanted.skip - begin : 0;
            item.blocks.push_back(
                known == 0 ? std::move(piece) : piece.slice(known, piece.size() - known)
            );
        }
        fsm.delivered(wanted.get, get->raw - std::exchange(get->counted, get->raw));
        item.segment_ends = connection->reply_done();
        if (!std::exchange(get->begun, true) && wanted.skip == 0) {
            item.segment_begins = true;
            item.mime = std::string(connection->head()["Content-Type"]);
        }
        if (item.segment_ends) {
            gets.erase(wanted.get);
            keep(std::move(connection));
            perform(fsm.body_ended(wanted.get, steady_clock::now()));
        }
        if (item.segment_begins || item.segment_ends || !item.blocks.empty())
            co_return std::move(item);
    }
}

awaitable<outcome<subscriber_message>> subscriber::impl::read_message(std::size_t max) {
    auto self = shared_from_this();
    for (;;) {
        auto item = co_await read();
        if (!item)
            co_return item.error();
        if (item->segment_begins || item->seq != partial_seq) {
            partial.clear();
            partial_too_large = false;
            partial_seq = item->seq;
        }
        for (const auto& block : item->blocks) {
            partial_too_large = partial_too_large || block.size() > max - partial.size();
            if (!partial_too_large)
                partial += block.text();
        }
        if (!item->segment_ends)
            continue;
        const auto seq = std::exchange(partial_seq, -1);
        if (std::exchange(partial_too_large, false)) {
            partial.clear();
            co_return failure(
                errc::too_large,
                "message " + std::to_string(seq) + " is longer than " + std::to_string(max) +
                    " bytes"
            );
        }
        if (partial.empty())
            continue; // an empty segment says nothing
        subscriber_message message;
        message.seq = seq;
        message.body = std::exchange(partial, {});
        co_return std::move(message);
    }
}

subscriber::subscriber(
    asio::any_io_executor executor, std::string url, subscriber_options options, logger log
)
    : impl_(std::make_shared<impl>(executor, std::move(url), std::move(options), std::move(log))) {}

subscriber::~subscriber() {
    impl_->end(failure(errc::closed, "the subscriber was closed"));
}

awaitable<outcome<subscriber_item>> subscriber::read() {
    return impl_->read();
}

awaitable<outcome<subscriber_message>> subscriber::read_message(std::size_t max) {
    return impl_->read_message(max);
}

void subscriber::set_seq(std::int64_t seq) {
    if (impl_->ended)
        return;
    impl_->perform(impl_->fsm.set_seq(seq));
    if (impl_->kept)
        impl_->kept->close();
    impl_->kept.reset();
    impl_->partial_seq = -1;
    impl_->changed.notify_all();
}

std::int64_t subscriber::position() const {
    return impl_->fsm.position();
}

std::optional<std::int64_t> subscriber::latest() const {
    return impl_->fsm.latest();
}

void subscriber::cancel(failure why) {
    impl_->end(std::move(why));
}

awaitable<void> subscriber::rest(duration time) {
    auto self = impl_;
    const auto until = steady_clock::now() + time;
    while (!self->ended && steady_clock::now() < until)
        co_await self->changed.wait_until(until);
}

bool subscriber::cancelled() const {
    return impl_->ended.has_value();
}

awaitable<void> subscriber::close() {
    auto self = impl_;
    self->end(failure(errc::closed, "the subscriber was closed"));
    co_await self->tasks.join(std::chrono::seconds(2));
}

} // namespace rivulet::trickle
