// A still picture made on a thread of its own, asked for by a shard that looks again later.
#pragma once

#include "media/still_picture.hpp"

#include <atomic>
#include <memory>
#include <mutex>
#include <optional>
#include <vector>

namespace rivulet::live {

class still_request {
  public:
    // Queues the work; one thread of the process does it in order. Beyond so many waiting ones the
    // oldest fails. The blocks are held until it is done.
    static constexpr std::size_t max_waiting = 256;
    static std::shared_ptr<still_request> make(std::vector<bytes> ts);

    // The picture or the reason why there is none, once; nothing yet while it is being made.
    std::optional<outcome<media::still_picture>> take();

    // Nobody will look any more.
    void abandon() { abandoned_ = true; }

    // For the working thread.
    void work();
    void fail(failure why);

  private:
    std::vector<bytes> ts_;
    std::atomic<bool> abandoned_{false};
    std::mutex lock_;
    std::optional<outcome<media::still_picture>> answer_;
};

} // namespace rivulet::live
