#include "live/still_request.hpp"

#include <condition_variable>
#include <deque>
#include <pthread.h>
#include <thread>
#include <utility>

namespace rivulet::live {
namespace {

class still_thread {
  public:
    ~still_thread() {
        {
            std::lock_guard hold(lock_);
            ending_ = true;
            for (auto& each : waiting_)
                each->abandon();
        }
        changed_.notify_all();
        if (thread_.joinable())
            thread_.join();
    }

    void add(std::shared_ptr<still_request> request) {
        std::shared_ptr<still_request> oldest;
        {
            std::lock_guard hold(lock_);
            if (waiting_.size() == still_request::max_waiting) {
                oldest = std::move(waiting_.front());
                waiting_.pop_front();
            }
            waiting_.push_back(std::move(request));
            if (!thread_.joinable())
                thread_ = std::thread([this] { run(); });
        }
        changed_.notify_one();
        if (oldest)
            oldest->fail({errc::too_many, "too many streams want a still picture"});
    }

  private:
    void run() {
        pthread_setname_np(pthread_self(), "still");
        for (;;) {
            std::shared_ptr<still_request> next;
            {
                std::unique_lock hold(lock_);
                changed_.wait(hold, [this] { return ending_ || !waiting_.empty(); });
                if (ending_)
                    return;
                next = std::move(waiting_.front());
                waiting_.pop_front();
            }
            next->work();
        }
    }

    std::mutex lock_;
    std::condition_variable changed_;
    std::deque<std::shared_ptr<still_request>> waiting_;
    bool ending_ = false;
    std::thread thread_;
};

} // namespace

std::shared_ptr<still_request> still_request::make(std::vector<bytes> ts) {
    static still_thread worker;
    auto made = std::make_shared<still_request>();
    made->ts_ = std::move(ts);
    worker.add(made);
    return made;
}

std::optional<outcome<media::still_picture>> still_request::take() {
    std::lock_guard hold(lock_);
    return std::exchange(answer_, std::nullopt);
}

void still_request::work() {
    auto made = media::make_still(ts_, {}, abandoned_);
    ts_.clear();
    std::lock_guard hold(lock_);
    answer_ = std::move(made);
}

void still_request::fail(failure why) {
    ts_.clear();
    std::lock_guard hold(lock_);
    answer_ = std::move(why);
}

} // namespace rivulet::live
