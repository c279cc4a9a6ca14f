#include "observe/metrics.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

using namespace rivulet::observe;
using testing::HasSubstr;
using testing::Not;

TEST(metrics, writes_counters_gauges_and_histograms_with_the_constant_labels) {
    metrics all(labels{{"node_id", "n1"}, {"node_type", "bctr"}});
    const auto streams = all.make_counter("livepeer_tries", "Tries.", {{"model", "a"}});
    const auto running = all.make_gauge("livepeer_running", "Running now.");
    const auto delay = all.make_histogram("livepeer_delay_ms", "Delay.", {10, 100});
    streams.add();
    streams.add(2);
    running.set(7);
    running.add(-2);
    delay.observe(50);
    const auto text = all.text();
    EXPECT_THAT(text, HasSubstr("# HELP livepeer_tries Tries.\n# TYPE livepeer_tries counter\n"));
    EXPECT_THAT(
        text, HasSubstr("livepeer_tries{node_id=\"n1\",node_type=\"bctr\",model=\"a\"} 3\n")
    );
    EXPECT_THAT(text, HasSubstr("livepeer_running{node_id=\"n1\",node_type=\"bctr\"} 5\n"));
    EXPECT_THAT(text, HasSubstr("le=\"10\"} 0\n"));
    EXPECT_THAT(text, HasSubstr("le=\"100\"} 1\n"));
    EXPECT_THAT(text, HasSubstr("livepeer_delay_ms_sum{node_id=\"n1\",node_type=\"bctr\"} 50\n"));
}

TEST(metrics, the_same_name_and_labels_are_one_series) {
    metrics all;
    const auto one = all.make_counter("n", "h", {{"a", "1"}});
    const auto same = all.make_counter("n", "h", {{"a", "1"}});
    const auto other = all.make_counter("n", "h", {{"a", "2"}});
    one.add();
    same.add();
    other.add();
    EXPECT_THAT(all.text(), HasSubstr("n{a=\"1\"} 2\n"));
    EXPECT_THAT(all.text(), HasSubstr("n{a=\"2\"} 1\n"));
}

TEST(metrics, a_series_leaves_with_its_last_handle) {
    metrics all;
    auto first = all.make_gauge("per_stream", "h", {{"manifest_id", "cam"}});
    {
        const auto second = all.make_gauge("per_stream", "h", {{"manifest_id", "cam"}});
        second.set(3);
    }
    EXPECT_THAT(all.text(), HasSubstr("per_stream{manifest_id=\"cam\"} 3\n"));
    first = gauge();
    EXPECT_THAT(all.text(), Not(HasSubstr("per_stream")));
    const auto again = all.make_gauge("per_stream", "h", {{"manifest_id", "cam"}});
    EXPECT_THAT(all.text(), HasSubstr("per_stream{manifest_id=\"cam\"} 0\n"));
}

TEST(metrics, a_default_handle_counts_nothing) {
    counter().add();
    gauge().set(1);
    histogram().observe(1);
    counters().with({{"a", "b"}}).add();
}

TEST(metrics, a_handle_outlives_the_metrics) {
    counter kept;
    {
        metrics all;
        kept = all.make_counter("n", "h");
    }
    kept.add();
}

TEST(metrics, a_counter_never_falls) {
    metrics all;
    const auto count = all.make_counter("n", "h");
    count.add(5);
    count.add(-1);
    count.add(std::numeric_limits<double>::quiet_NaN());
    count.add(std::numeric_limits<double>::infinity());
    EXPECT_THAT(all.text(), HasSubstr("n 5\n"));
}

TEST(metrics, label_values_of_peers_can_not_break_the_text) {
    metrics all;
    const auto count = all.make_counter(
        "n", "h", {{"uri", std::string("a\"b\\c\nd\xff") + std::string(999, 'x')}}
    );
    count.add();
    const auto text = all.text();
    EXPECT_THAT(text, HasSubstr("uri=\"a\\\"b\\\\c\\nd?xxx"));
    EXPECT_LT(text.size(), 500u);
}

TEST(metrics, one_name_has_one_kind_and_the_first_help) {
    metrics all;
    const auto count = all.make_counter("n", "h");
    EXPECT_THROW((void)all.make_gauge("n", "h"), std::logic_error);
    const auto again = all.make_counter("n", "another");
    EXPECT_THAT(all.text(), HasSubstr("# HELP n h\n"));
}

TEST(metrics, a_bare_gauge_has_no_constant_labels) {
    metrics all(labels{{"node_id", "n1"}});
    const auto versions = all.make_bare_gauge("livepeer_versions", "h", {{"goos", "linux"}});
    versions.set(1);
    EXPECT_THAT(all.text(), HasSubstr("livepeer_versions{goos=\"linux\"} 1\n"));
}

TEST(metrics, collectors_run_before_the_text_until_their_token_goes) {
    metrics all;
    const auto queue = all.make_gauge("queue", "h");
    int asked = 0;
    auto token = all.before_text([&] { queue.set(++asked); });
    EXPECT_THAT(all.text(), HasSubstr("queue 1\n"));
    EXPECT_THAT(all.text(), HasSubstr("queue 2\n"));
    token.reset();
    EXPECT_THAT(all.text(), HasSubstr("queue 2\n"));
}

TEST(metrics, a_set_keeps_its_series_and_is_bounded) {
    metrics all;
    const auto errors = counter_set(all, "errors", "h", 2);
    errors.with({{"code", "a"}}).add();
    errors.with({{"code", "a"}}).add();
    errors.with({{"code", "b"}}).add();
    errors.with({{"code", "c"}}).add();
    errors.with({{"code", "d"}}).add();
    const auto text = all.text();
    EXPECT_THAT(text, HasSubstr("errors{code=\"a\"} 2\n"));
    EXPECT_THAT(text, HasSubstr("errors{code=\"b\"} 1\n"));
    EXPECT_THAT(text, HasSubstr("errors{code=\"other\"} 2\n"));
    EXPECT_THAT(text, Not(HasSubstr("code=\"c\"")));
}

TEST(metrics, threads_may_make_and_drop_the_same_series) {
    metrics all;
    std::vector<std::thread> threads;
    const auto kept = all.make_counter("kept", "h");
    for (int i = 0; i < 4; ++i)
        threads.emplace_back([&] {
            for (int turn = 0; turn < 2'000; ++turn) {
                all.make_counter("brief", "h", {{"n", std::to_string(turn % 3)}}).add();
                all.make_counter("kept", "h").add();
            }
        });
    for (auto& thread : threads)
        thread.join();
    EXPECT_THAT(all.text(), HasSubstr("kept 8000\n"));
    EXPECT_THAT(all.text(), Not(HasSubstr("brief")));
}
