#include "live/auth_webhook.hpp"

#include "base/deadline.hpp"
#include "ingest/peer_text.hpp"

#include <fmt/core.h>

#include <algorithm>

namespace rivulet::live {
namespace {

constexpr std::size_t most_answer_bytes = 1024 * 1024;

double milliseconds(duration d) {
    return std::chrono::duration<double, std::milli>(d).count();
}

} // namespace

observe::histogram auth_webhook_histogram(observe::metrics& metrics) {
    return metrics.make_histogram(
        "livepeer_auth_webhook_time_milliseconds",
        "What the auth webhook took to answer, tries again included.",
        {1, 5, 10, 25, 50, 100, 250, 500, 1'000, 2'500, 5'000, 10'000}
    );
}

auth_webhook::auth_webhook(auth_webhook_options options, http::http_url url, logger log)
    : options_(std::move(options)), url_(std::move(url)), log_(std::move(log)) {}

outcome<std::unique_ptr<auth_webhook>>
auth_webhook::create(auth_webhook_options options, logger log) {
    auto url = http::parse_http_url(options.url);
    if (!url)
        return url.error();
    if (options.api_key.find_first_of("\r\n") != std::string::npos)
        return failure(errc::invalid_argument, "the webhook's key has a line break");
    return std::make_unique<auth_webhook>(std::move(options), std::move(*url), std::move(log));
}

// Asking again does no harm, so it is done whenever no reply came, whatever was sent by then.
awaitable<outcome<http::response>> auth_webhook::post(std::string body, time_point until) {
    http::header_list headers{{"Content-Type", "application/json"}};
    if (!options_.api_key.empty()) {
        headers.emplace_back("x-api-key", options_.api_key);
        headers.emplace_back("Authorization", options_.api_key);
    }
    auto pause = options_.first_pause;
    for (;;) {
        const auto now = steady_clock::now();
        const auto left = std::max<duration>(until - now, std::chrono::milliseconds(1));
        auto reply = co_await http::fetch(
            options_.client, http::verb::post, options_.url, headers, body, left, most_answer_bytes
        );
        const bool answered = reply || reply.error().code == errc::too_large ||
                              reply.error().code == errc::protocol_violation ||
                              reply.error().code == errc::tls_failed;
        if (answered || steady_clock::now() + pause >= until)
            co_return reply;
        ++retries_;
        log_.debug("{}; asked again in {} ms", reply.error().detail, milliseconds(pause));
        co_await expire_after(pause);
        pause *= 2;
    }
}

awaitable<outcome<webhook_answer>> auth_webhook::ask(webhook_question question) {
    const auto started = steady_clock::now();
    const auto shown = [&question](std::string text) {
        ingest::hide(text, question.key); // a webhook may repeat it
        return ingest::peer_text(text);
    };
    // Strangers cause these questions.
    if (under_way_.fetch_add(1) >= options_.at_once) {
        under_way_.fetch_sub(1);
        co_return failure(errc::no_capacity, "too many wait for the auth webhook, try again later");
    }
    const std::shared_ptr<void> place(nullptr, [this](void*) { under_way_.fetch_sub(1); });
    auto reply = co_await post(to_json(question), started + options_.limit);
    const auto took = milliseconds(steady_clock::now() - started);
    options_.timing.observe(took);
    const auto about = fmt::format(
        "{} of {} by {}",
        question.action,
        question.stream.empty() ? "all streams" : question.stream,
        question.remote
    );
    if (!reply) {
        log_.error("{}: no answer after {:.0f} ms: {}", about, took, reply.error().detail);
        if (reply.error().code == errc::too_large)
            co_return failure(errc::unauthorized, "the auth webhook's answer is too long");
        if (reply.error().code == errc::timed_out)
            co_return failure(errc::timed_out, "the auth webhook did not answer in time");
        co_return failure(errc::no_capacity, "the auth webhook can't be reached");
    }
    const auto status = static_cast<unsigned>(reply->status);
    if (status < 200 || status > 299) {
        log_.info(
            "{}: {} answered {} after {:.0f} ms: {}",
            about,
            url_.endpoint(),
            status,
            took,
            shown(reply->body)
        );
        co_return failure(
            errc::unauthorized, fmt::format("refused by the auth webhook (status {})", status)
        );
    }
    auto answer = parse_webhook_answer(reply->body);
    if (!answer) {
        log_.error(
            "{}: the answer of {} can't be used: {}",
            about,
            url_.endpoint(),
            shown(answer.error().detail)
        );
        co_return failure(
            errc::unauthorized,
            fmt::format("the auth webhook's answer can't be used: {}", shown(answer.error().detail))
        );
    }
    log_.debug("{}: allowed after {:.0f} ms", about, took);
    co_return answer;
}

} // namespace rivulet::live
