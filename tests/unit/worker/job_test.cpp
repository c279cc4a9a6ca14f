#include "worker/job.hpp"

#include <gtest/gtest.h>

#include <future>
#include <system_error>

namespace rivulet::worker {
namespace {

using namespace std::chrono_literals;

// A job on a shard, with a runner of the test's choice.
class job_start : public testing::Test {
  protected:
    ~job_start() override {
        channels_.stop();
        threads_.stop();
    }

    template <class Call>
    auto on_shard(Call call) {
        std::packaged_task<decltype(call())()> task(std::move(call));
        auto done = task.get_future();
        asio::post(threads_.of("j"), std::move(task));
        return done.get();
    }

    std::shared_ptr<job> make() {
        job_options options;
        options.id = "j";
        options.label = "l";
        options.model = "noop";
        return std::make_shared<job>(
            threads_.of("j").get_executor(),
            channels_,
            options,
            std::move(*ledger_.take(job_weight::transcoding)),
            logger("test")
        );
    }

    shards threads_{1};
    trickle::channel_table channels_{threads_, {}, logger("test")};
    capacity_ledger ledger_{{1, 1}};
};

} // namespace

TEST_F(job_start, leaves_nothing_behind_when_the_system_has_no_thread_left) {
    on_shard([&] {
        auto made = make();
        bool told = false;
        const auto failed = made->start(
            [](std::weak_ptr<runner_host>) -> std::unique_ptr<runner> {
                throw std::system_error(
                    std::make_error_code(std::errc::resource_unavailable_try_again)
                );
            },
            [&](const std::shared_ptr<job>&) { told = true; }
        );
        EXPECT_EQ(failed, errc::no_capacity);
        EXPECT_EQ(channels_.size(), 0u);
        EXPECT_EQ(ledger_.in_use(job_weight::transcoding), 0u);
        made->end_within("the worker stops", 1s); // must not touch the runner that is not there
        EXPECT_TRUE(made->idle());
        EXPECT_FALSE(told);
    });
}

} // namespace rivulet::worker
