#include "http/websocket_host.hpp"

#include "http/server.hpp"

#include <libwebsockets.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <condition_variable>
#include <csignal>
#include <mutex>
#include <pthread.h>
#include <set>
#include <thread>
#include <unistd.h>
#include <utility>
#include <vector>

namespace rivulet::http {
namespace {

constexpr auto goodbye = std::chrono::seconds(1); // for close frames at the end
constexpr unsigned handshake_seconds = 10;
constexpr std::size_t reason_bytes = 123; // of a close frame
// Of one connection's compressor: the messages are small and alike, and zlib's defaults take a
// quarter of a megabyte.
constexpr const char* window_bits = "12";
constexpr const char* memory_level = "5";

constexpr const char* protocol_name = "rivulet";
constexpr const char* deflate_name = "permessage-deflate";

// libwebsockets knows one log for the whole process. What it says concerns single connections.
void log_line(int, const char* line) {
    static const logger log("libwebsockets");
    std::string_view text(line);
    while (text.ends_with('\n'))
        text.remove_suffix(1);
    log.debug("{}", text);
}

void close_socket(int socket) {
    ::close(socket);
}

} // namespace

struct websocket_host::core : std::enable_shared_from_this<core> {
    core(websocket_options o, logger l) : options(o), log(std::move(l)) {}

    struct peer : std::enable_shared_from_this<peer> {
        std::shared_ptr<websocket_session> session;
        lws* wsi = nullptr;
        bool open = false;
        bool leaving = false;   // the host stops
        bool too_large = false; // what the peer sent
        bool ending = false;    // the close frame is under way, its answer is awaited
        std::string incoming;
        std::atomic<bool> woken{false};
    };

    struct handed_over {
        int socket;
        std::string head;
        std::shared_ptr<peer> to;
    };

    outcome<void> start();
    void stop();
    void hand_over(int socket, std::string head, std::shared_ptr<websocket_session> session);
    void wake(const std::shared_ptr<peer>& one);
    bool take_slot();

    // Host's thread.
    void run();
    void take_commands();
    void adopt(handed_over given);
    void say_goodbye();
    int event(lws* wsi, lws_callback_reasons reason, void* in, std::size_t size);
    int opened(lws* wsi, peer& one);
    int writable(lws* wsi, peer& one);
    int received(lws* wsi, peer& one, std::string_view piece);
    int close(lws* wsi, peer& one, int code, std::string_view reason);
    void gone(peer& one);
    static int callback(lws* wsi, lws_callback_reasons reason, void*, void* in, std::size_t size);

    websocket_options options;
    logger log;

    std::mutex guard;
    std::condition_variable ended;
    std::vector<handed_over> handed;
    std::vector<std::shared_ptr<peer>> woken;
    bool running = false; // the context takes wake-ups
    bool stopping = false, kill = false, finished = false;

    std::atomic<std::size_t> connections{0}; // slots taken
    std::atomic<std::uint64_t> accepted{0}, messages_out{0}, bytes_out{0};

