#include "gateway_session.hpp"

#include "base/deadline.hpp"
#include "base/ids.hpp"
#include "door_wire.hpp"
#include "http/client.hpp"
#include "http/tls.hpp"
#include "input_queue.hpp"
#include "session_fsm.hpp"
#include "session_link.hpp"

#include <boost/asio/executor_work_guard.hpp>
#include <boost/beast/core/string.hpp>

#include <algorithm>
#include <atomic>
#include <charconv>
#include <mutex>
#include <pthread.h>
#include <random>
#include <thread>

namespace rivulet::element {

using namespace std::chrono_literals;

namespace {

constexpr duration door_limit = 20s; // for the answer: webhooks are asked meanwhile
constexpr duration write_limit = 5s;
constexpr std::size_t reply_bytes = 64 * 1024;
// Pictures older than this are no use to a stream that begins.
constexpr duration fresh = 1s;
constexpr duration farewell = 200ms; // stop() takes no longer for good manners
constexpr duration delete_limit = 3s;

std::optional<duration> retry_after(const http::response& reply) {
    for (const auto& [name, value] : reply.headers) {
        unsigned seconds = 0;
        const auto* end = value.data() + value.size();
        if (boost::beast::iequals(name, "Retry-After") &&
            std::from_chars(value.data(), end, seconds).ec == std::errc{})
            return std::chrono::seconds(std::min(seconds, 86'400u));
    }
    return std::nullopt;
}

// {"error":{"message":…}} or the first line.
std::string answer_text(const http::response& reply) {
    const auto status = static_cast<unsigned>(reply.status);
    auto text = "the gateway answered " + std::to_string(status);
    const auto said = refusal_text(reply.body);
    return said.empty() ? text : text + ": " + said;
}

} // namespace

struct gateway_session::impl final : link_listener {
    impl(session_settings s, session_listener& l)
        : settings(std::move(s)), listener(l),
          stream(settings.stream.empty() ? "element-" + random_hex(8) : settings.stream),
          queue(settings.queue_bytes, settings.queue_time), params(settings.params),
          fsm(settings.first_retry, settings.last_retry), tasks(io.get_executor(), log),
          changed(io.get_executor()) {}

    // --- the owner's threads ---------------------------------------------------------------------

    void start();
    void stop();
    void input_unit(media::access_unit unit);

    template <class Work>
    void on_thread(Work work) {
        asio::post(io, std::move(work));
    }

    // --- the session's thread --------------------------------------------------------------------

    void begin();
    void perform(const session_actions& actions);
    void run();
    void broken(const char* what);
    awaitable<void> open(unsigned attempt);
    awaitable<void> ask(unsigned attempt);
    awaitable<void> watch_time();
    awaitable<void> shut_down();
    awaitable<void> say_farewell(std::shared_ptr<session_link> left);
    void connected();
    void close_link();
    void wake();
    void update(std::string text);

    double chance() { return std::uniform_real_distribution<double>(0, 1)(random); }

    // link_listener
    std::vector<input_item> take_input() override {
        const std::lock_guard lock(guard);
        return queue.take();
    }

    void link_wants_keyframe() override {
        if (!stopped)
            listener.keyframe_wanted();
    }

    void link_format(const media::stream_format& format) override {
        if (!stopped)
            listener.output_format(format);
    }

    void link_unit(media::access_unit unit) override {
        if (stopped)
            return;
        {
            const std::lock_guard lock(guard);
            ++numbers.units_out;
            numbers.bytes_out += unit.data.size();
        }
        listener.output_unit(std::move(unit));
    }

    void link_event(const std::string& type, const boost::json::object& data) override {
        if (stopped)
            return;
        if (type == "swap") {
            const std::lock_guard lock(guard);
            ++numbers.swaps;
        }
        listener.event(type, data);
    }

    void link_lost(const std::string& reason, bool replaced) override {
        const auto now = steady_clock::now();
        bool idle = false;
        {
            const std::lock_guard lock(guard);
            idle = now - newest_input > session_fsm::idle_after;
        }
        perform(fsm.lost(reason, now, chance(), idle, replaced));
    }

    void link_drained() override { perform(fsm.drained()); }

    const session_settings settings;
    session_listener& listener;
    const std::string stream;
    const logger log{"stream " + stream};

    asio::io_context io{1};
    std::optional<asio::executor_work_guard<asio::io_context::executor_type>> work;
    std::thread thread;
    std::atomic<bool> stopped{false};

    // Under `guard`.
    mutable std::mutex guard;
    input_queue queue;
    session_stats numbers;
    bool wake_posted = false, keyframe_due = false;
    time_point newest_input{}; // or when the door opened last

    // The session's thread.
    std::string params;
    unsigned params_version = 0, opened_version = 0; // of `params`, and of what the gateway has
    std::minstd_rand random{std::random_device{}()};
    http::client_options client;
    session_fsm fsm;
    task_group tasks;
    notifier changed; // fsm.due()
    unsigned attempt = 0;
    open_door door; // of the attempt that succeeded
    http::header_list access;
    std::shared_ptr<session_link> link;
    std::vector<std::weak_ptr<session_link>> parted; // abandoned, or saying farewell
};

void gateway_session::impl::start() {
    if (thread.joinable() || stopped)
        return;
    work.emplace(io.get_executor());
    asio::post(io, [this] { begin(); });
    thread = std::thread([this] {
        pthread_setname_np(pthread_self(), "livepeerai");
        run();
    });
}

// Goes on after an exception, which would end the whole program here: stop() needs the thread.
void gateway_session::impl::run() {
    while (!io.stopped()) {
        try {
            io.run();
        } catch (const std::exception& e) {
            broken(e.what());
        } catch (...) {
            broken("unknown exception");
        }
    }
}

void gateway_session::impl::broken(const char* what) {
    try {
        log.error("internal error: {}", what);
        perform(fsm.refuse(std::string("internal error: ") + what));
    } catch (const std::exception& e) {
        log.error("internal error: {}", e.what());
    } catch (...) {
        log.error("internal error: the listener fails");
    }
}

void gateway_session::impl::begin() {
    client.connect_timeout = settings.connect_timeout;
    client.write_timeout = write_limit;
    client.user_agent = "livepeerai/" RIVULET_VERSION;
    auto tls =
        http::client_tls(settings.tls_verify ? http::tls_verify::full : http::tls_verify::none);
    auto request = make_door_request(settings, stream, params);
    if (!request || !tls) {
        perform(fsm.refuse(request ? tls.error().detail : request.error().detail));
        return;
    }
    client.tls = *tls;
    tasks.spawn("clock", watch_time());
    perform(fsm.start());
}

void gateway_session::impl::perform(const session_actions& actions) {
    using kind = session_action::kind;
    for (const auto& action : actions) {
        if (stopped)
            return;
        switch (action.what) {
        case kind::open:
            tasks.spawn("open", open(++attempt));
            break;
        case kind::close:
            close_link();
            break;
        case kind::end_input:
            if (link)
                link->finish();
            break;
        case kind::tell_connected:
            connected();
            break;
        case kind::tell_lost:
            log.info("lost: {}", action.reason);
            listener.lost(action.reason, action.retry);
            break;
        case kind::tell_refused:
            log.info("refused: {}", action.reason);
            listener.refused(action.status, action.reason);
            break;
        case kind::tell_drained:
            log.debug("drained");
            listener.drained();
            break;
        }
    }
    changed.notify_all();
}

awaitable<void> gateway_session::impl::open(unsigned mine) {
    door_failure why;
    try {
        co_await ask(mine);
        co_return;
    } catch (const std::exception& e) {
        why.reason = std::string("internal error: ") + e.what();
    }
    if (stopped)
        co_return;
    log.error("{}", why.reason);
    const auto now = steady_clock::now();
    if (fsm.at() == session_fsm::phase::live)
        perform(fsm.lost(why.reason, now, chance(), false));
    else if (mine == attempt)
        perform(fsm.open_failed(why, now, chance()));
}

awaitable<void> gateway_session::impl::ask(unsigned mine) {
    log.debug("asking {}, attempt {}", settings.gateway, mine);
    auto request = make_door_request(settings, stream, params);
    if (!request) { // begin() has seen it pass
        perform(fsm.refuse(request.error().detail));
        co_return;
    }
    opened_version = params_version;
    auto reply = co_await http::fetch(
        client,
        http::verb::post,
        request->url,
        request->headers,
        request->body,
        door_limit,
        reply_bytes
    );
    const auto now = steady_clock::now();
    door_failure why;
    if (!reply) {
        why.reason = reply.error().detail;
    } else if (http::beast_http::to_status_class(reply->status) == http::beast_http::status_class::successful) {
        auto opened = read_door_reply(*request, reply->body);
        if (opened) {
            if (mine != attempt || stopped) {
                // Nobody waits for it any more: the name is free again at once.
                http::header_list none;
                co_await http::fetch(
                    client,
                    http::verb::delete_,
                    opened->publish_url,
                    std::move(none),
                    std::string(),
                    stopped ? farewell : delete_limit,
                    reply_bytes
                );
                co_return;
            }
            door = std::move(*opened);
            if (door.place.stream.empty())
                door.place.stream = stream;
            access = std::move(request->headers);
            perform(fsm.opened(now));
            co_return;
        }
        why.reason = opened.error().detail;
        why.status = static_cast<int>(reply->status);
        why.hopeless = true;
    } else {
        why.status = static_cast<int>(reply->status);
        why.reason = answer_text(*reply);
        why.retry_after = retry_after(*reply);
        why.hopeless = is_hopeless(why.status);
    }
    if (mine == attempt)
        perform(fsm.open_failed(why, now, chance()));
}

void gateway_session::impl::connected() {
    bool begins = false;
    {
        const std::lock_guard lock(guard);
        numbers.reconnects += numbers.connects > 0;
        ++numbers.connects;
        numbers.connected = true;
        newest_input = steady_clock::now();
        begins = queue.begin(fresh, newest_input);
    }
    link = std::make_shared<session_link>(io.get_executor(), door, client, access, *this, log);
    const auto opened = link;
    log.info("connected, {}", door.place.stream_id);
    listener.connected(door.place);
    if (opened != link)
        return;
    if (params_version != opened_version)
        link->send_params(params);
    link->start();
    if (!begins && fsm.at() == session_fsm::phase::live)
        listener.keyframe_wanted();
}

void gateway_session::impl::close_link() {
    ++attempt; // an answer that is on its way is not wanted
    const auto left = std::exchange(link, nullptr);
    {
        const std::lock_guard lock(guard);
        numbers.connected = false;
        queue.hold();
    }
    if (!left)
        return;
    std::erase_if(parted, [](const auto& one) { return one.expired(); });
    parted.push_back(left);
    // One that is over has told the gateway, or lost it.
    if (fsm.at() == session_fsm::phase::over)
        tasks.spawn("farewell", say_farewell(left));
    else
        left->abandon();
}

awaitable<void> gateway_session::impl::say_farewell(std::shared_ptr<session_link> left) {
    co_await left->close();
}

awaitable<void> gateway_session::impl::watch_time() {
    while (!stopped && fsm.at() != session_fsm::phase::over) {
        if (fsm.due() > steady_clock::now())
            co_await changed.wait_until(fsm.due());
        else
            perform(fsm.tick(steady_clock::now()));
    }
}

void gateway_session::impl::wake() {
    bool keyframe = false;
    {
        const std::lock_guard lock(guard);
        wake_posted = false;
        keyframe = std::exchange(keyframe_due, false);
    }
    if (stopped)
        return;
    if (keyframe)
        listener.keyframe_wanted();
    if (link)
        link->input_ready();
    else
        perform(fsm.input(steady_clock::now()));
}

void gateway_session::impl::input_unit(media::access_unit unit) {
    if (stopped)
        return;
    bool post = false;
    {
        const std::lock_guard lock(guard);
        ++numbers.units_in;
        numbers.bytes_in += unit.data.size();
        newest_input = steady_clock::now();
        const auto taken = queue.push(std::move(unit), newest_input);
        keyframe_due = keyframe_due || taken == input_queue::taken::overflow;
        post = !std::exchange(wake_posted, true);
    }
    if (post)
        on_thread([this] { wake(); });
}

void gateway_session::impl::update(std::string text) {
    if (!is_json_object(text)) {
        boost::json::object data;
        data["message"] = "the parameters were not taken: not a JSON object";
        listener.event("warning", data);
        return;
    }
    params = std::move(text);
    ++params_version;
    if (link)
        link->send_params(params);
}

// The gateway hears of the end when that is possible at once; then everything closes.
awaitable<void> gateway_session::impl::shut_down() {
    using namespace asio::experimental::awaitable_operators;
    ++attempt;
    const auto left = std::exchange(link, nullptr);
    changed.notify_all();
    const auto until = steady_clock::now() + farewell;
    if (left) {
        parted.push_back(left);
        auto closing = say_farewell(left);
        co_await (std::move(closing) || expire_after(farewell));
    }
    // A door that opens too late is shut again.
    co_await tasks.join(until - steady_clock::now());
    tasks.close();
    for (const auto& one : parted)
        if (const auto held = one.lock())
            held->abandon();
    co_await tasks.join(farewell);
    for (const auto& one : parted)
        if (const auto held = one.lock())
            co_await held->gone(farewell);
}

void gateway_session::impl::stop() {
    if (stopped.exchange(true) || !thread.joinable())
        return;
    asio::post(io, [this] {
        asio::co_spawn(io, shut_down(), [this](std::exception_ptr) { io.stop(); });
    });
    thread.join();
    work.reset();
}

gateway_session::gateway_session(session_settings settings, session_listener& listener)
    : impl_(std::make_unique<impl>(std::move(settings), listener)) {}

gateway_session::~gateway_session() {
    stop();
}

void gateway_session::start() {
    impl_->start();
}

void gateway_session::stop() {
    impl_->stop();
}

void gateway_session::input_format(const media::stream_format& format) {
    const std::lock_guard lock(impl_->guard);
    impl_->queue.push(format);
}

void gateway_session::input_unit(media::access_unit unit) {
    impl_->input_unit(std::move(unit));
}

void gateway_session::update(std::string params) {
    impl_->on_thread([session = impl_.get(), params = std::move(params)]() mutable {
        if (!session->stopped)
            session->update(std::move(params));
    });
}

void gateway_session::finish(duration limit) {
    const auto until = steady_clock::now() + limit;
    impl_->on_thread([session = impl_.get(), until] {
        if (!session->stopped)
            session->perform(session->fsm.finish(until));
    });
}

session_stats gateway_session::stats() const {
    const std::lock_guard lock(impl_->guard);
    auto numbers = impl_->numbers;
    numbers.units_dropped = impl_->queue.dropped();
    numbers.queued_bytes = impl_->queue.bytes();
    return numbers;
}

} // namespace rivulet::element
