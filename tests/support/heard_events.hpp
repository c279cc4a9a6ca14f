// An operator's message queue that remembers what it was sent.
// Thread: any.
#pragma once

#include "observe/event_queue.hpp"

#include <boost/json/object.hpp>

#include <chrono>
#include <condition_variable>
#include <mutex>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace rivulet::test {

class heard_events final : public observe::event_queue {
  public:
    struct event {
        std::string type;
        boost::json::object data;
    };

    void send(std::string_view type, boost::json::value data) override {
        std::lock_guard hold(guard_);
        auto* object = data.if_object();
        all_.push_back({std::string(type), object ? std::move(*object) : boost::json::object()});
        more_.notify_all();
    }

    std::vector<event> all() const {
        std::lock_guard hold(guard_);
        return all_;
    }

    // "stream_trace/orchestrator_swap", in order.
    std::vector<std::string> names() const {
        std::lock_guard hold(guard_);
        std::vector<std::string> out;
        for (const auto& one : all_)
            out.push_back(name_of(one));
        return out;
    }

    // The first event of that name; waits for it.
    std::optional<boost::json::object>
    wait_for(const std::string& name, std::chrono::milliseconds limit) const {
        std::unique_lock hold(guard_);
        std::optional<boost::json::object> found;
        more_.wait_for(hold, limit, [&] {
            for (const auto& one : all_)
                if (!found && name_of(one) == name)
                    found = one.data;
            return found.has_value();
        });
        return found;
    }

  private:
    static std::string name_of(const event& one) {
        const auto* type = one.data.if_contains("type");
        const auto* text = type ? type->if_string() : nullptr;
        return text ? one.type + '/' + std::string(*text) : one.type;
    }

    mutable std::mutex guard_;
    mutable std::condition_variable more_;
    std::vector<event> all_;
};

} // namespace rivulet::test
