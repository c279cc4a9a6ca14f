// Where every stream's events meet those who watch them: publishers joining and leaving, states,
// errors, parameters, the runner's own events, viewers. Streams live on many shards and watchers on
// the WebSocket host's thread, so this is one of the few places with a lock; it is held for an
// append.
// Thread: any.
#pragma once

#include "live/event_log.hpp"

#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace rivulet::live {

class event_hub : public std::enable_shared_from_this<event_hub> {
  public:
    // Numbers begin at the clock's milliseconds: they go on rising over a restart.
    explicit event_hub(event_log_limits limits = {});
    event_hub(std::uint64_t last, event_log_limits limits);

    void publish(std::string_view stream, std::string_view type, const boost::json::object& data);

    // One reader's place. Thread: one at a time.
    class watch {
      public:
        ~watch();
        watch(const watch&) = delete;
        watch& operator=(const watch&) = delete;

        // The next event; nothing when there is none yet: wait for `wake`.
        event_log::text next();

        std::uint64_t cursor() const { return cursor_; }

      private:
        friend class event_hub;
        watch(std::shared_ptr<event_hub> hub, std::string stream, std::uint64_t cursor);

        std::shared_ptr<event_hub> hub_;
        std::string stream_;
        std::uint64_t cursor_;
        std::function<void()> wake_;
    };

    // Events of `stream` (empty: of all) with numbers above `after`; without one, those to come.
    // `after` 0 means everything kept. `wake` is called by publishing threads, under the hub's
    // lock: it must only post.
    std::unique_ptr<watch>
    begin(std::string stream, std::optional<std::uint64_t> after, std::function<void()> wake);

    std::uint64_t last() const;
    std::size_t watchers() const;

  private:
    mutable std::mutex guard_;
    event_log log_;
    std::vector<watch*> watches_;
};

} // namespace rivulet::live
