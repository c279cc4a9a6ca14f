#include "worker/runner_link.hpp"

#include <fmt/format.h>

#include <utility>

namespace rivulet::worker {

namespace {

constexpr duration ask_limit = std::chrono::seconds(5);
constexpr duration at_rest = std::chrono::seconds(5);         // between two looks
constexpr duration at_work = std::chrono::seconds(2);         // with a job on it
constexpr duration until_known = std::chrono::seconds(1);     // not there yet, or not ready
constexpr duration in_doubt = std::chrono::milliseconds(500); // with a job on it, and silent
constexpr duration end_limit = std::chrono::seconds(1);
constexpr std::size_t small_reply = 64 * 1024;

} // namespace

bool is_success(const http::response& reply) {
    return static_cast<unsigned>(reply.status) / 100 == 2;
}

runner_link::runner_link(runner_options options, asio::any_io_executor executor, logger log)
    : options_(std::move(options)), executor_(executor), log_(std::move(log)), timer_(executor),
      tasks_(executor, log_) {}

std::optional<runner_link::facts> runner_link::known() const {
    const std::lock_guard lock(guard_);
    return facts_;
}

bool runner_link::ok_is_ready() const {
    return facts_ && (facts_->kind == runner_kind::stream ||
                      facts_->capability != session::capability::live_video_to_video);
}

bool runner_link::take() {
    const std::lock_guard lock(guard_);
    if (busy_ || stopped_ || !facts_ || !health_.ready(ok_is_ready()))
        return false;
    busy_ = true;
    hurry(); // it is looked at more often now
    return true;
}

void runner_link::give_back() {
    {
        const std::lock_guard lock(guard_);
        busy_ = false;
        // A batch request leaves nothing behind that has to be waited for.
        if (facts_ && facts_->capability == session::capability::live_video_to_video)
            health_.job_ended();
    }
    hurry();
}

bool runner_link::ready() const {
    const std::lock_guard lock(guard_);
    return !busy_ && !stopped_ && facts_ && health_.ready(ok_is_ready());
}

bool runner_link::busy() const {
    const std::lock_guard lock(guard_);
    return busy_;
}

bool runner_link::lost() const {
    const std::lock_guard lock(guard_);
    return health_.lost(steady_clock::now());
}

void runner_link::hurry() {
    asio::post(executor_, [self = shared_from_this()] { self->timer_.cancel(); });
}

void runner_link::watch() {
    asio::post(executor_, [self = shared_from_this()] {
        self->tasks_.spawn("health", keep_looking(self));
    });
}

awaitable<void> runner_link::end(std::shared_ptr<runner_link> self) {
    {
        const std::lock_guard lock(self->guard_);
        self->stopped_ = true;
    }
    self->tasks_.close();
    self->timer_.cancel();
    co_await self->tasks_.join(end_limit);
}

awaitable<void> runner_link::keep_looking(std::shared_ptr<runner_link> self) {
    for (;;) {
        co_await self->look();
        duration pause = at_rest;
        {
            const std::lock_guard lock(self->guard_);
            if (self->stopped_)
                co_return;
            const bool ready = self->facts_ && self->health_.ready(self->ok_is_ready());
            if (ready != self->was_ready_ && !self->busy_) {
                self->was_ready_ = ready;
                self->log_.info("{}", ready ? "ready" : "not ready");
            }
            pause = self->busy_ ? (self->health_.answers() ? at_work : in_doubt)
                    : ready     ? at_rest
                                : until_known;
        }
        self->timer_.expires_after(pause);
        co_await self->timer_.async_wait(as_tuple);
    }
}

awaitable<void> runner_link::look() {
    auto answer = co_await ask(http::verb::get, "/health", {}, {}, ask_limit, small_reply);
    const auto word = answer && is_success(*answer) ? parse_health(answer->body) : std::nullopt;
    bool new_here = false;
    if (word) {
        complained_ = false;
    } else if (!std::exchange(complained_, true)) {
        log_.warn(
            "takes no stream: {}",
            !answer ? answer.error().detail
            : is_success(*answer)
                ? "its GET /health is not a runner's"
                : fmt::format("GET /health answered {}", static_cast<unsigned>(answer->status))
        );
    }
    {
        const std::lock_guard lock(guard_);
        if (word)
            health_.heard(*word, steady_clock::now());
        else
            health_.silent();
        // One that was lost may come back as another.
        if (!word && !busy_ && health_.lost(steady_clock::now()))
            facts_.reset();
        new_here = word && !facts_;
    }
    if (!new_here)
        co_return;
    auto made = co_await introduce();
    if (!made) {
        log_.warn("does not say who it is: {}", made.error().detail);
        co_return;
    }
    log_.info(
        "{} of the {} kind, model \"{}\", version \"{}\"",
        session::pipeline_of(made->capability),
        made->kind == runner_kind::ai ? "ai-runner" : "pytrickle",
        made->models.front(),
        made->version
    );
    const std::lock_guard lock(guard_);
    facts_ = std::move(*made);
}

awaitable<outcome<runner_link::facts>> runner_link::introduce() const {
    facts made;
    if (options_.kind) {
        made.kind = *options_.kind;
    } else {
        auto status =
            co_await ask(http::verb::get, "/stream/status", {}, {}, ask_limit, small_reply);
        if (!status)
            co_return status.error();
        if (is_success(*status))
            made.kind = runner_kind::stream;
    }
    auto version = co_await ask(http::verb::get, "/version", {}, {}, ask_limit, small_reply);
    const auto said =
        parse_version(version && is_success(*version) ? version->body : std::string());
    const auto capability = session::capability_of(said.pipeline);
    if (made.kind == runner_kind::ai && capability && *capability != session::capability::byoc)
        made.capability = *capability;
    made.own_model = said.model;
    made.version = said.version;
    made.models = options_.models;
    if (made.models.empty())
        made.models.push_back(
            !said.model.empty() ? said.model : std::string(session::default_model(made.capability))
        );
    auto hardware = co_await ask(http::verb::get, "/hardware/info", {}, {}, ask_limit, small_reply);
    if (hardware && is_success(*hardware))
        made.hardware = parse_hardware(hardware->body);
    if (made.hardware) {
        made.hardware->pipeline = session::pipeline_of(made.capability);
        made.hardware->model_id = made.models.front();
    }
    co_return made;
}

http::header_list runner_link::headers_for(std::string content_type) const {
    http::header_list made;
    if (!content_type.empty())
        made.emplace_back("Content-Type", std::move(content_type));
    if (!options_.token.empty())
        made.emplace_back("Authorization", "Bearer " + options_.token);
    return made;
}

awaitable<outcome<http::connection_ptr>> runner_link::connect() const {
    auto peer = http::parse_http_url(options_.url);
    if (!peer)
        co_return peer.error();
    co_return co_await http::client_connection::open(*peer, options_.client);
}

http::client_request
runner_link::request_for(http::verb method, std::string path, std::string content_type) const {
    // A runner may live below a path of its own.
    auto peer = http::parse_http_url(options_.url + path);
    http::client_request made(method, peer ? peer->target() : path);
    made.headers = headers_for(std::move(content_type));
    return made;
}

awaitable<outcome<http::response>> runner_link::ask(
    http::verb method,
    std::string path,
    std::string content_type,
    std::string body,
    duration limit,
    std::size_t reply_limit
) const {
    auto headers = headers_for(std::move(content_type));
    auto url = options_.url + path;
    auto reply = co_await http::fetch(
        options_.client,
        method,
        std::move(url),
        std::move(headers),
        std::move(body),
        limit,
        reply_limit
    );
    co_return reply;
}

} // namespace rivulet::worker
