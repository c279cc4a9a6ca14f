// A trickle server on loopback for tests: two shards, a free port, and a look inside.
// Thread: the test's.
#pragma once

#include "support/raw_http.hpp"
#include "trickle/standalone.hpp"

#include <future>
#include <memory>
#include <type_traits>

namespace rivulet::test {

class trickle_rig {
  public:
    // Autocreate is on unless `options` come from elsewhere than defaults().
    static trickle::standalone_options defaults();
    explicit trickle_rig(trickle::standalone_options options = defaults());
    ~trickle_rig();

    std::uint16_t port() const { return port_; }

    raw_client client() const { return raw_client(port_); }

    raw_reply ask(std::string_view request) const { return test::ask(port_, request); }

    // One whole segment; the reply.
    raw_reply post(const std::string& path, std::string_view body) const {
        return ask(request_with_body("POST", path, body));
    }

    raw_reply get(const std::string& path) const { return ask(request_text("GET", path)); }

    // A GET whose reply is not awaited, and an open POST that has only sent its head.
    raw_client waiting_get(const std::string& path) const;
    raw_client open_post(const std::string& path, std::string_view extra = {}) const;

    // Runs `work` on the home shard of `name` and returns what it returns.
    template <class Work>
    auto at_home(const std::string& name, Work work) {
        std::packaged_task<std::invoke_result_t<Work>()> task(std::move(work));
        auto done = task.get_future();
        asio::post(shards_.of(name), std::move(task));
        return done.get();
    }

    std::int64_t next_of(const std::string& name);
    // Readers and writers attached to a segment; it is created when it is the awaited one.
    std::size_t watchers_of(const std::string& name, std::int64_t seq);

    trickle::channel_table& table() { return server_->table(); }

    const trickle::server_counters& counters() const { return server_->counters(); }

    shards& all_shards() { return shards_; }

    void stop(milliseconds drain) { server_->stop(drain); }

  private:
    shards shards_{2};
    std::unique_ptr<trickle::standalone> server_;
    std::uint16_t port_ = 0;
};

// Asks again and again until the condition holds; false after `limit`.
template <class Condition>
bool eventually(Condition holds, milliseconds limit = milliseconds(5000)) {
    const auto until = steady_clock::now() + limit;
    while (!holds()) {
        if (steady_clock::now() > until)
            return false;
        std::this_thread::sleep_for(milliseconds(2));
    }
    return true;
}

} // namespace rivulet::test