    // Host's thread.
    lws_context* context = nullptr;
    std::set<std::shared_ptr<peer>> peers;
    std::shared_ptr<peer> adopting; // the library's callbacks come before its call returns
    std::vector<unsigned char> room;
    lws_retry_bo_t liveness{};
    std::array<lws_protocols, 2> protocols{};
    std::array<lws_extension, 2> extensions{};
    std::thread thread;
};

outcome<void> websocket_host::core::start() {
    lws_set_log_level(LLL_ERR | LLL_WARN, log_line);
    protocols[0] = {protocol_name, callback, 0, options.message_bytes, 0, nullptr, 0};
    extensions[0] = {deflate_name, lws_extension_callback_pm_deflate, deflate_name};
    const auto seconds = [](duration d) {
        return static_cast<std::uint16_t>(
            std::clamp<std::int64_t>(std::chrono::ceil<std::chrono::seconds>(d).count(), 1, 3600)
        );
    };
    liveness.secs_since_valid_ping = seconds(options.ping_after);
    liveness.secs_since_valid_hangup = seconds(options.hang_up_after);
    lws_context_creation_info info{};
    info.port = CONTEXT_PORT_NO_LISTEN_SERVER;
    info.protocols = protocols.data();
    info.extensions = extensions.data();
    info.gid = static_cast<gid_t>(-1);
    info.uid = static_cast<uid_t>(-1);
    info.user = this;
    info.timeout_secs = handshake_seconds;
    info.retry_and_idle_policy = &liveness;
    // Without this it makes room for every descriptor that the process may have.
    info.fd_limit_per_thread = static_cast<unsigned>(options.connections + 16);

    // The library sets the signal's disposition of the process; that is not its business.
    struct sigaction before {};

    ::sigaction(SIGPIPE, nullptr, &before);
    context = lws_create_context(&info);
    ::sigaction(SIGPIPE, &before, nullptr);
    if (!context)
        return failure(errc::unsupported, "libwebsockets can't begin");
    running = true;
    thread = std::thread([this] { run(); });
    return {};
}

bool websocket_host::core::take_slot() {
    if (connections.fetch_add(1) < options.connections)
        return true;
    connections.fetch_sub(1);
    return false;
}

void websocket_host::core::hand_over(
    int socket, std::string head, std::shared_ptr<websocket_session> session
) {
    {
        const std::lock_guard lock(guard);
        if (running && !stopping && take_slot()) {
            auto made = std::make_shared<peer>();
            made->session = std::move(session);
            handed.push_back({socket, std::move(head), std::move(made)});
            lws_cancel_service(context);
            return;
        }
    }
    close_socket(socket);
    session->closed(); // without the guard: sessions have locks of their own
}

void websocket_host::core::wake(const std::shared_ptr<peer>& one) {
    if (one->woken.exchange(true))
        return;
    const std::lock_guard lock(guard);
    if (!running)
        return;
    woken.push_back(one);
    if (woken.size() == 1)
        lws_cancel_service(context);
}

void websocket_host::core::stop() {
    {
        std::unique_lock lock(guard);
        if (!running)
            return;
        stopping = true;
        lws_cancel_service(context);
        ended.wait_for(lock, goodbye, [this] { return finished; });
        kill = true;
        lws_cancel_service(context);
    }
    if (thread.joinable())
        thread.join();
}

// --- the host's thread ---------------------------------------------------------------------------

void websocket_host::core::run() {
    pthread_setname_np(pthread_self(), "websocket");
    bool leaving = false, said_goodbye = false;
    for (;;) {
        take_commands();
        {
            const std::lock_guard lock(guard);
            if (kill)
                break;
            leaving = stopping;
            if (leaving && peers.empty() && !finished) {
                finished = true;
                ended.notify_all();
            }
        }
        if (leaving && !std::exchange(said_goodbye, true))
            say_goodbye();
        if (lws_service(context, 0) < 0)
            break;
    }
    std::vector<handed_over> left;
    {
        const std::lock_guard lock(guard);
        running = false;
        finished = true;
        left.swap(handed);
        woken.clear();
        ended.notify_all();
    }
    for (auto& each : left) {
        close_socket(each.socket);
        gone(*each.to);
    }
    lws_context_destroy(context);
    context = nullptr;
}

void websocket_host::core::take_commands() {
    std::vector<handed_over> new_peers;
    std::vector<std::shared_ptr<peer>> to_ask;
    {
        const std::lock_guard lock(guard);
        new_peers.swap(handed);
        to_ask.swap(woken);
    }
    for (auto& each : new_peers)
        adopt(std::move(each));
    for (const auto& one : to_ask)
        if (one->wsi && one->open)
            lws_callback_on_writable(one->wsi);
}

void websocket_host::core::adopt(handed_over given) {
    adopting = given.to;
    peers.insert(given.to);
    auto* vhost = lws_get_vhost_by_name(context, "default");
    // From here on the socket is the library's, also when it refuses.
    const auto* made =
        lws_adopt_socket_vhost_readbuf(vhost, given.socket, given.head.data(), given.head.size());
    adopting.reset();
    if (!made && given.to->session)
        gone(*given.to);
}

void websocket_host::core::say_goodbye() {
    for (const auto& one : peers) {
        one->leaving = true;
        if (!one->wsi)
            continue;
        if (one->open)
            lws_callback_on_writable(one->wsi);
        else
            lws_set_timeout(one->wsi, PENDING_TIMEOUT_USER_OK, LWS_TO_KILL_ASYNC);
    }
}

int websocket_host::core::callback(
    lws* wsi, lws_callback_reasons reason, void*, void* in, std::size_t size
) {
    auto* owner = wsi ? static_cast<core*>(lws_context_user(lws_get_context(wsi))) : nullptr;
    return owner ? owner->event(wsi, reason, in, size) : 0;
}

int websocket_host::core::event(lws* wsi, lws_callback_reasons reason, void* in, std::size_t size) {
    auto* one = static_cast<peer*>(lws_get_opaque_user_data(wsi));
    switch (reason) {
    case LWS_CALLBACK_SERVER_NEW_CLIENT_INSTANTIATED:
        if (!adopting)
            return -1;
        adopting->wsi = wsi;
        lws_set_opaque_user_data(wsi, adopting.get());
        return 0;
    // Plain HTTP has no business here, see FILTER_PROTOCOL_CONNECTION for what has.
    case LWS_CALLBACK_FILTER_HTTP_CONNECTION:
    case LWS_CALLBACK_HTTP:
    case LWS_CALLBACK_HTTP_BODY:
    case LWS_CALLBACK_HTTP_BODY_COMPLETION:
        return -1;
    case LWS_CALLBACK_HTTP_CONFIRM_UPGRADE: {
        const auto* kind = static_cast<const char*>(in);
        return kind && std::string_view(kind) == "websocket" ? 0 : -1;
    }
    case LWS_CALLBACK_FILTER_PROTOCOL_CONNECTION:
        return one && !one->open && !one->leaving ? 0 : -1;
    case LWS_CALLBACK_ESTABLISHED:
        return one ? opened(wsi, *one) : -1;
    case LWS_CALLBACK_SERVER_WRITEABLE:
        return one ? writable(wsi, *one) : -1;
    case LWS_CALLBACK_RECEIVE:
        return one ? received(wsi, *one, {static_cast<const char*>(in), size}) : -1;
    case LWS_CALLBACK_WSI_DESTROY:
        if (one)
            gone(*one);
        return 0;
    default:
        return 0;
    }
}

int websocket_host::core::opened(lws* wsi, peer& one) {
    // Refused without the extension; before the first message, when the compressor is made.
    lws_set_extension_option(wsi, deflate_name, "server_max_window_bits", window_bits);
    lws_set_extension_option(wsi, deflate_name, "mem_level", memory_level);
    one.open = true;
    ++accepted;
    auto wake_it = [weak_core = weak_from_this(), weak = one.weak_from_this()] {
        auto owner = weak_core.lock();
        auto target = weak.lock();
        if (owner && target)
            owner->wake(target);
    };
    one.session->opened(std::move(wake_it));
    lws_callback_on_writable(wsi);
    return 0;
}

int websocket_host::core::close(lws* wsi, peer& one, int code, std::string_view reason) {
    one.ending = true;
    std::string text(reason.substr(0, reason_bytes));
    lws_close_reason(
        wsi,
        static_cast<lws_close_status>(code),
        reinterpret_cast<unsigned char*>(text.data()),
        text.size()
    );
    return -1;
}

int websocket_host::core::writable(lws* wsi, peer& one) {
    if (one.ending)
        return 0;
    if (one.too_large)
        return close(wsi, one, LWS_CLOSE_STATUS_MESSAGE_TOO_LARGE, "the message is too large");
    if (one.leaving)
        return close(wsi, one, LWS_CLOSE_STATUS_GOINGAWAY, "the gateway is stopping");
    one.woken = false; // before the question: what comes later wakes again
    auto output = one.session->next();
    switch (output.what) {
    case websocket_output::kind::nothing:
        return 0;
    case websocket_output::kind::close:
        return close(wsi, one, output.code, output.reason);
    case websocket_output::kind::text:
        break;
    }
    const auto& text = *output.text;
    room.resize(LWS_PRE + text.size());
    std::copy(text.begin(), text.end(), room.begin() + LWS_PRE);
    if (lws_write(wsi, room.data() + LWS_PRE, text.size(), LWS_WRITE_TEXT) < 0)
        return -1;
    ++messages_out;
    bytes_out += text.size();
    lws_callback_on_writable(wsi);
    return 0;
}

int websocket_host::core::received(lws* wsi, peer& one, std::string_view piece) {
    if (one.ending || one.too_large)
        return 0;
    if (lws_is_first_fragment(wsi))
        one.incoming.clear();
    if (one.incoming.size() + piece.size() > options.message_bytes) {
        // Not closed from here: the library then forgets to send the close frame.
        one.too_large = true;
        one.incoming = {};
        lws_callback_on_writable(wsi);
        return 0;
    }
    one.incoming += piece;
    if (lws_is_final_fragment(wsi)) {
        const auto message = std::move(one.incoming);
        one.incoming = {};
        one.session->received(message);
    }
    return 0;
}

void websocket_host::core::gone(peer& one) {
    one.wsi = nullptr;
    auto session = std::move(one.session);
    if (!session)
        return;
    connections.fetch_sub(1);
    session->closed();
    peers.erase(one.shared_from_this());
}

// --- the owner's side ----------------------------------------------------------------------------

websocket_host::websocket_host(websocket_options options, logger log)
    : core_(std::make_shared<core>(options, std::move(log))) {}

websocket_host::~websocket_host() {
    stop();
}

outcome<void> websocket_host::start() {
    return core_->start();
}

void websocket_host::stop() {
    core_->stop();
}

void websocket_host::adopt(
    int socket, websocket_offer offer, std::shared_ptr<websocket_session> session
) {
    core_->hand_over(socket, upgrade_request(offer), std::move(session));
}

void websocket_host::adopt_raw(
    int socket, std::string head, std::shared_ptr<websocket_session> session
) {
    core_->hand_over(socket, std::move(head), std::move(session));
}

websocket_stats websocket_host::stats() const {
    return {core_->connections, core_->accepted, core_->messages_out, core_->bytes_out};
}

namespace {

// `open` and the request live as long as the call: the route's and the connection's.
awaitable<upgrade_answer> decide(
    std::shared_ptr<websocket_host::core> core, const open_websocket& open, const request& asked
) {
    upgrade_answer answer;
    const auto origin = asked["Origin"];
    if (!core->options.any_origin && !origin.empty() && !same_origin(origin, asked["Host"])) {
        answer.refusal = error_response(
            http::status::forbidden, "pages of another origin may not connect (-cors allows it)"
        );
        co_return answer;
    }
    if (core->connections >= core->options.connections) {
        answer.refusal =
            error_response(http::status::service_unavailable, "too many WebSockets are open");
        co_return answer;
    }
    auto opening = co_await open(asked);
    answer.refusal = std::move(opening.refusal);
    answer.take = [core, session = std::move(opening.session)](int socket, websocket_offer offer) {
        core->hand_over(socket, upgrade_request(offer), session);
    };
    co_return answer;
}

} // namespace

void websocket_host::mount(server& server, const std::string& pattern, open_websocket open) {
    server.upgrade_route(pattern, [core = core_, open = std::move(open)](const request& asked) {
        return decide(core, open, asked);
    });
}

} // namespace rivulet::http
