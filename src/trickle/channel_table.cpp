#include "trickle/channel_table.hpp"

#include "trickle/channel_writer.hpp"

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>

#include <future>
#include <map>

namespace rivulet::trickle {
namespace {

constexpr std::string_view feed_name = "_changes";

} // namespace

struct channel_table::part {
    explicit part(asio::io_context& context) : sweep_timer(context) {}

    std::map<std::string, channel_ptr, std::less<>> channels;
    asio::steady_timer sweep_timer;
    std::unique_ptr<channel_writer> feed; // on the home shard of `_changes` only
    bool stopped = false;
};

channel_table::channel_table(shards& shards, table_options options, logger log)
    : shards_(shards), options_(options), log_(std::move(log)) {
    for (std::size_t i = 0; i < shards_.size(); ++i)
        parts_.push_back(std::make_shared<part>(shards_.at(i)));
    for (std::size_t i = 0; i < shards_.size(); ++i)
        asio::post(shards_.at(i), [this, held = parts_[i]] { sweep_later(held); });
    if (options_.changefeed) {
        const auto index = shards_.index_of(feed_name);
        asio::post(shards_.at(index), [this, held = parts_[index]] {
            auto made = create(std::string(feed_name), "application/json");
            if (made)
                held->feed = std::make_unique<channel_writer>(*made);
            announce("added", std::string(feed_name));
        });
    }
}

channel_table::~channel_table() {
    stop();
}

channel_table::part& channel_table::part_of(std::string_view name) const {
    return *parts_[shards_.index_of(name)];
}

channel_ptr channel_table::find(std::string_view name) const {
    const auto& channels = part_of(name).channels;
    const auto found = channels.find(name);
    return found == channels.end() ? nullptr : found->second;
}

result<channel_ptr> channel_table::create(const std::string& name, const std::string& mime) {
    auto& home = part_of(name);
    if (auto existing = find(name))
        return existing;
    if (home.stopped)
        return make_error_code(errc::closed);
    if (count_.fetch_add(1, std::memory_order_relaxed) >= options_.channels) {
        count_.fetch_sub(1, std::memory_order_relaxed);
        return make_error_code(errc::too_many);
    }
    auto made = std::make_shared<channel>(name, mime, options_.channel, steady_clock::now());
    home.channels.emplace(name, made);
    announce("added", name);
    return made;
}

result<channel_ptr> channel_table::replace(const std::string& name, const std::string& mime) {
    remove(name);
    return create(name, mime);
}

bool channel_table::remove(const std::string& name) {
    auto& channels = part_of(name).channels;
    const auto found = channels.find(name);
    if (found == channels.end())
        return false;
    auto ending = std::move(found->second);
    channels.erase(found);
    count_.fetch_sub(1, std::memory_order_relaxed);
    ending->close();
    announce("removed", name);
    return true;
}

bool channel_table::remove(const channel_ptr& which) {
    return find(which->name()) == which && remove(which->name());
}

// One JSON message per change, keys without a change left out (spec 2.6).
void channel_table::announce(const char* key, const std::string& name) {
    if (!options_.changefeed || (name == feed_name && key == std::string_view("removed")))
        return;
    const auto index = shards_.index_of(feed_name);
    auto text = boost::json::serialize(boost::json::object{{key, boost::json::array{name}}});
    const auto tell = [feed = parts_[index], text = std::move(text)] {
        if (feed->feed)
            feed->feed->write_segment(bytes::copy_of(text));
    };
    asio::dispatch(shards_.at(index), tell);
}

void channel_table::sweep_later(const std::shared_ptr<part>& held) {
    held->sweep_timer.expires_after(options_.sweep_interval);
    held->sweep_timer.async_wait([this, held](error_code ec) {
        if (ec || held->stopped)
            return;
        sweep(*held, steady_clock::now());
        sweep_later(held);
    });
}

void channel_table::sweep(part& swept, time_point now) {
    std::vector<std::string> idle;
    for (const auto& [name, held] : swept.channels) {
        const bool exempt = name.starts_with('_') || held->kept() || held->being_written();
        if (!exempt && now - held->last_activity() > options_.idle_timeout)
            idle.push_back(name);
    }
    for (const auto& name : idle) {
        log_.info("channel {}: nothing written for too long, closed", name);
        remove(name);
    }
}

void channel_table::stop() {
    if (std::exchange(stopped_, true))
        return;
    // Twice: the changefeed goes last, so that it tells of every other channel's end.
    for (const bool feed_too : {false, true}) {
        std::vector<std::future<void>> done;
        for (std::size_t i = 0; i < parts_.size(); ++i) {
            std::packaged_task<void()> end([this, feed_too, held = parts_[i]] {
                held->stopped = true;
                held->sweep_timer.cancel();
                std::vector<std::string> names;
                for (const auto& [name, ending] : held->channels)
                    if (feed_too || name != feed_name)
                        names.push_back(name);
                for (const auto& name : names)
                    remove(name);
                if (feed_too)
                    held->feed.reset();
            });
            done.push_back(end.get_future());
            // Inside a lambda: Asio treats a bare packaged_task in its own way, but only where its
            // header is included.
            asio::post(shards_.at(i), [end = std::move(end)]() mutable { end(); });
        }
        for (auto& each : done)
            each.wait();
    }
}

} // namespace rivulet::trickle
