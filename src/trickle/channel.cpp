#include "trickle/channel.hpp"

#include <algorithm>
#include <utility>

namespace rivulet::trickle {
namespace {

// How many blocks a segment may have beside its limit of bytes.
constexpr std::size_t free_blocks = 4096;
constexpr std::size_t least_average_block = 64;

} // namespace

channel::channel(std::string name, std::string mime, channel_limits limits, time_point now)
    : name_(std::move(name)), mime_(std::move(mime)), limits_(limits), last_activity_(now) {}

segment_ptr channel::find(std::int64_t seq) const {
    const auto& held = ring_[static_cast<std::size_t>(seq % window)];
    return held && held->seq() == seq ? held : nullptr;
}

segment_ptr channel::install(segment_ptr made) {
    auto& place = slot(made->seq());
    if (place)
        place->evict();
    place = std::move(made);
    return place;
}

std::int64_t channel::oldest() const {
    auto lowest = next_;
    for (const auto& held : ring_)
        if (held)
            lowest = std::min(lowest, held->seq());
    return lowest;
}

result<channel::write_slot> channel::open_write(std::int64_t seq) {
    if (closed_)
        return make_error_code(errc::closed);
    if (seq < seq_next || seq > largest_seq)
        return make_error_code(errc::invalid_argument);
    if (seq == seq_next)
        seq = next_;
    write_slot made{nullptr, seq, 0};
    if (auto held = find(seq)) {
        if (!held->closed())
            made.target = std::move(held);
    } else if (seq < next_ - window) {
        // Perhaps a publisher that restarted (spec 8.1, 1): only its first byte proves it.
        made.target = find_stale(seq);
    } else if (const auto& occupant = slot(seq); !occupant || occupant->seq() < seq) {
        made.target = install(std::make_shared<segment>(seq));
    }
    if (made.target)
        made.ticket = made.target->add_writer();
    return made;
}

void channel::reset_below(std::int64_t seq) {
    auto ring = ring_; // waking readers may open others
    for (const auto& held : ring)
        if (held && held->seq() < seq)
            held->close();
    // Otherwise `-1` would lead readers to a closed segment for ever.
    for (auto held = find(next_); held && held->closed(); held = find(next_))
        ++next_;
}

segment_ptr channel::find_stale(std::int64_t seq) {
    std::erase_if(stale_, [](const auto& held) { return held.expired(); });
    for (const auto& weak : stale_)
        if (auto held = weak.lock(); held && held->seq() == seq && !held->closed())
            return held;
    auto made = std::make_shared<segment>(seq);
    stale_.push_back(made);
    return made;
}

// Readers of the higher segments end, ask on, are told the new counter and follow.
void channel::restart_at(const segment_ptr& target) {
    for (auto& held : ring_)
        if (auto old = std::exchange(held, nullptr))
            old->evict();
    install(target);
    next_ = target->seq();
    // The restarted publisher's next segment may be waiting for its first byte already.
    for (const auto& weak : std::exchange(stale_, {})) {
        auto held = weak.lock();
        if (held && held != target && !settle_stale(held))
            stale_.push_back(held);
    }
}

// Gives a segment that was claimed outside the ring its place in the window; false when its number
// still lies before the window.
bool channel::settle_stale(const segment_ptr& target) {
    if (target->seq() < next_ - window)
        return false;
    const auto& occupant = slot(target->seq());
    if (!occupant || occupant->seq() < target->seq())
        install(target);
    else
        target->close(); // too late: its writer goes on and the bytes are dropped
    return true;
}

error_code channel::append(const write_slot& to, bytes block, time_point now) {
    if (closed_)
        return make_error_code(errc::closed);
    if (to.target->evicted())
        return make_error_code(errc::lagged);
    if (to.target->closed())
        return make_error_code(errc::cancelled);
    if (find(to.seq) != to.target) {
        if (!settle_stale(to.target))
            restart_at(to.target);
        else if (to.target->closed())
            return make_error_code(errc::cancelled);
    }
    last_activity_ = now;
    // Tiny blocks cost more than their bytes.
    const auto most_blocks = free_blocks + limits_.segment_bytes / least_average_block;
    if (to.target->size() + block.size() > limits_.segment_bytes ||
        to.target->blocks().size() >= most_blocks) {
        to.target->close();
        return make_error_code(errc::too_large);
    }
    const bool first = to.target->size() == 0;
    if (first)
        next_ = std::max(next_, to.seq + 1);
    to.target->append(std::move(block));
    if (first && !orphans_.empty())
        close_orphans(now);
    return {};
}

void channel::finish_write(const write_slot& to, time_point now) {
    if (!to.target)
        return;
    to.target->remove_writer();
    if (closed_ || to.target->evicted() || find(to.seq) != to.target)
        return;
    last_activity_ = now;
    if (to.target->size() == 0)
        next_ = std::max(next_, to.seq + 1);
    // An older writer that outlived the newest one ends it too.
    if (to.target->is_newest_writer(to.ticket) || to.target->writers() == 0)
        to.target->close();
}

std::optional<time_point> channel::abort_write(const write_slot& to, time_point now) {
    if (!to.target)
        return std::nullopt;
    to.target->remove_writer();
    if (closed_ || to.target->closed() || to.target->writers() > 0 || find(to.seq) != to.target)
        return std::nullopt;
    std::erase_if(orphans_, [&](const orphan& lost) { return lost.target == to.target; });
    orphans_.push_back({to.target, now});
    ++aborts_;
    return now + retry_window;
}

std::optional<time_point> channel::close_orphans(time_point now) {
    std::optional<time_point> again;
    // Closing wakes readers; none of them can reach orphans_, so iterating is safe.
    std::erase_if(orphans_, [&](const orphan& lost) {
        if (lost.target->closed() || lost.target->writers() > 0)
            return true;
        const bool empty = lost.target->size() == 0;
        const bool overtaken = next_ > lost.target->seq() + (empty ? 0 : 1);
        // An idle writer that left is no news: the number is still the next one to come.
        if (empty && !overtaken)
            return false;
        const auto due = lost.since + (overtaken ? duration(retry_window) : duration(retry_limit));
        if (now >= due) {
            lost.target->close();
            return true;
        }
        again = again ? std::min(*again, due) : due;
        return false;
    });
    return again;
}

bool channel::being_written() const {
    return std::any_of(ring_.begin(), ring_.end(), [](const segment_ptr& held) {
        return held && !held->closed() && held->size() > 0 && held->writers() > 0;
    });
}

result<segment_ptr> channel::open_read(std::int64_t seq) {
    std::size_t readers = 0;
    for (const auto& held : ring_)
        readers += held ? held->watchers() : 0;
    if (readers >= limits_.readers)
        return make_error_code(errc::too_many);
    if (seq == seq_next)
        seq = next_;
    else if (seq < 0) // -N: the newest begun one and N-2 before it (spec 8.3)
        seq = std::max({next_ + seq + 1, oldest(), std::int64_t{0}});
    const auto held = find(seq);
    // What was written before the end is still to be had by those who know the channel.
    if (closed_ && (!held || held->size() == 0))
        return make_error_code(errc::closed);
    if (held)
        return held;
    if (seq == next_ || (seq == 1 && next_ == 0) || (seq == 0 && next_ == 0)) {
        // A publisher that is ahead of `next` (an outage) has claimed the slot: its segment is the
        // one that comes.
        if (const auto& occupant = slot(seq);
            occupant && occupant->seq() > seq && !occupant->closed())
            return occupant;
        return install(std::make_shared<segment>(seq));
    }
    return make_error_code(errc::sequence_not_found);
}

bool channel::close_segment(std::int64_t seq) {
    if (seq < 0)
        return false;
    auto held = find(seq);
    if (!held)
        return false;
    // Otherwise `-1` would lead readers to a closed segment for ever (spec 8.1, 11).
    if (seq == next_)
        next_ = seq + 1;
    held->close();
    return true;
}

void channel::close() {
    if (closed_)
        return;
    closed_ = true;
    orphans_.clear();
    auto ring = ring_; // waking readers may drop the last outside reference to this channel
    const auto stale = std::exchange(stale_, {});
    for (const auto& held : ring)
        if (held)
            held->close();
    for (const auto& weak : stale)
        if (auto held = weak.lock())
            held->close();
}

} // namespace rivulet::trickle
