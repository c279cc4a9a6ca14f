// GetOrchestrator over real sockets.
#include "session/grpc_info.hpp"
#include "support/fake_network.hpp"
#include "support/run_on.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <sys/socket.h>

namespace rivulet::session {
namespace {

using namespace std::chrono_literals;
using test::fake_network;
using test::node_reply;
using test::node_transport;
using testing::HasSubstr;
using testing::Not;

constexpr auto live = capability::live_video_to_video;

struct asker {
    explicit asker(grpc_info_options options = grpc_info_options())
        : source(grpc_info::create(options, logger("test")).value()) {}

    outcome<info_answer> ask(const std::string& address, duration limit = 3s) {
        info_question question;
        question.capabilities = wanted_capabilities(live, "noop");
        std::optional<outcome<info_answer>> answer;
        test::run_on(
            threads.at(0).get_executor(),
            keep(source->ask(address, question, limit), answer)
        );
        return *answer;
    }

    static awaitable<void>
    keep(awaitable<outcome<info_answer>> work, std::optional<outcome<info_answer>>& into) {
        into = co_await std::move(work);
    }

    shards threads{1};
    std::unique_ptr<grpc_info> source;
};

TEST(discovery_wire, asks_over_tls_with_a_certificate_nobody_signed) {
    fake_network network(1);
    asker gateway;
    auto got = gateway.ask(network[0].address());
    ASSERT_TRUE(got) << got.error().detail;
    EXPECT_EQ(got->info->transcoder, network[0].http_url());
    EXPECT_GT(got->latency.count(), 0);
}

} // namespace
} // namespace rivulet::session
