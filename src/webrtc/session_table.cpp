#include "webrtc/session_table.hpp"

#include "base/ids.hpp"
#include "webrtc/sdp_answer.hpp"
#include "webrtc/session_http.hpp"

namespace rivulet::webrtc {
namespace {

std::string new_etag() {
    return '"' + random_hex(8) + '"';
}

// The section whose transport the whole bundle uses.
std::string first_mid(const sdp_offer& offer) {
    for (const auto& section : offer.media)
        if (section.kind != media_kind::other && !section.refused)
            return section.mid;
    return {};
}

http::response no_session() {
    return http::error_response(
        http::status::not_found, "no such session: it ended, or the address is wrong"
    );
}

http::response empty_reply(http::status status) {
    http::response reply;
    reply.status = status;
    return reply;
}

} // namespace

bool session_table::begin(const session_request& request) {
    if (stopping_)
        return false;
    auto& entry = sessions_[request.id];
    entry.stream = request.stream;
    entry.mid = first_mid(request.offer);
    return true;
}

session_opening session_table::finish(const std::string& id, outcome<open_session> decided) {
    session_opening made;
    const auto found = sessions_.find(id);
    if (!decided) {
        made.failed = decided.error();
        sessions_.erase(id);
        return made;
    }
    if (stopping_ || found == sessions_.end()) {
        sessions_.erase(id);
        if (decided->close)
            decided->close("the gateway ends");
        return made;
    }
    auto& entry = found->second;
    if (entry.ended) {
        made.failed = failure(errc::closed, "the session ended before it was answered");
        sessions_.erase(found);
        return made;
    }
    entry.etag = new_etag();
    made.failed.reset();
    made.etag = entry.etag;
    made.answer = std::move(decided->answer);
    made.headers = std::move(decided->headers);
    entry.opened = std::move(*decided);
    entry.is_open = true;
    ++open_;
    return made;
}

void session_table::abandon(const std::string& id) {
    sessions_.erase(id);
}

session_table::session* session_table::find(const std::string& id, std::string_view stream) {
    const auto found = sessions_.find(id);
    if (found == sessions_.end() || !found->second.is_open || found->second.stream != stream)
        return nullptr;
    return &found->second;
}

http::response
session_table::patch(const std::string& id, std::string_view stream, const http::request& asked) {
    auto* entry = find(id, stream);
    if (!entry)
        return no_session();
    if (!is_content_type(asked["Content-Type"], fragment_type))
        return wrong_type("Accept-Patch", fragment_type);
    const auto condition = check_if_match(asked["If-Match"], entry->etag);
    if (condition == precondition::missing)
        return http::error_response(
            http::status::precondition_required, "If-Match with the session's ETag is needed"
        );
    if (condition == precondition::failed)
        return http::error_response(
            http::status::precondition_failed,
            "If-Match is not the session's ETag: its ICE was restarted since"
        );
    const auto theirs = parse_fragment(asked.body);
    if (!theirs)
        return reply_of(theirs.error(), false);
    const auto& transport = entry->opened.transport;
    // Their candidates are not needed: they send checks to ours, and we answer.
    if (theirs->ufrag.empty() || !transport || transport->remote_ice() == *theirs)
        return empty_reply(http::status::no_content);
    const auto& ours = transport->restart_ice(*theirs);
    entry->etag = new_etag();
    http::response reply;
    reply.content_type = fragment_type;
    reply.body = write_fragment(ours, entry->mid);
    reply.headers.emplace_back("ETag", entry->etag);
    reply.headers.emplace_back("Access-Control-Expose-Headers", "ETag");
    return reply;
}

http::response session_table::end(const std::string& id, std::string_view stream) {
    if (!find(id, stream))
        return no_session();
    auto taken = sessions_.extract(id);
    --open_;
    if (taken.mapped().opened.close)
        taken.mapped().opened.close("the client ended it");
    return empty_reply(http::status::ok);
}

void session_table::forget(const std::string& id) {
    const auto found = sessions_.find(id);
    if (found == sessions_.end())
        return;
    if (!found->second.is_open) {
        found->second.ended = true;
        return;
    }
    // Its callbacks may be what runs right now: they die after the entry.
    const auto taken = sessions_.extract(found);
    --open_;
}

void session_table::stop(const std::string& reason) {
    stopping_ = true;
    auto sessions = std::exchange(sessions_, {});
    for (auto& [id, entry] : sessions) {
        if (!entry.is_open)
            continue; // finish() finds it gone
        --open_;
        if (entry.opened.close)
            entry.opened.close(reason);
    }
}

} // namespace rivulet::webrtc
