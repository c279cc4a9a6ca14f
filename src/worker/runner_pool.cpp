#include "worker/runner_pool.hpp"

#include <boost/asio/co_spawn.hpp>

#include <algorithm>
#include <future>
#include <utility>

namespace rivulet::worker {

namespace {

constexpr duration stop_limit = std::chrono::seconds(2);

bool serves(
    const runner_link::facts& facts, session::capability_id capability, const std::string& model
) {
    return facts.capability == capability &&
           (model.empty() ||
            std::find(facts.models.begin(), facts.models.end(), model) != facts.models.end());
}

} // namespace

outcome<std::unique_ptr<runner_pool>> runner_pool::make(
    shards& shards, const std::vector<std::string>& urls, runner_options common, logger log
) {
    std::unique_ptr<runner_pool> made(new runner_pool);
    // Runners come with certificates of their own making; what protects them is the network.
    auto tls = http::client_tls(http::tls_verify::none);
    if (!tls)
        return tls.error();
    common.client.tls = *tls;
    for (const auto& text : urls) {
        auto url = http::parse_http_url(text);
        if (!url)
            return failure(url.error().code, "-runner " + text + ": " + url.error().detail);
        auto options = common;
        options.url = text;
        while (options.url.ends_with('/'))
            options.url.pop_back();
        auto home = shards.of(url->endpoint()).get_executor();
        made->links_.push_back(std::make_shared<runner_link>(
            std::move(options), home, log.with("runner " + url->endpoint())
        ));
        made->homes_.emplace_back(home);
    }
    return made;
}

runner_pool::~runner_pool() {
    stop();
}

void runner_pool::begin() {
    begun_ = true;
    for (const auto& each : links_)
        each->watch();
}

void runner_pool::stop() {
    if (!begun_ || std::exchange(stopped_, true))
        return;
    std::vector<std::future<void>> ended;
    for (std::size_t i = 0; i < links_.size(); ++i) {
        auto done = std::make_shared<std::promise<void>>();
        ended.push_back(done->get_future());
        asio::co_spawn(homes_[i], runner_link::end(links_[i]), [done](std::exception_ptr) {
            done->set_value();
        });
    }
    const auto until = steady_clock::now() + stop_limit;
    for (auto& each : ended)
        each.wait_until(until);
}

bool runner_pool::knows(session::capability_id capability, const std::string& model) const {
    return std::any_of(links_.begin(), links_.end(), [&](const auto& each) {
        const auto facts = each->known();
        return facts && serves(*facts, capability, model);
    });
}

runner_lease runner_pool::take(session::capability_id capability, const std::string& model) {
    for (const auto& each : links_) {
        const auto facts = each->known();
        if (facts && serves(*facts, capability, model) && each->take())
            return runner_lease(each);
    }
    return {};
}

std::vector<offered_model> runner_pool::offers() const {
    std::vector<offered_model> made;
    for (const auto& each : links_) {
        const auto facts = each->known();
        if (!facts)
            continue;
        for (const auto& model : facts->models) {
            auto at = std::find_if(made.begin(), made.end(), [&](const auto& row) {
                return row.capability == facts->capability && row.model == model;
            });
            if (at == made.end()) {
                at = made.insert(at, offered_model{});
                at->capability = facts->capability;
                at->model = model;
                at->runner_version = facts->version;
            }
            at->capacity += each->ready();
            at->in_use += each->busy();
        }
    }
    return made;
}

std::vector<session::hardware_info> runner_pool::hardware() const {
    std::vector<session::hardware_info> made;
    for (const auto& each : links_)
        if (auto facts = each->known(); facts && facts->hardware)
            made.push_back(std::move(*facts->hardware));
    return made;
}

} // namespace rivulet::worker
