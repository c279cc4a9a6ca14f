#include "observe/process_metrics.hpp"

#include <gtest/gtest.h>

#include <chrono>
#include <regex>
#include <string>
#include <unistd.h>

using namespace rivulet::observe;

namespace {

double value_of(const std::string& text, const std::string& name) {
    std::smatch found;
    const std::regex line("\n" + name + " ([0-9.e+]+)\n");
    return std::regex_search(text, found, line) ? std::stod(found[1]) : -1;
}

} // namespace

TEST(process_metrics, tell_the_process_as_it_is) {
    metrics all;
    const auto token = add_process_metrics(all);
    const auto text = all.text();
    const auto now =
        std::chrono::duration<double>(std::chrono::system_clock::now().time_since_epoch()).count();
    EXPECT_GT(value_of(text, "process_resident_memory_bytes"), 1e6);
    EXPECT_GT(
        value_of(text, "process_virtual_memory_bytes"),
        value_of(text, "process_resident_memory_bytes")
    );
    EXPECT_GE(value_of(text, "process_threads"), 1);
    EXPECT_GE(value_of(text, "process_cpu_seconds_total"), 0);
    EXPECT_NEAR(value_of(text, "process_start_time_seconds"), now, 600);
    EXPECT_GT(value_of(text, "process_max_fds"), 10);
}

TEST(process_metrics, count_open_files_at_each_scrape) {
    metrics all;
    const auto token = add_process_metrics(all);
    const auto before = value_of(all.text(), "process_open_fds");
    const int extra = ::dup(0);
    EXPECT_EQ(value_of(all.text(), "process_open_fds"), before + 1);
    ::close(extra);
    EXPECT_EQ(value_of(all.text(), "process_open_fds"), before);
}
