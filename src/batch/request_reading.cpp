#include "batch/request_reading.hpp"

#include "batch/body_intake.hpp"
#include "batch/form_intake.hpp"

namespace rivulet::batch {
namespace {

// What goes to the disk in one piece.
constexpr std::size_t disk_piece = 256 * 1024;

using request_ptr = std::shared_ptr<request>;

std::shared_ptr<holding> begin_holding(const reading_limits& limits) {
    auto held = std::make_shared<holding>();
    held->memory = byte_share(limits.memory, limits.spare_memory);
    held->disk = byte_share(limits.disk);
    return held;
}

} // namespace

awaitable<answer<raw_body>> read_json_body(http::exchange& peer, const reading_limits& limits) {
    raw_body made;
    made.held = begin_holding(limits);
    // What could never fit is too large, however empty the memory is.
    const auto room_for_all = made.held->memory.most();
    const bool small_memory = room_for_all < limits.json_bytes;
    body_intake body(
        peer,
        limits,
        small_memory ? room_for_all : limits.json_bytes,
        small_memory ? ", which is all that bodies may fill (half of -batchMemory)" : ""
    );
    auto begun = co_await body.begin();
    if (!begun)
        co_return begun.error();
    // What a client announces costs it nothing, so room is made as the bytes come.
    bool room = true;
    const http::body_sink keep = [&](std::span<const std::uint8_t> piece) {
        room = room && made.held->memory.take(piece.size());
        if (room)
            made.text.append(reinterpret_cast<const char*>(piece.data()), piece.size());
    };
    while (!body.done()) {
        auto read = co_await body.next(keep);
        if (!read)
            co_return read.error();
        if (!room)
            co_return memory_is_full();
    }
    co_return std::move(made);
}

awaitable<answer<std::string>> read_json_text(http::exchange& peer, const reading_limits& limits) {
    auto body = co_await read_json_body(peer, limits);
    if (!body)
        co_return body.error();
    co_return std::move(body->text);
}

namespace {

api_error disk_error(error_code why) {
    return api_error(
        why == errc::too_large ? http::status::payload_too_large
                               : http::status::internal_server_error,
        why == errc::too_large
            ? "the file is larger than this gateway takes"
            : "Internal Server Error: the upload could not be stored: " + why.message()
    );
}

// What still fits into memory is no matter for another thread.
awaitable<answer<void>>
store(form_intake& form, holding& held, body_intake& body, blocking_threads& threads) {
    auto content = form.content();
    auto piece = form.take_pending();
    error_code failed;
    if (content->fits_memory(piece.size())) {
        failed = content->write(piece);
    } else {
        if (!held.disk.hold(content->size() + piece.size()))
            co_return disk_is_full();
        const auto before = steady_clock::now();
        auto write = [content, piece = std::move(piece)] { return content->write(piece); };
        failed = co_await threads.run(std::move(write));
        body.excuse(steady_clock::now() - before);
    }
    if (failed)
        co_return disk_error(failed);
    co_return answer<void>();
}

awaitable<answer<raw_body>> read_form(
    const pipeline& kind,
    http::exchange& peer,
    const reading_limits& limits,
    blocking_threads& threads
) {
    raw_body made;
    made.held = begin_holding(limits);
    auto boundary = http::multipart_boundary(peer["Content-Type"]);
    if (!boundary)
        co_return api_error(http::status::bad_request, boundary.error().detail);
    body_intake body(peer, limits, limits.form_bytes);
    auto begun = co_await body.begin();
    if (!begun)
        co_return begun.error();
    form_intake form(kind, limits, std::move(*boundary));
    answer<void> fed;
    const http::body_sink feed = [&](std::span<const std::uint8_t> piece) {
        if (fed)
            fed = form.feed(piece);
    };
    while (!body.done()) {
        auto read = co_await body.next(feed);
        if (!fed)
            co_return fed.error();
        if (!read)
            co_return read.error();
        if (!made.held->memory.hold(form.memory()))
            co_return no_memory_for(form.memory(), made.held->memory);
        if (form.pending() >= disk_piece) {
            auto stored = co_await store(form, *made.held, body, threads);
            if (!stored)
                co_return stored.error();
        }
    }
    auto finished = form.finish();
    if (!finished)
        co_return finished.error();
    if (form.pending() > 0) {
        auto stored = co_await store(form, *made.held, body, threads);
        if (!stored)
            co_return stored.error();
    }
    made.held->memory.hold(form.memory());
    made.values = form.take_values();
    made.file = form.take_file();
    co_return std::move(made);
}

awaitable<answer<request>> parse_text(
    const pipeline& kind, std::string text, const request_rules& rules, blocking_threads& threads
) {
    if (text.size() <= quickly_parsed)
        co_return parse_json(kind, text, rules);
    auto parse = [&kind, body = std::move(text), rules] { return parse_json(kind, body, rules); };
    co_return co_await threads.run(std::move(parse));
}

awaitable<answer<void>>
look_at(request& at, const probe_limits& limits, blocking_threads& threads) {
    auto probe = [content = at.file->content, wanted = at.kind->media, limits] {
        return probe_media(wanted, *content, limits);
    };
    auto facts = co_await threads.run(std::move(probe));
    if (!facts) {
        const auto field = at.kind->file_field();
        api_error no(http::status::bad_request, std::string(field) + ": " + facts.error().detail);
        no.field = field;
        co_return no;
    }
    co_return take_media(at, *facts);
}

} // namespace

awaitable<answer<raw_body>> read_body(
    const pipeline& kind,
    http::exchange& peer,
    const reading_limits& limits,
    blocking_threads& threads
) {
    auto read = kind.body == body_kind::json ? read_json_body(peer, limits)
                                             : read_form(kind, peer, limits, threads);
    co_return co_await std::move(read);
}

awaitable<answer<std::shared_ptr<request>>> check_body(
    const pipeline& kind, raw_body body, const reading_limits& limits, blocking_threads& threads
) {
    answer<request> made = request();
    if (kind.body == body_kind::json)
        made = co_await parse_text(kind, std::move(body.text), limits.rules, threads);
    else
        made = parse_form(kind, body.values, std::move(body.file), limits.rules);
    if (!made)
        co_return made.error();
    auto out = std::make_shared<request>(std::move(*made));
    auto settled = settle_holding(*out, std::move(body.held));
    if (!settled)
        co_return settled.error();
    if (out->file && kind.media != media_kind::none) {
        auto looked = co_await look_at(*out, limits.media, threads);
        if (!looked)
            co_return looked.error();
    }
    co_return out;
}

awaitable<answer<std::shared_ptr<request>>> read_request(
    const pipeline& kind,
    http::exchange& peer,
    const reading_limits& limits,
    blocking_threads& threads
) {
    auto body = co_await read_body(kind, peer, limits, threads);
    if (!body)
        co_return body.error();
    co_return co_await check_body(kind, std::move(*body), limits, threads);
}

} // namespace rivulet::batch
