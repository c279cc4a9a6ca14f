#include "trickle/publisher_fsm.hpp"

#include "trickle/segment.hpp"

#include <utility>

namespace rivulet::trickle {
namespace {

std::string number(std::int64_t seq) {
    return seq < 0 ? "next segment" : "segment " + std::to_string(seq);
}

// What a reply says about the segment; a clear code means that it was stored. The order matters:
// the end of a channel is announced with status 200.
failure judge(const post_reply& reply, std::int64_t seq, publisher_fsm::phase at) {
    if (reply.closed)
        return {errc::end_of_stream, "the channel has ended"};
    if (reply.status == 404)
        return {errc::not_found, "the server has no such channel"};
    if (reply.status / 100 != 2) {
        auto text = "the server answered " + std::to_string(reply.status);
        if (!reply.body.empty())
            text += ": " + reply.body;
        return {errc::http_status, text};
    }
    // A success before our body ended is none: somebody closed the segment, and what is written now
    // would be thrown away.
    if (at != publisher_fsm::phase::ended_body)
        return {errc::closed, "the server closed " + number(seq) + " before its end"};
    if (reply.dropped)
        return {errc::closed, "the server discarded " + number(seq) + ", which was closed already"};
    return {error_code{}, {}};
}

} // namespace

publisher_fsm::publisher_fsm(start_at where, std::int64_t first) : where_(where), next_(first) {}

publisher_action publisher_fsm::open(std::int64_t seq, bool reset) {
    const auto id = ++last_id_;
    one_post made;
    made.seq = seq;
    made.reset = reset;
    posts_.emplace(id, std::move(made));
    idle_ = id;
    return {publisher_action::kind::open_post, id, seq, reset, false};
}

void publisher_fsm::open_idle(publisher_actions& out) {
    if (!stopped_ && !idle_ && known_)
        out.push_back(open(count_on(), false));
}

std::int64_t publisher_fsm::count_on() {
    return next_ < largest_seq ? next_++ : next_;
}

publisher_actions publisher_fsm::start() {
    publisher_actions out;
    if (where_ == start_at::next) {
        out.push_back({publisher_action::kind::ask_next});
        return out;
    }
    known_ = true;
    open_idle(out);
    return out;
}

publisher_actions publisher_fsm::next_answered(std::optional<std::int64_t> next) {
    publisher_actions out;
    if (stopped_ || known_ || awaiting_echo_)
        return out;
    if (next && is_seq(*next)) {
        next_ = *next;
        known_ = true;
        out.push_back(open(count_on(), true));
    } else {
        awaiting_echo_ = true;
        out.push_back(open(-1, true));
    }
    return out;
}

std::optional<post_id> publisher_fsm::take(publisher_actions& out) {
    if (!idle_)
        return std::nullopt;
    const auto taken = std::exchange(idle_, std::nullopt);
    open_idle(out);
    return taken;
}

void publisher_fsm::opened(post_id post) {
    auto& one = posts_.at(post);
    if (one.at == phase::opening)
        one.at = phase::open;
}

publisher_actions publisher_fsm::failed(post_id post, failure why, bool reused) {
    publisher_actions out;
    auto& one = posts_.at(post);
    if (one.at == phase::over)
        return out;
    // A kept connection may have been closed by the peer long ago. Nothing of the segment was sent
    // on it, so a new one can take its place unnoticed.
    if (reused && (one.at == phase::opening || one.at == phase::open) && !stopped_) {
        one.at = phase::opening;
        out.push_back({publisher_action::kind::open_post, post, one.seq, one.reset, true});
        return out;
    }
    one.at = phase::over;
    one.outcome = std::move(why);
    out.push_back({publisher_action::kind::close_post, post, one.seq});
    return out;
}

publisher_actions publisher_fsm::replied(post_id post, post_reply reply) {
    publisher_actions out;
    auto& one = posts_.at(post);
    if (one.at == phase::over)
        return out;
    const bool named = one.seq < 0 && reply.seq && is_seq(*reply.seq);
    if (named)
        one.seq = *reply.seq;
    one.outcome = judge(reply, one.seq, one.at);
    one.at = phase::over;
    if (named && awaiting_echo_) {
        awaiting_echo_ = false;
        known_ = true;
        next_ = one.seq + 1;
        open_idle(out);
    }
    return out;
}

std::optional<failure> publisher_fsm::before_write(post_id post) const {
    const auto& one = posts_.at(post);
    if (one.at != phase::over)
        return std::nullopt;
    return one.outcome;
}

void publisher_fsm::wrote(post_id post, std::uint64_t n) {
    auto& one = posts_.at(post);
    if (n == 0 || one.at == phase::over)
        return;
    one.bytes += n;
    one.at = phase::streaming;
}

publisher_actions publisher_fsm::rewrite(post_id post) {
    publisher_actions out;
    auto& one = posts_.at(post);
    if (one.at != phase::over)
        out.push_back({publisher_action::kind::close_post, post, one.seq});
    one.at = phase::opening;
    one.bytes = 0;
    one.outcome.reset();
    out.push_back({publisher_action::kind::open_post, post, one.seq, one.reset, true});
    return out;
}

void publisher_fsm::body_ended(post_id post) {
    auto& one = posts_.at(post);
    if (one.at != phase::over)
        one.at = phase::ended_body;
}

publisher_actions publisher_fsm::forget(post_id post) {
    publisher_actions out;
    auto found = posts_.find(post);
    if (found == posts_.end())
        return out;
    if (found->second.at != phase::over)
        out.push_back({publisher_action::kind::close_post, post, found->second.seq});
    const bool unnamed = found->second.seq < 0;
    posts_.erase(found);
    // The number is still unknown: the next segment has to ask for it in the same way.
    if (unnamed && awaiting_echo_ && !idle_ && !stopped_)
        out.push_back(open(-1, true));
    return out;
}

publisher_fsm::phase publisher_fsm::state(post_id post) const {
    return posts_.at(post).at;
}

std::int64_t publisher_fsm::seq(post_id post) const {
    return posts_.at(post).seq;
}

std::uint64_t publisher_fsm::bytes(post_id post) const {
    return posts_.at(post).bytes;
}

const std::optional<failure>& publisher_fsm::outcome(post_id post) const {
    return posts_.at(post).outcome;
}

std::size_t publisher_fsm::live() const {
    std::size_t count = 0;
    for (const auto& [id, one] : posts_)
        count += one.at != phase::over;
    return count;
}

} // namespace rivulet::trickle
