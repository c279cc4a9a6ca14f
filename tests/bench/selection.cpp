// What choosing an orchestrator costs and whether it keeps its promises: 50 orchestrators of this
// process, some dead, some failing at random, some that hang; first 200 live jobs that start at
// once, then batch requests at a steady rate. Fails when a request fails although a healthy
// orchestrator had room, when the p99 of a choice is 1 ms or more, or when the shares of the
// healthy ones are not those of the rule (docs/orchestrators.md).
//
//   bench_selection [--rate 2000] [--for 5] [--starts 200] [--json]
#include "base/shards.hpp"
#include "session/manager.hpp"
#include "session/selection_rule.hpp"
#include "support/scripted_network.hpp"

#include <boost/asio/use_future.hpp>
#include <fmt/core.h>

#include <algorithm>
#include <atomic>
#include <cmath>
#include <cstdlib>
#include <deque>
#include <map>
#include <mutex>
#include <random>
#include <string>
#include <string_view>
#include <vector>

namespace rivulet::bench {
namespace {

using namespace std::chrono_literals;
using namespace rivulet::session;

constexpr int orchestrators = 50;
constexpr int room_each = 8;
constexpr auto model = "bench";

enum class nature { healthy, dead, shaky, broken, hanging };

struct fake {
    nature is = nature::healthy;
    duration takes{};
    std::atomic<int> busy{0};
    std::atomic<int> served{0};
};

struct bench_options {
    int rate = 2'000;
    int seconds = 5;
    int starts = 200;
    bool json = false;
};

// What all requests add to.
struct ledger {
    std::mutex guard;
    std::vector<double> choices; // microseconds
    std::vector<double> waits;   // milliseconds to the start
    int served = 0, failed = 0, tries = 0;
    std::string first_failure;
};

class scene {
  public:
    explicit scene(std::size_t threads) : shards_(threads) {
        std::mt19937 engine(1);
        for (int i = 0; i < orchestrators; ++i) {
            const auto url = fmt::format("https://o{}.example:8935", i);
            auto& one = fakes_[url];
            // 30 healthy, 5 dead, 5 failing half the time, 5 failing always, 5 that never answer.
            one.is = i < 30 ? nature::healthy : static_cast<nature>(1 + (i - 30) / 5);
            one.takes = std::chrono::microseconds(2'000 + 500 * (i % 30));
            // One answer for both questions: a row for each.
            auto info = test::offer(url, model, capability::live_video_to_video, room_each);
            auto& rows = info.capabilities->models;
            rows[capability::text_to_image] = rows[capability::live_video_to_video];
            const auto more = to_bits({capability::text_to_image});
            for (std::size_t word = 0; word < more.size(); ++word)
                info.capabilities->bits.at(word) |= more[word];
            network_->put(url, info, std::chrono::milliseconds(5));
        }
        discovery_options how;
        found_ = std::make_shared<discovery>(
            shards_.at(0).get_executor(), network_, network_, how, metrics_, nullptr, logger()
        );
        sessions_ = std::make_unique<manager>(
            shards_.at(0).get_executor(),
            found_,
            std::make_shared<price_caps>(),
            manager_options(),
            metrics_,
            logger()
        );
    }

    ~scene() {
        sessions_->stop();
        found_->stop();
        held_.clear();
        std::this_thread::sleep_for(50ms);
        shards_.stop();
    }

    // One request at a time on every shard until discovery has filled the pool.
    void warm_up(capability_id id) {
        for (int i = 0; i < 3; ++i) {
            ledger ignored;
            run_all(id, 1, 10s, false, ignored);
            std::this_thread::sleep_for(200ms);
        }
    }

    // `count` requests at once, spread over the shards; a live job keeps its orchestrator.
    void run_all(capability_id id, int count, duration budget, bool keep, ledger& book) {
        std::vector<std::future<void>> ends;
        for (int i = 0; i < count; ++i) {
            auto& context = shards_.at(static_cast<std::size_t>(i) % shards_.size());
            ends.push_back(
                asio::co_spawn(context, request(id, budget, keep, book), asio::use_future)
            );
        }
        for (auto& one : ends)
            one.get();
    }

    // `rate` requests in each second, whether earlier ones have ended or not.
    void run_steadily(capability_id id, int rate, int seconds, ledger& book) {
        std::deque<std::future<void>> ends;
        const auto start = steady_clock::now();
        const int count = rate * seconds;
        for (int i = 0; i < count; ++i) {
            std::this_thread::sleep_until(start + i * (std::chrono::nanoseconds(1s) / rate));
            auto& context = shards_.at(static_cast<std::size_t>(i) % shards_.size());
            ends.push_back(asio::co_spawn(context, request(id, 10s, false, book), asio::use_future)
            );
            while (ends.size() > 64 && ends.front().wait_for(0s) == std::future_status::ready) {
                ends.front().get();
                ends.pop_front();
            }
        }
        for (auto& one : ends)
            one.get();
    }

    void forget_served() {
        for (auto& [url, one] : fakes_)
            one.served = 0;
    }

    void end_jobs() {
        const std::scoped_lock lock(held_guard_);
        held_.clear();
        for (auto& [url, one] : fakes_)
            one.busy = 0;
    }

    // How far the healthy ones' shares are from the rule, 0 to 1 (total variation), with a table.
    double deviation(std::string& table) {
        std::vector<standing> all;
        std::vector<const fake*> who;
        double served = 0;
        for (const auto& [url, one] : fakes_) {
            if (one.is != nature::healthy)
                continue;
            standing s;
            s.latency = std::chrono::duration<double>(one.takes).count();
            all.push_back(s);
            who.push_back(&one);
            served += one.served;
        }
        auto expected = shares(all, 0);
        const double explored = manager_options().exploration;
        double out = 0;
        for (std::size_t i = 0; i < all.size(); ++i) {
            // Exploration goes round all of them.
            expected[i] = expected[i] * (1 - explored) + explored / double(all.size());
            const double had = who[i]->served / std::max(1.0, served);
            out += std::abs(had - expected[i]) / 2;
            if (i < 5)
                table += fmt::format(
                    "  {:5.1f} ms: {:5.2f} % of the requests, {:5.2f} % by the rule\n",
                    *all[i].latency * 1000,
                    had * 100,
                    expected[i] * 100
                );
        }
        return out;
    }

  private:
    // What the orchestrator does with one try.
    awaitable<std::optional<fault>> serve(fake& one, duration limit) {
        asio::steady_timer timer(co_await asio::this_coro::executor);
        if (one.is == nature::dead)
            co_return fault(fault_kind::unreachable, "connection refused");
        if (one.is == nature::hanging) {
            timer.expires_after(std::min<duration>(limit, 1s));
            co_await timer.async_wait(as_tuple);
            co_return fault(fault_kind::timed_out, "no answer in time");
        }
        thread_local std::mt19937 engine{std::random_device()()};
        if (one.is == nature::broken || (one.is == nature::shaky && engine() % 2 == 0))
            co_return to_fault(500, "model crashed");
        if (++one.busy > room_each) {
            --one.busy;
            co_return to_fault(503, "insufficient capacity");
        }
        timer.expires_after(one.takes);
        co_await timer.async_wait(as_tuple);
        ++one.served;
        co_return std::nullopt;
    }

    awaitable<void> request(capability_id id, duration budget, bool keep, ledger& book) {
        const auto began = steady_clock::now();
        auto tries = sessions_->begin(job_need(id, model), budget);
        std::vector<double> choices;
        for (;;) {
            const auto asked = steady_clock::now();
            auto chosen = co_await tries.next();
            choices.push_back(
                std::chrono::duration<double, std::micro>(steady_clock::now() - asked).count()
            );
            if (!chosen) {
                const std::scoped_lock lock(book.guard);
                ++book.failed;
                if (book.first_failure.empty())
                    book.first_failure = chosen.error().detail;
                break;
            }
            auto& one = fakes_.at(chosen->url());
            auto why = co_await serve(one, tries.try_limit(steady_clock::now()));
            if (why) {
                tries.failed(std::move(*chosen), *why);
                continue;
            }
            chosen->succeeded(std::chrono::duration<double>(one.takes).count());
            if (keep) {
                const std::scoped_lock lock(held_guard_);
                held_.push_back(std::move(*chosen));
            } else {
                --one.busy;
            }
            const std::scoped_lock lock(book.guard);
            ++book.served;
            break;
        }
        const std::scoped_lock lock(book.guard);
        book.tries += static_cast<int>(choices.size());
        book.choices.insert(book.choices.end(), choices.begin(), choices.end());
        book.waits.push_back(
            std::chrono::duration<double, std::milli>(steady_clock::now() - began).count()
        );
    }

    shards shards_;
    observe::metrics metrics_;
    std::map<std::string, fake> fakes_;
    std::shared_ptr<test::scripted_network> network_ = std::make_shared<test::scripted_network>();
    std::shared_ptr<discovery> found_;
    std::unique_ptr<manager> sessions_;
    std::mutex held_guard_;
    std::vector<attempt> held_;
};

double percentile(std::vector<double> values, double p) {
    if (values.empty())
        return 0;
    const auto at = static_cast<std::size_t>(p * static_cast<double>(values.size() - 1));
    std::nth_element(
        values.begin(), values.begin() + static_cast<std::ptrdiff_t>(at), values.end()
    );
    return values[at];
}

void print(std::string_view what, const ledger& book) {
    fmt::print(
        "{}: {} served, {} failed, {} tries; a choice p50 {:.1f} us, p99 {:.1f} us; "
        "a start p50 {:.1f} ms, p99 {:.1f} ms\n",
        what,
        book.served,
        book.failed,
        book.tries,
        percentile(book.choices, 0.5),
        percentile(book.choices, 0.99),
        percentile(book.waits, 0.5),
        percentile(book.waits, 0.99)
    );
    if (!book.first_failure.empty())
        fmt::print("  first failure: {}\n", book.first_failure);
}

bool read_options(int argc, char** argv, bench_options& options) {
    for (int i = 1; i < argc; ++i) {
        const std::string_view name = argv[i];
        if (name == "--json") {
            options.json = true;
            continue;
        }
        if (i + 1 == argc)
            return false;
        const int value = std::atoi(argv[++i]);
        if (value <= 0)
            return false;
        if (name == "--rate")
            options.rate = value;
        else if (name == "--for")
            options.seconds = value;
        else if (name == "--starts")
            options.starts = value;
        else
            return false;
    }
    return true;
}

int run(const bench_options& options) {
    set_log_level(log_level::off);
    scene all(2);
    all.warm_up(capability::live_video_to_video);
    all.forget_served();
    ledger live;
    all.run_all(capability::live_video_to_video, options.starts, 10s, true, live);
    all.end_jobs();

    all.warm_up(capability::text_to_image);
    ledger settling, batch;
    all.run_steadily(capability::text_to_image, options.rate, 1, settling);
    all.forget_served();
    all.run_steadily(capability::text_to_image, options.rate, options.seconds, batch);
    std::string table;
    const double deviation = all.deviation(table);

    const double live_p99 = percentile(live.choices, 0.99);
    const double batch_p99 = percentile(batch.choices, 0.99);
    const int failed = live.failed + settling.failed + batch.failed;
    const bool good = failed == 0 && live_p99 < 1'000 && batch_p99 < 1'000 && deviation < 0.08;
    if (options.json) {
        fmt::print(
            "{{\"live_starts\":{},\"live_choice_p99_us\":{:.1f},\"batch_requests\":{},"
            "\"batch_choice_p50_us\":{:.1f},\"batch_choice_p99_us\":{:.1f},\"failed\":{},"
            "\"deviation\":{:.4f},\"ok\":{}}}\n",
            live.served,
            live_p99,
            batch.served,
            percentile(batch.choices, 0.5),
            batch_p99,
            failed,
            deviation,
            good
        );
        return good ? 0 : 1;
    }
    print(fmt::format("{} live jobs at once", options.starts), live);
    print(fmt::format("batch, {} a second for {} s", options.rate, options.seconds), batch);
    fmt::print("shares of the healthy ones: {:.1f} % from the rule\n{}", deviation * 100, table);
    fmt::print("{}\n", good ? "ok" : "FAILED");
    return good ? 0 : 1;
}

} // namespace
} // namespace rivulet::bench

int main(int argc, char** argv) {
    rivulet::bench::bench_options options;
    if (!rivulet::bench::read_options(argc, argv, options)) {
        fmt::print(stderr, "bench_selection [--rate N] [--for SECONDS] [--starts N] [--json]\n");
        return 2;
    }
    return rivulet::bench::run(options);
}
