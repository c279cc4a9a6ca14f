// What the gateway adds to a batch request: 1 KB of JSON to a stub that answers at once, through a
// gateway process and, as the yardstick in the same run, to the stub itself. First as fast as it
// goes, then both at half of the gateway's best rate, in turns. Generator, stub and gateway share
// the machine. Fails when a request fails.
//
//   bench_batch [--rivulet build/rivulet] [--for 5] [--rounds 3] [--connections 32] [--json]
#include "gateway_process.hpp"
#include "http_load.hpp"
#include "support/fake_network.hpp"

#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>
#include <fmt/core.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <string>
#include <string_view>
#include <unistd.h>

namespace rivulet::bench {
namespace {

constexpr auto model = "bench/llm";
constexpr double wanted_rate = 5'000;
constexpr double wanted_p50_ms = 0.5, wanted_p99_ms = 3;

struct bench_options {
    std::string rivulet = "build/rivulet";
    int seconds = 5, rounds = 3, connections = 32;
    bool json = false;
};

[[noreturn]] void refuse(const std::string& why) {
    fmt::print(stderr, "bench batch: {}\n", why);
    std::exit(2);
}

bench_options read_options(int count, char** words) {
    bench_options options;
    for (int i = 1; i < count; ++i) {
        const std::string_view word = words[i];
        if (word == "--json") {
            options.json = true;
            continue;
        }
        if (i + 1 == count)
            refuse(fmt::format("{} needs a value", word));
        const char* value = words[++i];
        if (word == "--rivulet")
            options.rivulet = value;
        else if (word == "--for")
            options.seconds = std::max(1, std::atoi(value));
        else if (word == "--rounds")
            options.rounds = std::max(1, std::atoi(value));
        else if (word == "--connections")
            options.connections = std::max(1, std::atoi(value));
        else
            refuse(fmt::format("unknown option {}", word));
    }
    return options;
}

std::string message_to(std::string_view path, std::string_view body) {
    return fmt::format(
        "POST {} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
        "Content-Length: {}\r\n\r\n{}",
        path,
        body.size(),
        body
    );
}

std::string question() {
    boost::json::object message{{"role", "user"}, {"content", std::string(900, 'q')}};
    return boost::json::serialize(boost::json::object{
        {"model", model}, {"max_tokens", 64}, {"messages", boost::json::array{message}}});
}

std::string canned_reply() {
    const std::string body =
        R"({"choices":[{"finish_reason":"stop","index":0,"message":{"content":"yes","role":"assistant"}}],)"
        R"("created":1700000000,"id":"c1","model":"bench/llm",)"
        R"("usage":{"completion_tokens":1,"prompt_tokens":9,"total_tokens":10}})";
    return fmt::format(
        "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{}",
        body.size(),
        body
    );
}

void add(load_result& sum, const load_result& more) {
    sum.latency.merge(more.latency);
    sum.answered += more.answered;
    sum.failed += more.failed;
    sum.seconds += more.seconds;
    if (sum.first_failure.empty())
        sum.first_failure = more.first_failure;
}

boost::json::object to_json(const load_result& result) {
    return {
        {"per_second", result.per_second()},
        {"p50_ms", result.latency.quantile_ms(0.5)},
        {"p99_ms", result.latency.quantile_ms(0.99)},
        {"p999_ms", result.latency.quantile_ms(0.999)},
        {"failed", result.failed}};
}

void print_line(std::string_view what, const load_result& result) {
    fmt::print(
        "{:<34} {:>8.0f} requests/s   p50 {:>6.2f} ms   p99 {:>6.2f} ms   p99.9 {:>6.2f} ms   {} "
        "failed\n",
        what,
        result.per_second(),
        result.latency.quantile_ms(0.5),
        result.latency.quantile_ms(0.99),
        result.latency.quantile_ms(0.999),
        result.failed
    );
}

int run(const bench_options& options) {
    http_stub stub(canned_reply());
    test::fake_network network(1, test::node_transport::plain);
    auto info = network[0].offer(session::capability::llm, model, true, 100'000);
    info.transcoder = fmt::format("http://127.0.0.1:{}", stub.port());
    network[0].answer(info);

    const auto log = std::filesystem::temp_directory_path() /
                     fmt::format("rivulet-bench-batch-{}.log", ::getpid());
    test::gateway_process gateway;
    const auto started = gateway.start(
        options.rivulet,
        {"-httpAddr",
         "127.0.0.1:0",
         "-rtmpAddr",
         "",
         "-srtAddr",
         "",
         "-webrtcAddr",
         "",
         "-cliAddr",
         "",
         "-orchAddr",
         network[0].address(),
         "-v",
         "2"},
        log.string()
    );
    if (!started)
        refuse(started.error().detail);

    const auto length = std::chrono::milliseconds(options.seconds * 1000);
    load direct{stub.port(), message_to("/llm", question()), options.connections, 0, length};
    load through = direct;
    through.port = gateway.http_port();
    load warm_up = through;
    warm_up.length = std::chrono::milliseconds(1000);
    if (const auto first = run_load(warm_up); first.failed > 0)
        refuse("the first requests failed: " + first.first_failure + "\n" + gateway.log_tail());

    const auto direct_best = run_load(direct);
    const auto cpu_before = gateway.cpu_time();
    const auto best = run_load(through);
    const auto cpu = gateway.cpu_time() - cpu_before;

    load_result paced_direct, paced;
    direct.rate = through.rate = best.per_second() / 2;
    direct.length = through.length = length / options.rounds;
    for (int i = 0; i < options.rounds; ++i) {
        add(paced_direct, run_load(direct));
        add(paced, run_load(through));
    }
    const double p50 = paced.latency.quantile_ms(0.5) - paced_direct.latency.quantile_ms(0.5);
    const double p99 = paced.latency.quantile_ms(0.99) - paced_direct.latency.quantile_ms(0.99);
    const auto failed = best.failed + paced.failed + paced_direct.failed + direct_best.failed;

    if (options.json) {
        fmt::print(
            "{}\n",
            boost::json::serialize(boost::json::object{
                {"direct_best", to_json(direct_best)},
                {"gateway_best", to_json(best)},
                {"direct_paced", to_json(paced_direct)},
                {"gateway_paced", to_json(paced)},
                {"added_p50_ms", p50},
                {"added_p99_ms", p99},
                {"gateway_cpu_us_per_request",
                 static_cast<double>(cpu.count()) * 1e3 / static_cast<double>(best.answered)},
                {"gateway_rss", gateway.resident_bytes()}})
        );
    } else {
        print_line("stub alone, as fast as it goes", direct_best);
        print_line("through the gateway", best);
        print_line("stub alone, half of that rate", paced_direct);
        print_line("through the gateway, half rate", paced);
        fmt::print(
            "the gateway adds p50 {:.2f} ms (wanted below {}), p99 {:.2f} ms (below {}); "
            "{:.0f} requests/s (wanted {}); {:.0f} us of CPU a request, RSS {} MB\n",
            p50,
            wanted_p50_ms,
            p99,
            wanted_p99_ms,
            best.per_second(),
            wanted_rate,
            static_cast<double>(cpu.count()) * 1e3 / static_cast<double>(best.answered),
            gateway.resident_bytes() >> 20
        );
    }
    std::filesystem::remove(log);
    if (failed > 0)
        fmt::print(
            stderr,
            "{} requests failed, the first: {}\n",
            failed,
            !best.first_failure.empty() ? best.first_failure : paced.first_failure
        );
    return failed == 0 ? 0 : 1;
}

} // namespace
} // namespace rivulet::bench

int main(int count, char** words) {
    return rivulet::bench::run(rivulet::bench::read_options(count, words));
}
