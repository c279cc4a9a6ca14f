#include "batch/result_index.hpp"

#include <fmt/core.h>

namespace rivulet::batch {

outcome<std::vector<std::string>> result_index::make_room(std::uint64_t size, time_point now) {
    if (size > most_)
        return failure(
            errc::too_large, fmt::format("the result store holds {} bytes in all", most_)
        );
    // All or nothing: files don't go for one that doesn't fit in the end.
    std::uint64_t freed = 0;
    auto end = by_age_.begin();
    while (bytes_ - freed > most_ - size) {
        if (end == by_age_.end() || now - end->first < safe_age)
            return failure(
                errc::too_many,
                fmt::format(
                    "the result store is full: {} of {} bytes are results of the last {} seconds",
                    bytes_ - freed,
                    most_,
                    std::chrono::duration_cast<std::chrono::seconds>(safe_age).count()
                )
            );
        freed += files_.find(end->second)->second.size;
        ++end;
    }
    std::vector<std::string> gone;
    while (by_age_.begin() != end) {
        gone.push_back(by_age_.begin()->second);
        drop(files_.find(gone.back()));
    }
    return gone;
}

void result_index::add(
    std::string name,
    std::uint64_t size,
    time_point created,
    std::shared_ptr<const std::string> bytes
) {
    file made;
    made.size = size;
    made.created = created;
    made.bytes = std::move(bytes);
    const auto [at, fresh] = files_.try_emplace(name, std::move(made));
    if (!fresh)
        return;
    by_age_.emplace(created, std::move(name));
    bytes_ += size;
}

void result_index::ready(std::string_view name) {
    if (const auto at = files_.find(name); at != files_.end())
        at->second.ready = true;
}

void result_index::remove(std::string_view name) {
    if (const auto at = files_.find(name); at != files_.end())
        drop(at);
}

std::vector<std::string> result_index::expire(time_point now) {
    std::vector<std::string> gone;
    while (!by_age_.empty() && now - by_age_.begin()->first >= keep_) {
        gone.push_back(by_age_.begin()->second);
        drop(files_.find(gone.back()));
    }
    return gone;
}

std::unique_ptr<result_index::found>
result_index::find(std::string_view name, time_point now) const {
    const auto at = files_.find(name);
    if (at == files_.end() || !at->second.ready || now - at->second.created >= keep_)
        return nullptr;
    auto made = std::make_unique<found>();
    made->size = at->second.size;
    made->expires = at->second.created + keep_;
    made->bytes = at->second.bytes;
    return made;
}

result_index::by_name::iterator result_index::drop(by_name::iterator at) {
    bytes_ -= at->second.size;
    const auto [first, last] = by_age_.equal_range(at->second.created);
    for (auto each = first; each != last; ++each)
        if (each->second == at->first) {
            by_age_.erase(each);
            break;
        }
    return files_.erase(at);
}

} // namespace rivulet::batch
