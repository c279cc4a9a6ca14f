// One external runner: who it is, how it is, and whether a job of ours is on it. Asks for its
// health while the worker runs.
// Thread: any, but for end(), which runs on the executor.
// Fails with (ask): connect_failed, timed_out, too_large.
#pragma once

#include "base/asio.hpp"
#include "base/log.hpp"
#include "base/task_group.hpp"
#include "http/client.hpp"
#include "session/capabilities.hpp"
#include "worker/runner_health.hpp"

#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

namespace rivulet::worker {

struct runner_options {
    std::string url;                 // no final slash
    std::string token;               // bearer; may be empty
    std::optional<runner_kind> kind; // nothing: it is asked
    std::vector<std::string> models; // names for gateways; empty: the runner's own
    http::client_options client;

    runner_options() {}
};

class runner_link : public std::enable_shared_from_this<runner_link> {
  public:
    runner_link(runner_options options, asio::any_io_executor executor, logger log);

    // What is known once the runner has answered for the first time.
    struct facts {
        runner_kind kind = runner_kind::ai;
        session::capability_id capability = session::capability::live_video_to_video;
        std::string own_model; // as it calls it itself; may be empty
        std::vector<std::string> models;
        std::string version;
        std::optional<session::hardware_info> hardware;
    };

    std::optional<facts> known() const;

    const std::string& url() const { return options_.url; }

    // True when it was free; it is the caller's then, until give_back().
    bool take();
    void give_back();
    bool ready() const;
    bool busy() const;
    bool lost() const;

    // Asks for its health again and again, until end(). Any thread.
    void watch();
    // Takes no job any more; nothing of it is left on the executor afterwards.
    static awaitable<void> end(std::shared_ptr<runner_link> self);

    // One request; the reply may have any status.
    awaitable<outcome<http::response>>
    ask(http::verb method,
        std::string path,
        std::string content_type,
        std::string body,
        duration limit,
        std::size_t reply_limit) const;

    // The same in pieces: a connection, and what goes on it first.
    awaitable<outcome<http::connection_ptr>> connect() const;
    http::client_request
    request_for(http::verb method, std::string path, std::string content_type) const;

  private:
    http::header_list headers_for(std::string content_type) const;
    static awaitable<void> keep_looking(std::shared_ptr<runner_link> self);
    awaitable<void> look();
    awaitable<outcome<facts>> introduce() const;
    bool ok_is_ready() const;
    void hurry();

    runner_options options_;
    asio::any_io_executor executor_;
    logger log_;
    asio::steady_timer timer_; // the executor's, as the tasks
    task_group tasks_;

    mutable std::mutex guard_; // of what follows
    std::optional<facts> facts_;
    runner_health health_;
    bool busy_ = false;
    bool stopped_ = false;
    bool was_ready_ = false;  // for the log
    bool complained_ = false; // that it does not answer
};

bool is_success(const http::response& reply);

// A runner that is taken; given back when this goes.
class runner_lease {
  public:
    runner_lease() = default;

    explicit runner_lease(std::shared_ptr<runner_link> taken) : link_(std::move(taken)) {}

    runner_lease(runner_lease&&) noexcept = default;

    runner_lease& operator=(runner_lease&& other) noexcept {
        release();
        link_ = std::move(other.link_);
        return *this;
    }

    ~runner_lease() { release(); }

    explicit operator bool() const { return link_ != nullptr; }

    runner_link* operator->() const { return link_.get(); }

    const std::shared_ptr<runner_link>& link() const { return link_; }

    void release() {
        if (auto link = std::move(link_))
            link->give_back();
        link_ = nullptr;
    }

  private:
    std::shared_ptr<runner_link> link_;
};

} // namespace rivulet::worker
