#include "webrtc/ice_lite.hpp"

#include "base/ids.hpp"

#include <algorithm>

namespace rivulet::webrtc {
namespace {

// How long a nomination outweighs one of a path with a lower priority. Peers that nominate every
// path at once would otherwise make the media hop; those that change their mind repeat the
// nomination every 2.5 s or faster.
constexpr auto nomination_holds = std::chrono::seconds(3);

std::vector<std::uint8_t>
refuse(const stun_message& request, int code, std::string_view text, std::string_view password) {
    stun_writer reply(stun_class::error, request.transaction);
    reply.error(code, text);
    if (code == 420)
        reply.unknown_attributes(request.unknown);
    return reply.finish(password);
}

} // namespace

ice_lite::ice_lite(ice_parameters local) : local_(std::move(local)) {}

ice_reply ice_lite::receive(
    std::span<const std::uint8_t> datagram,
    const stun_message& message,
    const path& from,
    time_point now
) {
    ice_reply reply;
    if (message.kind != stun_class::request || message.method != stun_binding)
        return reply;
    const auto fragment = message.username.substr(0, message.username.find(':'));
    const bool current = fragment == local_.ufrag;
    if (!current && (!previous_ || fragment != previous_->ufrag))
        return reply;
    const std::string password = current ? local_.password : previous_->password;
    if (!has_integrity(datagram, message, password)) {
        reply.datagram = refuse(message, 401, "Unauthorized", {});
        return reply;
    }
    if (!message.unknown.empty()) {
        reply.datagram = refuse(message, 420, "Unknown Attribute", password);
        return reply;
    }
    if (message.controlled) {
        // A lite side is always the controlled one, so the peer has to change its mind.
        reply.datagram = refuse(message, 487, "Role Conflict", password);
        return reply;
    }
    reply.accepted = true;
    if (current && previous_) {
        reply.retired = previous_->ufrag;
        previous_.reset();
    }
    auto found = std::find_if(entries_.begin(), entries_.end(), [&](const entry& known) {
        return known.where.remote == from.remote;
    });
    if (found == entries_.end()) {
        if (entries_.size() == max_paths) {
            const auto oldest = std::min_element(
                entries_.begin(),
                entries_.end(),
                [&](const auto& a, const auto& b) {
                    return std::pair(selected_ == a.where.remote, a.heard) <
                           std::pair(selected_ == b.where.remote, b.heard);
                }
            );
            reply.forgotten = oldest->where.remote;
            entries_.erase(oldest);
        }
        entries_.emplace_back();
        found = entries_.end() - 1;
    }
    found->where = from;
    found->priority = message.priority.value_or(0);
    found->heard = now;
    if (current)
        found->generation = generation_;
    if (message.use_candidate)
        found->nominated = now;
    const auto chosen = std::find_if(entries_.begin(), entries_.end(), [&](const entry& known) {
        return selected_ == known.where.remote;
    });
    if (chosen == entries_.end() || (message.use_candidate && wins(*found, *chosen, now)))
        selected_ = from.remote;

    stun_writer answer(stun_class::success, message.transaction);
    answer.mapped(from.remote.endpoint());
    reply.datagram = answer.finish(password);
    return reply;
}

bool ice_lite::wins(const entry& candidate, const entry& current, time_point now) const {
    if (candidate.where.remote == current.where.remote)
        return true;
    if (current.nominated == time_point::min() || candidate.generation > current.generation)
        return true;
    return candidate.priority >= current.priority || now - current.nominated > nomination_holds;
}

std::optional<std::string> ice_lite::restart(ice_parameters local) {
    std::optional<std::string> retired;
    if (previous_)
        retired = previous_->ufrag;
    previous_ = std::move(local_);
    local_ = std::move(local);
    ++generation_;
    return retired;
}

void ice_lite::lost(const path_id& id) {
    std::erase_if(entries_, [&](const entry& known) { return known.where.remote == id; });
    if (selected_ != id)
        return;
    selected_.reset();
    // Better a path that passed a check lately than none.
    const auto latest =
        std::max_element(entries_.begin(), entries_.end(), [](const auto& a, const auto& b) {
            return a.heard < b.heard;
        });
    if (latest != entries_.end())
        selected_ = latest->where.remote;
}

const path* ice_lite::selected() const {
    for (const auto& known : entries_)
        if (selected_ == known.where.remote)
            return &known.where;
    return nullptr;
}

bool ice_lite::knows(const path_id& id) const {
    return std::any_of(entries_.begin(), entries_.end(), [&](const entry& known) {
        return known.where.remote == id;
    });
}

std::vector<path_id> ice_lite::paths() const {
    std::vector<path_id> all;
    for (const auto& known : entries_)
        all.push_back(known.where.remote);
    return all;
}

std::vector<std::string> ice_lite::fragments() const {
    std::vector<std::string> all{local_.ufrag};
    if (previous_)
        all.push_back(previous_->ufrag);
    return all;
}

ice_parameters make_ice_parameters() {
    return {random_hex(8), random_hex(16)};
}

} // namespace rivulet::webrtc
