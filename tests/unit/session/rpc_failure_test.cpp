#include "session/rpc_failure.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

namespace rivulet::session {
namespace {

constexpr auto address = "https://o:8935";

struct rpc_case {
    const char* name;
    int code;
    const char* message;
    errc expected;
    const char* detail;
};

class rpc_failure_table : public testing::TestWithParam<rpc_case> {};

TEST_P(rpc_failure_table, tells_who_and_why) {
    const auto& row = GetParam();
    const auto why = rpc_failure(row.code, row.message, address);
    EXPECT_EQ(why.code, row.expected);
    EXPECT_EQ(why.detail, row.detail);
}

INSTANTIATE_TEST_SUITE_P(
    all,
    rpc_failure_table,
    testing::Values(
        rpc_case{
            "refused",
            14,
            "failed to connect to all addresses; last error: UNKNOWN: ipv4:127.0.0.1:1: Failed to "
            "connect to remote host: Connection refused",
            errc::connect_failed,
            "can't connect to https://o:8935: connection refused"},
        rpc_case{
            "silent",
            14,
            "failed to connect to all addresses; last error: UNKNOWN: ipv4:127.0.0.1:1: Handshake "
            "read failed: Timeout occurred",
            errc::tls_failed,
            "TLS with https://o:8935: Handshake read failed: Timeout occurred"},
        rpc_case{
            "no_such_name",
            14,
            "DNS resolution failed for o:8935: UNAVAILABLE: no such name",
            errc::connect_failed,
            "can't connect to https://o:8935: the name has no address"},
        rpc_case{
            "http1",
            14,
            "x; last error: UNAVAILABLE: ipv4:1.2.3.4:5: Trying to connect an http1.x server",
            errc::protocol_violation,
            "https://o:8935 speaks HTTP/1, discovery needs HTTP/2 (gRPC)"},
        rpc_case{
            "no_h2",
            14,
            "Cannot check peer: missing selected ALPN property.",
            errc::tls_failed,
            "https://o:8935 offers no HTTP/2 over TLS (ALPN h2)"},
        rpc_case{
            "unsigned_certificate",
            14,
            "x; last error: UNKNOWN: ipv4:1.2.3.4:5: Ssl handshake failed: certificate verify "
            "failed",
            errc::tls_failed,
            "TLS with https://o:8935: certificate verify failed: no known authority signed it "
            "(-orchestratorCaFile names more, -orchestratorTlsVerify pin asks for none)"},
        rpc_case{
            "late",
            4,
            "Deadline Exceeded",
            errc::timed_out,
            "https://o:8935 did not answer in time"},
        rpc_case{"cancelled", 1, "", errc::cancelled, "https://o:8935: cancelled"},
        rpc_case{
            "capped",
            2,
            "Invalid orchestrator request: OrchestratorCapped",
            errc::http_status,
            "https://o:8935 refuses: Invalid orchestrator request: OrchestratorCapped"},
        rpc_case{"wordless", 2, "", errc::http_status, "https://o:8935 refuses: no reason"},
        rpc_case{
            "line_breaks",
            2,
            "a\r\nb\x1b[31m",
            errc::http_status,
            "https://o:8935 refuses: a  b [31m"},
        rpc_case{
            "too_long",
            8,
            "Received message larger than max (2 vs. 1)",
            errc::protocol_violation,
            "the answer of https://o:8935 is too long"},
        rpc_case{
            "rate_limit", 8, "slow down", errc::http_status, "https://o:8935 refuses: slow down"},
        rpc_case{
            "another_service",
            12,
            "unknown service net.Orchestrator",
            errc::protocol_violation,
            "https://o:8935 is no orchestrator: it does not know GetOrchestrator"},
        rpc_case{
            "a_page",
            2,
            "Received http2 header with status: 404",
            errc::protocol_violation,
            "https://o:8935 gives no gRPC answer: Received http2 header with status: 404"},
        rpc_case{
            "broken",
            13,
            "bad frame",
            errc::protocol_violation,
            "the answer of https://o:8935 can't be read: bad frame"}
    ),
    [](const auto& row) { return row.param.name; }
);

TEST(rpc_failure, long_texts_are_cut) {
    const auto why = rpc_failure(2, std::string(10'000, 'x'), address);
    EXPECT_LT(why.detail.size(), 400u);
}

} // namespace
} // namespace rivulet::session
