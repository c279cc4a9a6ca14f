#include "batch/request_reading.hpp"

#include "batch/body_intake.hpp"
#include "batch/form_intake.hpp"

namespace rivulet::batch {
namespace {

// A longer body is parsed off the shard: others wait there.
constexpr std::size_t quickly_parsed = 256 * 1024;
// What goes to the disk in one piece.
constexpr std::size_t disk_piece = 256 * 1024;

using request_ptr = std::shared_ptr<request>;

} // namespace

awaitable<answer<std::string>> read_json_text(http::exchange& peer, const reading_limits& limits) {
    body_intake body(peer, limits, limits.json_bytes);
    auto begun = co_await body.begin();
    if (!begun)
        co_return begun.error();
    std::string text;
    text.reserve(std::min<std::uint64_t>(
        peer.reader().content_length().value_or(0), std::uint64_t(limits.json_bytes)
    ));
    const http::body_sink keep = [&text](std::span<const std::uint8_t> piece) {
        text.append(reinterpret_cast<const char*>(piece.data()), piece.size());
    };
    while (!body.done()) {
        auto read = co_await body.next(keep);
        if (!read)
            co_return read.error();
    }
    co_return std::move(text);
}

namespace {

awaitable<answer<request>> read_json(
    const pipeline& kind,
    http::exchange& peer,
    const reading_limits& limits,
    blocking_threads& threads
) {
    auto text = co_await read_json_text(peer, limits);
    if (!text)
        co_return text.error();
    if (text->size() <= quickly_parsed)
        co_return parse_json(kind, *text, limits.rules);
    auto parse = [&kind, body = std::move(*text), rules = limits.rules] {
        return parse_json(kind, body, rules);
    };
    co_return co_await threads.run(std::move(parse));
}

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
awaitable<answer<void>> store(form_intake& form, body_intake& body, blocking_threads& threads) {
    auto content = form.content();
    auto piece = form.take_pending();
    error_code failed;
    if (content->fits_memory(piece.size())) {
        failed = content->write(piece);
    } else {
        const auto before = steady_clock::now();
        auto write = [content, piece = std::move(piece)] { return content->write(piece); };
        failed = co_await threads.run(std::move(write));
        body.excuse(steady_clock::now() - before);
    }
    if (failed)
        co_return disk_error(failed);
    co_return answer<void>();
}

awaitable<answer<request>> read_form(
    const pipeline& kind,
    http::exchange& peer,
    const reading_limits& limits,
    blocking_threads& threads
) {
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
        if (form.pending() >= disk_piece) {
            auto stored = co_await store(form, body, threads);
            if (!stored)
                co_return stored.error();
        }
    }
    auto finished = form.finish();
    if (!finished)
        co_return finished.error();
    if (form.pending() > 0) {
        auto stored = co_await store(form, body, threads);
        if (!stored)
            co_return stored.error();
    }
    co_return parse_form(kind, form.take_values(), form.take_file(), limits.rules);
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

awaitable<answer<std::shared_ptr<request>>> read_request(
    const pipeline& kind,
    http::exchange& peer,
    const reading_limits& limits,
    blocking_threads& threads
) {
    auto read = kind.body == body_kind::json ? read_json(kind, peer, limits, threads)
                                             : read_form(kind, peer, limits, threads);
    auto made = co_await std::move(read);
    if (!made)
        co_return made.error();
    auto out = std::make_shared<request>(std::move(*made));
    if (out->file && kind.media != media_kind::none) {
        auto looked = co_await look_at(*out, limits.media, threads);
        if (!looked)
            co_return looked.error();
    }
    co_return out;
}

} // namespace rivulet::batch
