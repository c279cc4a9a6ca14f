#include "trickle/server.hpp"

#include "base/log_safe.hpp"
#include "trickle/reply_pump.hpp"
#include "trickle/request_path.hpp"
#include "trickle/segment_upload.hpp"
#include "trickle/server_reply.hpp"

#include <boost/beast/http/status.hpp>

namespace rivulet::trickle {

using http::verb;

server::server(channel_table& table, server_options options, logger log)
    : table_(table), options_(std::move(options)), log_(std::move(log)) {}

void server::mount(http::server& front, shards& shards) {
    const auto home = [&shards](std::string_view rest) {
        auto parsed = parse_request_path(rest);
        return parsed ? shards.index_of(parsed->name) : shards.size();
    };
    front.stream_route(options_.base_path, home, [this](http::exchange& now) {
        return handle(now);
    });
}

namespace {

http::response method_not_allowed(std::string_view allowed) {
    auto made = text_error(405, "Method Not Allowed");
    add(made, "Allow", allowed);
    return made;
}

} // namespace

awaitable<void> server::handle(http::exchange& now) {
    const auto parsed = parse_request_path(now.path().substr(options_.base_path.size()));
    const auto method = now.header().method();
    if (!parsed) {
        co_await now.reply(text_error(404, "404 page not found"));
    } else if (!parsed->item) {
        if (method == verb::post)
            co_await create(now, parsed->name);
        else if (method == verb::delete_)
            co_await remove(now, parsed->name);
        else
            co_await now.reply(method_not_allowed("DELETE, POST"));
    } else if (*parsed->item == "next" && (method == verb::get || method == verb::head)) {
        co_await next(now, parsed->name);
    } else if (method == verb::get || method == verb::head) {
        co_await read(now, parsed->name, *parsed->item);
    } else if (method == verb::post) {
        co_await write(now, parsed->name, *parsed->item);
    } else if (method == verb::delete_) {
        co_await remove_segment(now, parsed->name, *parsed->item);
    } else {
        co_await now.reply(method_not_allowed("DELETE, GET, HEAD, POST"));
    }
}

namespace {

http::response to_reply(const hook_refusal& why) {
    if (!why.request_error)
        return text_error(500, why.message);
    const bool fits = why.status >= 400 && why.status <= 499;
    std::string text = why.message;
    if (text.empty() && why.status > 0)
        text = http::beast_http::obsolete_reason(static_cast<http::status>(why.status));
    if (text.empty() || text.starts_with('<')) // "<unknown-status>"
        text = "Bad Request";
    auto reply = text_error(fits ? static_cast<unsigned>(why.status) : 400, text);
    if (why.status == 401)
        add(reply, "WWW-Authenticate", "Bearer realm=\"rivulet\"");
    return reply;
}

} // namespace

// The product's own names (`_changes`) are written and deleted from inside only; then the hook.
std::optional<http::response>
server::refused(const hook& asked, http::exchange& now, const std::string& name) const {
    if (name.starts_with('_') && now.header().method() != verb::get &&
        now.header().method() != verb::head)
        return text_error(403, "Names that begin with _ are reserved");
    if (!asked)
        return std::nullopt;
    const auto why = asked(now.header(), name);
    if (!why)
        return std::nullopt;
    return to_reply(*why);
}

awaitable<bool> server::read_refused(http::exchange& now, const std::string& name) const {
    if (!options_.before_read)
        co_return false;
    const auto why = co_await options_.before_read(now, name);
    if (!why)
        co_return false;
    auto reply = to_reply(*why);
    co_await now.reply(std::move(reply));
    co_return true;
}

awaitable<void> server::create(http::exchange& now, const std::string& name) {
    auto refusal = refused(options_.before_create, now, name);
    if (refusal) {
        co_await now.reply(std::move(*refusal));
        co_return;
    }
    if (!table_.find(name)) {
        if (!options_.autocreate) {
            co_await now.reply(text_error(404, "Stream not found"));
            co_return;
        }
        auto made = table_.create(name, std::string(now[expect_content_header]));
        if (!made) {
            co_await now.reply(text_error(503, "Too many channels"));
            co_return;
        }
    }
    co_await now.reply(empty_ok());
}

awaitable<void> server::remove(http::exchange& now, const std::string& name) {
    // Also for a channel that is not there: who may not delete learns no names.
    auto refusal = refused(options_.before_delete, now, name);
    if (refusal) {
        co_await now.reply(std::move(*refusal));
        co_return;
    }
    if (!table_.find(name)) {
        co_await now.reply(text_error(400, "Invalid stream"));
        co_return;
    }
    table_.remove(name);
    co_await now.reply(empty_ok());
}

awaitable<void>
server::remove_segment(http::exchange& now, const std::string& name, std::string text) {
    const auto seq = parse_seq(text);
    const auto found = table_.find(name);
    auto reply = empty_ok();
    if (auto refusal = refused(options_.before_delete, now, name))
        reply = std::move(*refusal);
    else if (!found)
        reply = text_error(404, "Stream not found");
    else if (!seq || *seq < 0)
        reply = text_error(400, "Invalid idx");
    else if (!found->close_segment(*seq))
        reply = text_error(400, "Nonexistent segment");
    co_await now.reply(std::move(reply));
}

awaitable<void> server::next(http::exchange& now, const std::string& name) {
    const bool no = co_await read_refused(now, name);
    if (no)
        co_return;
    const auto found = table_.find(name);
    if (!found) {
        co_await now.reply(text_error(404, "Stream not found"));
        co_return;
    }
    http::response reply;
    reply.body = std::to_string(found->next());
    reply.content_type = "text/plain; charset=utf-8";
    add(reply, latest_header, found->next());
    co_await now.reply(std::move(reply));
}

awaitable<void> server::write(http::exchange& now, const std::string& name, std::string text) {
    using http::after_reply;
    const auto seq = parse_seq(text);
    if (!seq || *seq < seq_next) {
        co_await now.reply(text_error(400, "Invalid idx"), after_reply::close);
        co_return;
    }
    auto found = table_.find(name);
    const bool missing = !found;
    auto refusal =
        missing && !options_.autocreate
            ? std::nullopt
            : refused(missing ? options_.before_create : options_.before_write, now, name);
    if (refusal) {
        co_await now.reply(std::move(*refusal), after_reply::close);
        co_return;
    }
    if (missing && options_.autocreate) {
        auto made = table_.create(name, std::string(now["Content-Type"]));
        if (!made) {
            co_await now.reply(text_error(503, "Too many channels"), after_reply::close);
            co_return;
        }
        found = *made;
    }
    if (!found) {
        co_await now.reply(text_error(404, "Stream not found"), after_reply::close);
        co_return;
    }
    if (!now[reset_header].empty())
        found->reset_below(*seq == seq_next ? found->next() : *seq);
    auto slot = found->open_write(*seq);
    if (!slot) {
        co_await now.reply(text_error(400, "Invalid idx"), after_reply::close);
        co_return;
    }
    segment_upload upload(now, std::move(found), *slot, options_, counters_);
    co_await upload.run();
}

awaitable<void> server::read(http::exchange& now, const std::string& name, std::string text) {
    const auto seq = parse_seq(text);
    const bool no = co_await read_refused(now, name);
    if (no)
        co_return;
    auto found = table_.find(name);
    if (!found) {
        co_await now.reply(text_error(404, "Stream not found"));
        co_return;
    }
    if (!seq) {
        co_await now.reply(text_error(400, "Invalid idx"));
        co_return;
    }
    auto opened = found->open_read(*seq);
    if (!opened) {
        http::response reply;
        if (opened.error() == errc::too_many) {
            reply = text_error(503, "Too many readers");
        } else {
            reply.status = static_cast<http::status>(470);
            reply.body = "Entry not found";
            reply.content_type = "text/plain; charset=utf-8";
            add(reply, latest_header, found->next());
            add(reply, seq_header, *seq);
        }
        co_await now.reply(std::move(reply));
        co_return;
    }
    auto what = *opened;
    reply_pump pump(now, found, what, options_, counters_);
    now.reader().watch_peer([&pump] { pump.peer_left(); });
    auto failed = co_await pump.run();
    now.reader().unwatch_peer();
    if (failed) {
        if (failed == errc::lagged)
            log_.info(
                "channel {}: reader {} cut at segment {}: too slow",
                log_safe(name),
                now.connection().remote_address(),
                what->seq()
            );
        now.connection().close();
        co_return;
    }
    counters_.segments_out.fetch_add(1, std::memory_order_relaxed);
    if (what->size() == 0) {
        auto reply = empty_ok();
        add(reply, seq_header, what->seq());
        add(reply, latest_header, found->next());
        add(reply, size_header, std::int64_t{0});
        if (found->closed())
            add(reply, closed_header, "terminated");
        co_await now.reply(std::move(reply));
        co_return;
    }
    // An unframed body (HTTP/1.0) ends with the connection, whatever the request asked for.
    now.finished(now.chunked() ? http::after_reply::keep_alive : http::after_reply::close);
}

} // namespace rivulet::trickle
