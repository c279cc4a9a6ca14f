#include "egress/feed_table.hpp"

#include <future>
#include <unordered_map>

namespace rivulet::egress {

struct feed_table::part {
    std::unordered_map<std::string, std::weak_ptr<channel_feed>> feeds;
    bool stopped = false;
};

feed_table::feed_table(
    shards& shards, trickle::channel_table& channels, feed_options options, logger log
)
    : shards_(shards), channels_(channels), options_(options), log_(std::move(log)) {
    for (std::size_t i = 0; i < shards.size(); ++i)
        parts_.push_back(std::make_unique<part>());
}

feed_table::~feed_table() = default;

std::shared_ptr<channel_feed> feed_table::find(const std::string& name) {
    auto& here = *parts_[shards_.index_of(name)];
    auto source = channels_.find(name);
    if (!source || source->closed() || here.stopped)
        return nullptr;
    if (auto known = here.feeds[name].lock(); known && known->source() == source && !known->ended())
        return known;
    // Entries of feeds that nobody uses any more are swept when a new one is made.
    std::erase_if(here.feeds, [](const auto& entry) { return entry.second.expired(); });
    auto made =
        channel_feed::create(shards_.of(name).get_executor(), std::move(source), options_, log_);
    here.feeds[name] = made;
    return made;
}

std::shared_ptr<channel_feed> feed_table::peek(const std::string& name) const {
    const auto& feeds = parts_[shards_.index_of(name)]->feeds;
    const auto known = feeds.find(name);
    return known == feeds.end() ? nullptr : known->second.lock();
}

find_feed feed_table::finder() {
    return [this](std::string name) -> awaitable<std::shared_ptr<channel_feed>> {
        co_return find(name);
    };
}

std::vector<std::shared_ptr<channel_feed>> feed_table::live_here() {
    std::vector<std::shared_ptr<channel_feed>> found;
    const auto index = shards_.current();
    if (index < parts_.size())
        for (const auto& [name, weak] : parts_[index]->feeds)
            if (auto feed = weak.lock())
                found.push_back(std::move(feed));
    return found;
}

void feed_table::stop() {
    std::vector<std::future<void>> done;
    for (std::size_t i = 0; i < parts_.size(); ++i) {
        auto promise = std::make_shared<std::promise<void>>();
        done.push_back(promise->get_future());
        asio::post(shards_.at(i), [this, i, promise] {
            parts_[i]->stopped = true;
            for (const auto& [name, weak] : parts_[i]->feeds)
                if (auto feed = weak.lock())
                    feed->close();
            promise->set_value();
        });
    }
    for (auto& one : done)
        one.wait_for(std::chrono::seconds(5));
}

} // namespace rivulet::egress
