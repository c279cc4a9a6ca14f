// The trickle door of a gateway whose answers a test writes. Its channels are real ones; unless
// told otherwise the output is the input itself.
// Thread: the test's; everything blocks for at most a few seconds.
#pragma once

#include "base/shards.hpp"
#include "http/server.hpp"
#include "trickle/channel_table.hpp"
#include "trickle/server.hpp"

#include <deque>
#include <future>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

namespace rivulet::test {

class scripted_door {
  public:
    struct asked {
        std::string path, authorization, body;
    };

    explicit scripted_door(std::uint16_t port = 0, http::tls_context tls = {});
    ~scripted_door();
    scripted_door(const scripted_door&) = delete;
    scripted_door& operator=(const scripted_door&) = delete;

    std::uint16_t port() const { return port_; }

    std::string url() const;

    // The next request is answered so; when there is no such answer left, a door opens.
    void answer_next(http::response reply);
    // Doors opened from now on have an output of their own, which publish() writes.
    void separate_output();
    // Without the channel of parameters.
    void no_control();

    std::vector<asked> requests();
    // Bodies of POST …/update.
    std::vector<std::string> updates();

    // Channels by the number of the door, from 1: "in", "out", "control", "events".
    void publish(int door, const std::string& channel, const std::string& text);
    bool exists(int door, const std::string& channel);
    void remove(int door, const std::string& channel);
    // Whole segments that arrived on it so far; it must be "in" or "control".
    std::vector<std::string> segments(int door, const std::string& channel);

  private:
    struct recording {
        std::vector<std::string> whole;
        std::string open;
    };

    http::response open(const http::request& request);
    static awaitable<void> record(trickle::channel_ptr source, std::shared_ptr<recording> into);
    static std::string name_of(int door, const std::string& channel);

    template <class Work>
    auto on_shard(Work work) {
        std::packaged_task<std::invoke_result_t<Work>()> task(std::move(work));
        auto done = task.get_future();
        asio::post(shards_.at(0), std::move(task));
        return done.get();
    }

    shards shards_{1};
    trickle::channel_table table_;
    trickle::server trickle_;
    http::server front_;
    std::uint16_t port_ = 0;
    bool secure_ = false;

    std::mutex mutex_;
    std::deque<http::response> answers_;
    std::vector<asked> requests_;
    std::vector<std::string> updates_;
    std::map<std::string, std::shared_ptr<recording>> recordings_;
    int doors_ = 0;
    bool separate_ = false, control_ = true;
};

} // namespace rivulet::test
