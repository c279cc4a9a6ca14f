#include "trickle/publisher.hpp"

#include "base/notifier.hpp"
#include "base/task_group.hpp"
#include "trickle/client_reply.hpp"
#include "trickle/publisher_fsm.hpp"

#include <map>

namespace rivulet::trickle {
namespace {

constexpr std::size_t kept_connections = 2;
constexpr duration short_exchange = std::chrono::seconds(5); // next, DELETE
// How long the reader may take to tell why a write failed.
constexpr duration outcome_grace = std::chrono::seconds(1);

} // namespace

struct publisher::impl : std::enable_shared_from_this<publisher::impl> {
    // One POST as the network sees it. `generation` rises with every attempt, so that what an
    // earlier attempt still has to say is not taken for news of this one.
    struct one_post {
        explicit one_post(asio::any_io_executor executor) : changed(executor) {}

        http::connection_ptr connection;
        notifier changed;
        unsigned generation = 0;
        bool reported = false; // the caller has seen the outcome
    };

    using post_ptr = std::shared_ptr<one_post>;

    impl(asio::any_io_executor ex, std::string text, publisher_options o, logger l)
        : executor(ex), options(std::move(o)), log(std::move(l)), url_text(std::move(text)),
          fsm(options.attach ? publisher_fsm::start_at::next : publisher_fsm::start_at::zero,
              options.first),
          tasks(ex, log), numbered(ex) {}

    void perform(const publisher_actions& actions);
    awaitable<void> run_post(
        [[maybe_unused]] std::shared_ptr<impl> self, publisher_action action, unsigned generation
    );
    awaitable<void> ask_next([[maybe_unused]] std::shared_ptr<impl> self);
    awaitable<outcome<void>> write(post_id id, std::vector<bytes> blocks, bool last);
    awaitable<outcome<void>> finish(post_id id);
    awaitable<outcome<void>> drop(post_id id);
    awaitable<outcome<void>> remove(std::string url);
    awaitable<bool> wait_over(post_id id, duration limit);
    outcome<void> report(post_id id);
    http::connection_ptr take_kept();
    void keep(http::connection_ptr connection);
    void release(post_id id);
    void abandon();

    bool current(post_id id, unsigned generation) const {
        auto found = posts.find(id);
        return !closed && found != posts.end() && found->second->generation == generation;
    }

    void announce(post_id id) {
        if (auto found = posts.find(id); found != posts.end())
            found->second->changed.notify_all();
        numbered.notify_all();
    }

    failure closed_failure() const { return {errc::closed, "the publisher was closed"}; }

