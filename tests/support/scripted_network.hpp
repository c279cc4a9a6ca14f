// A network for tests of the session manager: orchestrators that are a table of this process. Each
// one's answer to discovery is what a test last put there.
// Thread: any.
#pragma once

#include "session/discovery.hpp"

#include <fmt/core.h>

#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

namespace rivulet::test {

inline session::orchestrator_info offer(
    const std::string& url,
    const std::string& model,
    session::capability_id id = session::capability::live_video_to_video,
    std::uint32_t capacity = 1,
    bool warm = true
) {
    session::orchestrator_info out;
    out.transcoder = url;
    out.address = std::string(20, '\0');
    auto table = session::wanted_capabilities(id, model);
    table.version = "0.9.1";
    auto& row = table.models[static_cast<std::uint32_t>(id)][model];
    row.warm = warm;
    row.capacity = capacity;
    out.capabilities = std::move(table);
    session::auth_token token;
    token.token = "t";
    token.session_id = "s";
    token.expiration = 4'000'000'000;
    out.token = token;
    return out;
}

class scripted_network : public session::info_source, public session::candidate_source {
  public:
    struct place {
        outcome<session::info_ptr> says = failure(errc::connect_failed, "connection refused");
        duration after{}; // how long it takes to answer
        duration latency = std::chrono::milliseconds(10);
        int asked = 0;
        int ignored_capacity = 0; // of them
    };

    void put(const std::string& address, session::orchestrator_info info, duration latency) {
        const std::scoped_lock lock(guard_);
        auto& one = places_[address];
        one.says = std::make_shared<const session::orchestrator_info>(std::move(info));
        one.latency = latency;
    }

    void put(const std::string& address, session::orchestrator_info info) {
        put(address, std::move(info), std::chrono::milliseconds(10));
    }

    // Answers by its own address.
    void put(const session::orchestrator_info& info) { put(info.transcoder, info); }

    void refuse(const std::string& address, failure why) {
        const std::scoped_lock lock(guard_);
        places_[address].says = std::move(why);
    }

    void remove(const std::string& address) {
        const std::scoped_lock lock(guard_);
        places_.erase(address);
    }

    void delay(const std::string& address, duration by) {
        const std::scoped_lock lock(guard_);
        places_[address].after = by;
    }

    int asked(const std::string& address) {
        const std::scoped_lock lock(guard_);
        return places_[address].asked;
    }

    int asked_ignoring_capacity(const std::string& address) {
        const std::scoped_lock lock(guard_);
        return places_[address].ignored_capacity;
    }

    int asked() {
        const std::scoped_lock lock(guard_);
        int all = 0;
        for (const auto& [address, one] : places_)
            all += one.asked;
        return all;
    }

    awaitable<outcome<session::info_answer>>
    ask(std::string address, session::info_question question, duration limit) override {
        place now;
        {
            const std::scoped_lock lock(guard_);
            auto& one = places_[address];
            ++one.asked;
            one.ignored_capacity += question.ignore_capacity ? 1 : 0;
            now = one;
        }
        if (now.after > duration::zero()) {
            asio::steady_timer timer(
                co_await asio::this_coro::executor, std::min(now.after, limit)
            );
            co_await timer.async_wait(as_tuple);
            if (now.after > limit)
                co_return failure(errc::timed_out, "no answer in time");
        }
        if (!now.says)
            co_return now.says.error();
        session::info_answer out;
        out.info = *now.says;
        out.latency = now.latency;
        co_return out;
    }

    awaitable<outcome<std::vector<session::candidate>>> candidates() override {
        const std::scoped_lock lock(guard_);
        std::vector<session::candidate> out;
        for (const auto& [address, one] : places_)
            out.emplace_back(address);
        co_return out;
    }

  private:
    std::mutex guard_;
    std::map<std::string, place> places_;
};

} // namespace rivulet::test
