// An orchestrator whose answers a test writes. Its channels are real ones, served by the real
// trickle server; what a gateway writes into them is kept, and what the test says comes out of
// them. Thread: the test's; everything blocks for at most a few seconds.
#pragma once

#include "base/shards.hpp"
#include "http/server.hpp"
#include "trickle/channel_table.hpp"
#include "trickle/server.hpp"

#include <functional>
#include <future>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <type_traits>
#include <vector>

namespace rivulet::test {

class fake_orchestrator {
  public:
    struct received_job {
        std::string id;                             // empty when it was refused
        std::map<std::string, std::string> headers; // lower-case names
        std::string body;
    };

    fake_orchestrator();
    ~fake_orchestrator();

    // "http://127.0.0.1:PORT"
    const std::string& url() const { return url_; }

    std::uint16_t port() const { return port_; }

    // How the next jobs are answered; take_job() unless set. Runs on a shard.
    using answer = std::function<http::response(fake_orchestrator&, const http::request&)>;
    void answer_with(answer a);
    // Creates the four channels and says where they are.
    http::response take_job();
    // The same with parts of the answer replaced ("publish_url" → …).
    http::response take_job(const std::map<std::string, std::string>& replaced);

    // From now on everything written to a job's input appears at its output, byte for byte.
    void echo();

    // Nothing of this job appears at its output any more; it takes its input all the same.
    void mute(const std::string& job);

    std::vector<received_job> jobs();
    std::string last_job(); // its id; throws when there is none within some seconds

    // Every whole segment that arrived so far on "control" or "" (input) of the job.
    std::vector<std::string> segments(const std::string& job, const std::string& channel);
    std::size_t bytes(const std::string& job, const std::string& channel);
    bool exists(const std::string& job, const std::string& channel);
    void publish(const std::string& job, const std::string& channel, const std::string& text);
    // As a runner does that fails: the channel ends and answers 404 from then on.
    void remove(const std::string& job, const std::string& channel);

  private:
    struct recording {
        std::vector<std::string> segments;
        std::string open;
        std::size_t bytes = 0;
        bool muted = false; // no echo
    };

    static std::string name_of(const std::string& job, const std::string& channel) {
        return channel.empty() ? job : job + "-" + channel;
    }

    awaitable<http::response> handle(const http::request& request);
    awaitable<void> create(std::string job);
    static awaitable<void>
    record(trickle::channel_ptr source, std::shared_ptr<recording> into, trickle::channel_ptr echo);

    template <class Work>
    auto at_home(const std::string& name, Work work) {
        std::packaged_task<std::invoke_result_t<Work>()> task(std::move(work));
        auto done = task.get_future();
        // In a lambda: Asio treats a bare packaged_task in a way that depends on what is included.
        asio::post(table_.home(name), [&task] { task(); });
        return done.get();
    }

    shards shards_{1};
    trickle::channel_table table_;
    trickle::server trickle_;
    http::server front_;
    std::uint16_t port_ = 0;
    std::string url_;

    std::mutex mutex_;
    answer answer_;
    bool echo_ = false;
    std::vector<received_job> jobs_;
    std::map<std::string, std::shared_ptr<recording>> recordings_; // by channel; home shard
    int last_id_ = 0;
};

} // namespace rivulet::test
