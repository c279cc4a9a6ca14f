#include "batch/job_webhook.hpp"

#include "base/deadline.hpp"
#include "base/hex.hpp"
#include "base/private_address.hpp"

#include <fmt/core.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>

#include <array>

namespace rivulet::batch {
namespace {

constexpr std::size_t most_address_bytes = 2048;

std::string signature_of(const std::string& secret, const std::string& text) {
    std::array<unsigned char, EVP_MAX_MD_SIZE> digest{};
    unsigned size = 0;
    HMAC(
        EVP_sha256(),
        secret.data(),
        static_cast<int>(secret.size()),
        reinterpret_cast<const unsigned char*>(text.data()),
        text.size(),
        digest.data(),
        &size
    );
    return to_hex({reinterpret_cast<const char*>(digest.data()), size});
}

// The answer's head says it all; nobody reads what else a receiver sends.
awaitable<outcome<unsigned>> post_for_status(
    http::http_url peer, http::client_options client, http::header_list headers, std::string body
) {
    auto opened = co_await http::client_connection::open(peer, std::move(client));
    if (!opened)
        co_return opened.error();
    auto connection = std::move(*opened);
    http::client_request request(http::verb::post, peer.target());
    request.headers = std::move(headers);
    request.headers.emplace_back("Connection", "close");
    request.body = std::move(body);
    auto unsent = co_await connection->send(std::move(request));
    auto failed = co_await connection->read_head();
    if (failed)
        co_return http::describe_failure(unsent ? unsent : failed, peer, "request to");
    co_return connection->head().status;
}

} // namespace

outcome<http::http_url> check_webhook(std::string_view address, const webhook_rules& rules) {
    if (address.size() > most_address_bytes)
        return failure(
            errc::invalid_argument,
            fmt::format("Rivulet-Webhook: longer than {} bytes", most_address_bytes)
        );
    auto url = http::parse_http_url(address);
    if (!url)
        return failure(errc::invalid_argument, "Rivulet-Webhook: " + url.error().detail);
    if (!rules.private_hosts && is_private_host(url->host))
        return failure(
            errc::unauthorized,
            "Rivulet-Webhook: a host of this machine or of a private network is not allowed"
        );
    return url;
}

// An hour and a half in all: a receiver that is being restarted, or repaired.
std::optional<duration> webhook_pause(unsigned tries) {
    using std::chrono::minutes;
    using std::chrono::seconds;
    static constexpr std::array<duration, 7> pauses{
        seconds(1), seconds(5), seconds(25), minutes(2), minutes(10), minutes(20), minutes(60)};
    if (tries == 0)
        return duration::zero();
    if (tries > pauses.size())
        return std::nullopt;
    return pauses[tries - 1];
}

http::header_list webhook_headers(
    const webhook_rules& rules,
    std::string_view id,
    job_state state,
    std::string_view body,
    std::int64_t seconds
) {
    http::header_list made{{"Content-Type", "application/json"}};
    made.emplace_back("Rivulet-Job", id);
    made.emplace_back("Rivulet-Status", to_string(state));
    if (!rules.secret.empty())
        made.emplace_back(
            "Rivulet-Signature",
            fmt::format(
                "t={},v1={}",
                seconds,
                signature_of(rules.secret, fmt::format("{}.{}", seconds, body))
            )
        );
    return made;
}

awaitable<webhook_report>
deliver(std::string address, http::header_list headers, std::string body, webhook_rules rules) {
    using namespace asio::experimental::awaitable_operators;
    webhook_report report;
    auto url = check_webhook(address, rules);
    if (!url) {
        // The rules may have changed since it was accepted.
        report.end = webhook_end::refused;
        report.text = url.error().detail;
        co_return report;
    }
    http::client_options client;
    if (!rules.private_hosts)
        client.allowed = [](const asio::ip::address& each) { return !is_private_address(each); };
    const auto endpoint = url->endpoint();
    auto work =
        post_for_status(std::move(*url), std::move(client), std::move(headers), std::move(body));
    auto either = co_await (std::move(work) || expire_after(rules.limit));
    if (either.index() == 1) {
        report.text = endpoint + " did not answer in time";
        co_return report;
    }
    const auto& status = std::get<0>(either);
    if (!status) {
        if (status.error().code == errc::unauthorized)
            report.end = webhook_end::refused;
        report.text = status.error().detail;
        co_return report;
    }
    if (*status >= 200 && *status < 300)
        report.end = webhook_end::taken;
    else if (*status == 410)
        report.end = webhook_end::refused;
    if (report.end != webhook_end::taken)
        report.text = fmt::format("{} answered {}", endpoint, *status);
    co_return report;
}

} // namespace rivulet::batch
