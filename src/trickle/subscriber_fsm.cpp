#include "trickle/subscriber_fsm.hpp"

#include "trickle/segment.hpp"

#include <algorithm>
#include <utility>

namespace rivulet::trickle {
namespace {

std::optional<failure> judge(const get_reply& reply, std::int64_t requested) {
    if (reply.closed)
        return failure(errc::end_of_stream, "the channel has ended");
    if (reply.status == 404)
        return failure(errc::not_found, "the server has no such channel");
    if (reply.status == 470) {
        auto text = "segment " + std::to_string(requested) + " is not available";
        if (reply.latest)
            text += "; the next one is " + std::to_string(*reply.latest);
        return failure(errc::sequence_not_found, text);
    }
    if (reply.status != 200) {
        auto text = "the server answered " + std::to_string(reply.status);
        if (!reply.body.empty())
            text += ": " + reply.body;
        return failure(errc::http_status, text);
    }
    return std::nullopt;
}

} // namespace

subscriber_fsm::request* subscriber_fsm::find(get_id get) {
    for (auto& one : waiting_)
        if (one.id == get)
            return &one;
    return nullptr;
}

void subscriber_fsm::open(subscriber_actions& out, bool fresh) {
    request made;
    made.id = ++last_id_;
    made.seq = position_;
    waiting_.push_back(made);
    out.push_back({subscriber_action::kind::open_get, made.id, made.seq, fresh || fresh_next_});
    fresh_next_ = false;
}

void subscriber_fsm::drop_waiting(subscriber_actions& out) {
    for (const auto& one : waiting_)
        out.push_back({subscriber_action::kind::close_get, one.id, one.seq});
    waiting_.clear();
}

// The reply in hand becomes the segment being read; the one after it is asked for at once.
void subscriber_fsm::promote(subscriber_actions& out) {
    reading_ = std::exchange(ready_, std::nullopt);
    if (waiting_.empty() && !failure_ && !dead())
        open(out, false);
}

subscriber_fsm::status subscriber_fsm::want(time_point, subscriber_actions& out) {
    if (!reading_ && ready_)
        promote(out);
    status now;
    if (reading_) {
        now.what = status::kind::reading;
        now.get = reading_->id;
        now.seq = reading_->seq;
        now.skip = reading_->skip;
        return now;
    }
    if (failure_) {
        now.what = status::kind::failed;
        now.why = std::exchange(failure_, std::nullopt);
        return now;
    }
    if (dead()) {
        now.what = status::kind::failed;
        now.why = failure(
            errc::connect_failed,
            "gave up after " + std::to_string(max_connect_failures) + " failed connections in a row"
        );
        return now;
    }
    if (waiting_.empty())
        open(out, false);
    return now;
}

void subscriber_fsm::sent(get_id get, time_point now) {
    if (auto* one = find(get))
        one->sent_at = now;
}

subscriber_actions subscriber_fsm::replied(get_id get, const get_reply& reply, time_point) {
    subscriber_actions out;
    auto* one = find(get);
    if (!one) {
        out.push_back({subscriber_action::kind::close_get, get});
        return out;
    }
    const auto requested = one->seq;
    std::erase_if(waiting_, [get](const request& r) { return r.id == get; });
    drop_waiting(out); // the twin of a refresh
    connect_failures_ = 0;
    if (reply.latest && is_seq(*reply.latest))
        latest_ = reply.latest;
    if (auto why = judge(reply, requested)) {
        failure_ = std::move(why);
        return out;
    }
    body next;
    next.id = get;
    next.seq = reply.seq && is_seq(*reply.seq) ? *reply.seq : requested;
    if (is_seq(next.seq))
        position_ = next.seq + 1;
    if (next.seq == skip_seq_ && next.seq >= 0)
        next.skip = skip_;
    skip_seq_ = -1;
    skip_ = 0;
    ready_ = next;
    if (!reading_)
        promote(out);
    return out;
}

subscriber_actions subscriber_fsm::failed(get_id get, failure why, bool reused, time_point now) {
    subscriber_actions out;
    auto* one = find(get);
    if (!one)
        return out;
    std::erase_if(waiting_, [get](const request& r) { return r.id == get; });
    // Its twin of a refresh still stands and goes on waiting alone.
    if (!waiting_.empty()) {
        if (waiting_.front().sent_at)
            waiting_.front().sent_at = now;
        return out;
    }
    // A kept connection may have been closed by the peer long ago: not a word about the channel.
    if (reused) {
        open(out, true);
        return out;
    }
    ++connect_failures_;
    failure_ = std::move(why);
    return out;
}

void subscriber_fsm::delivered(get_id get, std::uint64_t bytes) {
    if (reading_ && reading_->id == get)
        reading_->delivered += bytes;
}

subscriber_actions subscriber_fsm::body_ended(get_id get, time_point) {
    subscriber_actions out;
    if (!reading_ || reading_->id != get)
        return out;
    reading_.reset();
    if (ready_)
        promote(out);
    return out;
}

subscriber_actions subscriber_fsm::body_failed(get_id get, failure why, time_point) {
    subscriber_actions out;
    if (!reading_ || reading_->id != get)
        return out;
    drop_waiting(out);
    out.push_back({subscriber_action::kind::close_get, get, reading_->seq});
    if (ready_)
        out.push_back({subscriber_action::kind::close_get, ready_->id, ready_->seq});
    // The same segment again; what the caller has of it already is left out.
    if (reading_->seq >= 0) {
        position_ = reading_->seq;
        skip_seq_ = reading_->seq;
        skip_ = std::max(reading_->skip, reading_->delivered);
    }
    reading_.reset();
    ready_.reset();
    fresh_next_ = true;
    failure_ = std::move(why);
    return out;
}

void subscriber_fsm::reply_begun(get_id get, time_point now) {
    if (auto* one = find(get); one && !one->begun_at)
        one->begun_at = now;
}

time_point subscriber_fsm::deadline() const {
    if (waiting_.empty())
        return time_point::max();
    const auto& oldest = waiting_.front();
    if (oldest.begun_at)
        return *oldest.begun_at + head_limit;
    const auto& newest = waiting_.back();
    if (!newest.sent_at)
        return time_point::max(); // connecting has a limit of its own
    return *newest.sent_at + (waiting_.size() > 1 ? overlap : refresh_);
}

subscriber_actions subscriber_fsm::tick(time_point now) {
    subscriber_actions out;
    if (waiting_.empty() || now < deadline())
        return out;
    if (waiting_.size() == 1 && !waiting_.front().begun_at) {
        // Asked anew while the old question stands: an answer that is on its way still counts.
        open(out, true);
        return out;
    }
    const auto old = waiting_.front();
    out.push_back({subscriber_action::kind::close_get, old.id, old.seq});
    waiting_.erase(waiting_.begin());
    if (waiting_.empty())
        open(out, true);
    return out;
}

subscriber_actions subscriber_fsm::set_seq(std::int64_t seq) {
    subscriber_actions out;
    drop_waiting(out);
    for (auto* one : {&reading_, &ready_})
        if (*one) {
            out.push_back({subscriber_action::kind::close_get, (*one)->id, (*one)->seq});
            one->reset();
        }
    position_ = seq;
    skip_ = 0;
    skip_seq_ = -1;
    failure_.reset();
    connect_failures_ = 0;
    fresh_next_ = true;
    return out;
}

} // namespace rivulet::trickle
