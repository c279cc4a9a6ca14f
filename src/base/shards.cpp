#include "base/shards.hpp"

#include <algorithm>
#include <array>
#include <functional>
#include <pthread.h>
#include <string>

namespace rivulet {
namespace {

thread_local std::size_t current_shard = static_cast<std::size_t>(-1);

std::string_view without_suffix(std::string_view name) {
    static constexpr std::array<std::string_view, 4> suffixes{
        "-out", "-control", "-events", "-data"};
    for (auto suffix : suffixes)
        if (name.size() > suffix.size() && name.ends_with(suffix))
            return name.substr(0, name.size() - suffix.size());
    return name;
}

} // namespace

shards::shards(std::size_t count) {
    if (count == 0)
        count = (std::max(1u, std::thread::hardware_concurrency()) + 1) / 2;
    for (std::size_t i = 0; i < count; ++i) {
        contexts_.push_back(std::make_unique<asio::io_context>(1));
        work_.push_back(asio::make_work_guard(*contexts_.back()));
    }
    for (std::size_t i = 0; i < count; ++i) {
        threads_.emplace_back([this, i] {
            current_shard = i;
            pthread_setname_np(pthread_self(), ("shard-" + std::to_string(i)).c_str());
            contexts_[i]->run();
        });
    }
}

shards::~shards() {
    stop();
}

void shards::stop() {
    for (auto& context : contexts_)
        context->stop();
    for (auto& thread : threads_)
        if (thread.joinable())
            thread.join();
    // Handlers that never ran may own objects of another shard: destroy them only when every
    // thread is gone.
    work_.clear();
}

std::size_t shards::index_of(std::string_view name) const {
    return std::hash<std::string_view>{}(without_suffix(name)) % contexts_.size();
}

std::size_t shards::current() const {
    return std::min(current_shard, contexts_.size());
}

} // namespace rivulet