    asio::any_io_executor executor;
    publisher_options options;
    logger log;
    std::string url_text;
    http::http_url url;
    publisher_fsm fsm;
    task_group tasks;
    notifier numbered; // the idle POST or the numbering changed
    std::map<post_id, post_ptr> posts;
    std::vector<http::connection_ptr> kept;
    bool started = false;
    bool closing = false;
    bool closed = false;
};

struct publisher::segment::state {
    std::shared_ptr<publisher::impl> owner;
    post_id id;
};

void publisher::impl::perform(const publisher_actions& actions) {
    for (const auto& action : actions) {
        switch (action.what) {
        case publisher_action::kind::ask_next:
            tasks.spawn("next", ask_next(shared_from_this()));
            break;
        case publisher_action::kind::open_post: {
            auto& post = posts[action.post];
            if (!post)
                post = std::make_shared<one_post>(executor);
            if (post->connection)
                post->connection->close();
            post->connection.reset();
            const auto generation = ++post->generation;
            tasks.spawn("post", run_post(shared_from_this(), action, generation));
            break;
        }
        case publisher_action::kind::close_post:
            if (auto found = posts.find(action.post); found != posts.end()) {
                ++found->second->generation;
                if (found->second->connection)
                    found->second->connection->close();
                found->second->connection.reset();
            }
            break;
        }
    }
}

http::connection_ptr publisher::impl::take_kept() {
    while (!kept.empty()) {
        auto connection = std::move(kept.back());
        kept.pop_back();
        if (!connection->transport().peer_gone())
            return connection;
    }
    return nullptr;
}

void publisher::impl::keep(http::connection_ptr connection) {
    if (!closed && kept.size() < kept_connections && connection->reusable())
        kept.push_back(std::move(connection));
    else
        connection->close();
}

// Opens a POST, then waits for the server's word on it, however long its body takes.
awaitable<void> publisher::impl::run_post(
    [[maybe_unused]] std::shared_ptr<impl> self, publisher_action action, unsigned generation
) {
    const auto id = action.post;
    if (!current(id, generation))
        co_return;
    http::connection_ptr connection;
    if (!action.fresh)
        connection = take_kept();
    const bool reused = connection != nullptr;
    if (!connection) {
        auto opened = co_await http::client_connection::open(url, options.client);
        if (!current(id, generation))
            co_return;
        if (!opened) {
            perform(fsm.failed(id, opened.error(), false));
            announce(id);
            co_return;
        }
        connection = std::move(*opened);
    }
    http::client_request request(http::verb::post, (url / std::to_string(action.seq)).target());
    request.headers.emplace_back("Content-Type", options.mime);
    if (action.reset)
        request.headers.emplace_back("Lp-Trickle-Reset", "1");
    request.chunked = true;
    posts.at(id)->connection = connection;
    auto failed = co_await connection->send(std::move(request));
    if (!failed && current(id, generation)) {
        fsm.opened(id);
        announce(id);
    }
    // Even after a failed send: the server may have said why it does not listen.
    auto unread = co_await connection->read_head(failed ? outcome_grace : duration::max());
    if (!current(id, generation)) {
        connection->close();
        co_return;
    }
    if (unread) {
        auto why = http::describe_failure(failed ? failed : unread, url, "POST to");
        connection->close();
        perform(fsm.failed(id, std::move(why), reused));
        announce(id);
        co_return;
    }
    const auto& head = connection->head();
    post_reply reply;
    reply.status = head.status;
    reply.closed = head.has("Lp-Trickle-Closed");
    reply.dropped = head.has("Lp-Trickle-Dropped");
    reply.seq = to_number(head["Lp-Trickle-Seq"]);
    if (!connection->reply_done() || head.status != 200) {
        auto text = co_await connection->read_text(reply_text_limit, reply_text_time);
        if (!current(id, generation)) {
            connection->close();
            co_return;
        }
        if (text)
            reply.body = first_line(std::move(*text));
    }
    posts.at(id)->connection.reset();
    keep(std::move(connection)); // first: the next POST may take it
    perform(fsm.replied(id, std::move(reply)));
    announce(id);
}

awaitable<void> publisher::impl::ask_next([[maybe_unused]] std::shared_ptr<impl> self) {
    auto reply = co_await http::fetch(
        options.client,
        http::verb::get,
        http::to_text(url / "next"),
        {},
        {},
        short_exchange,
        reply_text_limit
    );
    std::optional<std::int64_t> next;
    if (reply && reply->status == http::status::ok) {
        next = to_number(reply->body);
        for (const auto& [name, value] : reply->headers)
            if (boost::beast::iequals(name, "Lp-Trickle-Latest"))
                next = to_number(value);
    } else if (!reply) {
        log.debug("cannot learn the next segment number: {}", reply.error().detail);
    }
    if (closed)
        co_return;
    perform(fsm.next_answered(next));
    numbered.notify_all();
}

awaitable<bool> publisher::impl::wait_over(post_id id, duration limit) {
    auto post = posts.at(id);
    const auto until = steady_clock::now() + limit;
    while (!closed && fsm.state(id) != publisher_fsm::phase::over && steady_clock::now() < until)
        co_await post->changed.wait_until(until);
    co_return !closed && fsm.state(id) == publisher_fsm::phase::over;
}

outcome<void> publisher::impl::report(post_id id) {
    if (closed)
        return closed_failure();
    posts.at(id)->reported = true;
    const auto& why = fsm.outcome(id);
    if (why && why->code)
        return *why;
    return {};
}

awaitable<outcome<void>> publisher::impl::write(post_id id, std::vector<bytes> blocks, bool last) {
    auto self = shared_from_this();
    if (closed)
        co_return closed_failure();
    auto post = posts.at(id);
    if (post->reported) {
        post->reported = false;
        perform(fsm.rewrite(id));
    }
    while (!closed && fsm.state(id) == publisher_fsm::phase::opening)
        co_await post->changed.wait();
    if (closed)
        co_return closed_failure();
    // An outcome before our bytes is the truth about the segment, also when it says 200.
    if (fsm.before_write(id))
        co_return report(id);
    std::uint64_t total = 0;
    for (const auto& block : blocks)
        total += block.size();
    auto connection = post->connection;
    // Told before it is done: the reply to the last byte may be read before the write returns.
    fsm.wrote(id, total);
    if (last)
        fsm.body_ended(id);
    auto failed = co_await connection->write_chunk(std::move(blocks), last);
    if (!failed)
        co_return outcome<void>{};
    // The server's word, if it comes, says more than "broken pipe".
    auto over = co_await wait_over(id, outcome_grace);
    if (!over && !closed) {
        perform(fsm.failed(id, http::describe_failure(failed, url, "sending to"), false));
        announce(id);
    }
    co_return report(id);
}

awaitable<outcome<void>> publisher::impl::finish(post_id id) {
    auto self = shared_from_this();
    if (closed)
        co_return closed_failure();
    auto post = posts.at(id);
    while (!closed && fsm.state(id) == publisher_fsm::phase::opening)
        co_await post->changed.wait();
    if (closed)
        co_return closed_failure();
    if (fsm.state(id) != publisher_fsm::phase::over) {
        fsm.body_ended(id);
        auto connection = post->connection;
        auto failed = co_await connection->end_body();
        auto over = co_await wait_over(id, failed ? outcome_grace : options.reply_timeout);
        if (!over && !closed) {
            const auto code = failed ? failed : make_error_code(errc::timed_out);
            perform(fsm.failed(id, http::describe_failure(code, url, "POST to"), false));
            announce(id);
        }
    }
    co_return report(id);
}

awaitable<outcome<void>> publisher::impl::remove(std::string target) {
    auto reply = co_await http::fetch(
        options.client,
        http::verb::delete_,
        std::move(target),
        {},
        {},
        short_exchange,
        reply_text_limit
    );
    if (!reply)
        co_return reply.error();
    const auto status = static_cast<unsigned>(reply->status);
    if (status != 200)
        co_return failure(
            errc::http_status,
            "the server answered DELETE with " + std::to_string(status) + ": " +
                first_line(reply->body)
        );
    co_return outcome<void>{};
}

awaitable<outcome<void>> publisher::impl::drop(post_id id) {
    auto self = shared_from_this();
    if (closed)
        co_return closed_failure();
    auto post = posts.at(id);
    const auto seq = fsm.seq(id);
    const auto unsent = failure(errc::cancelled, "dropped");
    if (fsm.state(id) == publisher_fsm::phase::opening) {
        perform(fsm.failed(id, unsent, false));
    } else if (fsm.state(id) != publisher_fsm::phase::over) {
        // The body ends first, so that the server does not take the DELETE for a lost race.
        auto connection = post->connection;
        fsm.body_ended(id);
        co_await connection->end_body();
    }
    post->reported = true;
    if (closed)
        co_return closed_failure();
    const auto& known = fsm.outcome(id);
    if (seq < 0 ||
        (known && (known->code == errc::not_found || known->code == errc::end_of_stream)))
        co_return outcome<void>{}; // nothing there to delete
    auto removed = co_await remove(http::to_text(url / std::to_string(seq)));
    if (!closed && fsm.state(id) != publisher_fsm::phase::over) {
        perform(fsm.failed(id, unsent, false));
        announce(id);
    }
    co_return removed;
}

void publisher::impl::release(post_id id) {
    if (closed)
        return;
    perform(fsm.forget(id));
    posts.erase(id);
    numbered.notify_all();
}

void publisher::impl::abandon() {
    if (closed)
        return;
    closed = true;
    fsm.stop();
    for (auto& [id, post] : posts) {
        if (post->connection)
            post->connection->close();
        post->connection.reset();
        post->changed.notify_all();
    }
    for (auto& connection : kept)
        connection->close();
    kept.clear();
    numbered.notify_all();
    tasks.close();
}

publisher::segment::segment(std::shared_ptr<state> s) : state_(std::move(s)) {}

publisher::segment::~segment() {
    state_->owner->release(state_->id);
}

std::int64_t publisher::segment::seq() const {
    return state_->owner->fsm.seq(state_->id);
}

std::uint64_t publisher::segment::bytes_sent() const {
    return state_->owner->fsm.bytes(state_->id);
}

awaitable<outcome<void>> publisher::segment::write(std::vector<bytes> blocks) {
    return state_->owner->write(state_->id, std::move(blocks), false);
}

awaitable<outcome<void>> publisher::segment::write(bytes block) {
    std::vector<bytes> one{std::move(block)};
    return state_->owner->write(state_->id, std::move(one), false);
}

awaitable<outcome<void>> publisher::segment::write_whole(bytes block) {
    auto state = state_;
    std::vector<bytes> one{std::move(block)};
    auto written = co_await state->owner->write(state->id, std::move(one), true);
    if (!written)
        co_return written;
    co_return co_await state->owner->finish(state->id);
}

awaitable<outcome<void>> publisher::segment::finish() {
    return state_->owner->finish(state_->id);
}

awaitable<outcome<void>> publisher::segment::drop() {
    return state_->owner->drop(state_->id);
}

publisher::publisher(
    asio::any_io_executor executor, std::string url, publisher_options options, logger log
)
    : impl_(std::make_shared<impl>(executor, std::move(url), std::move(options), std::move(log))) {}

publisher::~publisher() {
    impl_->abandon();
}

outcome<void> publisher::start() {
    auto parsed = http::parse_http_url(impl_->url_text);
    if (!parsed)
        return parsed.error();
    if (impl_->closed || impl_->started)
        return failure(errc::closed, "the publisher was started before");
    impl_->url = std::move(*parsed);
    impl_->started = true;
    impl_->perform(impl_->fsm.start());
    return {};
}

awaitable<outcome<publisher::segment_ptr>> publisher::next_segment() {
    auto self = impl_;
    while (self->started && !self->closed && !self->closing) {
        publisher_actions actions;
        if (auto id = self->fsm.take(actions)) {
            self->perform(actions);
            auto state = std::make_shared<segment::state>();
            state->owner = self;
            state->id = *id;
            co_return std::make_shared<segment>(std::move(state));
        }
        co_await self->numbered.wait();
    }
    co_return self->closed_failure();
}

awaitable<outcome<void>> publisher::publish_message(bytes message) {
    auto self = impl_;
    outcome<void> result = self->closed_failure();
    segment_ptr target;
    for (int attempt = 0; attempt < 2; ++attempt) {
        if (!target) {
            auto taken = co_await next_segment();
            if (!taken)
                co_return taken.error();
            target = std::move(*taken);
        }
        result = co_await target->write_whole(message);
        if (result || self->closed || target->bytes_sent() > 0)
            break;
        const auto code = result.error().code;
        if (code == errc::not_found || code == errc::end_of_stream)
            break;
        // The number is used up when the server closed it; otherwise the same one again.
        if (code == errc::closed)
            target.reset();
    }
    co_return result;
}

awaitable<outcome<void>> publisher::close() {
    auto self = impl_;
    if (self->closed || self->closing)
        co_return outcome<void>{};
    self->closing = true;
    self->fsm.stop();
    outcome<void> removed = {};
    if (self->started) {
        removed = co_await self->remove(self->url_text);
        if (auto idle = self->fsm.idle(); idle && !self->closed) {
            auto connection = self->posts.at(*idle)->connection;
            if (connection && self->fsm.state(*idle) == publisher_fsm::phase::open) {
                self->fsm.body_ended(*idle);
                co_await connection->end_body();
                co_await self->wait_over(*idle, outcome_grace);
            }
        }
    }
    self->abandon();
    co_await self->tasks.join(std::chrono::seconds(2));
    co_return removed;
}

void publisher::abandon() {
    impl_->abandon();
}

} // namespace rivulet::trickle
