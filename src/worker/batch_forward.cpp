#include "worker/batch_forward.hpp"

#include "batch/body_intake.hpp"
#include "batch/client_watch.hpp"
#include "http/body_writer.hpp"
#include "worker/model_in_form.hpp"

#include <boost/algorithm/string/predicate.hpp>

#include <algorithm>
#include <array>

namespace rivulet::worker {

namespace {

// What the network's orchestrators give a runner.
constexpr duration batch_limit = std::chrono::minutes(15);
constexpr duration event_silence = std::chrono::minutes(2);
constexpr std::size_t disk_piece = 256 * 1024;

// A request's body on its way through.
struct passing_body {
    std::string type;
    std::string text;                   // JSON
    std::shared_ptr<batch::spool> form; // or this
    std::string model;

    passing_body() {}
};

batch::api_error no_disk(error_code why) {
    return {http::status::service_unavailable, "the upload could not be stored: " + why.message()};
}

awaitable<batch::answer<passing_body>> take_form(
    std::string boundary,
    http::exchange& peer,
    const batch::reading_limits& limits,
    blocking_threads& disk
) {
    passing_body made;
    batch::body_intake body(peer, limits, limits.form_bytes);
    auto begun = co_await body.begin();
    if (!begun)
        co_return begun.error();
    batch::spool_limits bounds;
    bounds.most = limits.form_bytes;
    bounds.folder = limits.spool_folder;
    made.form = std::make_shared<batch::spool>(bounds);
    model_in_form finder(std::move(boundary));
    outcome<void> found;
    std::vector<std::uint8_t> pending;
    const http::body_sink keep = [&](std::span<const std::uint8_t> piece) {
        if (found)
            found = finder.feed(piece);
        pending.insert(pending.end(), piece.begin(), piece.end());
    };
    while (!body.done()) {
        auto read = co_await body.next(keep);
        if (!read)
            co_return read.error();
        if (found && body.done())
            found = finder.finish();
        if (!found)
            co_return batch::api_error(http::status::bad_request, found.error().detail);
        if (pending.size() < disk_piece && !body.done())
            continue;
        auto store = [form = made.form, piece = std::exchange(pending, {})] {
            return form->write(piece);
        };
        error_code failed;
        if (made.form->fits_memory(disk_piece))
            failed = store();
        else
            failed = co_await disk.run(std::move(store));
        if (failed)
            co_return no_disk(failed);
    }
    made.model = finder.model();
    co_return made;
}

awaitable<batch::answer<passing_body>>
take_body(http::exchange& peer, const batch::reading_limits& limits, blocking_threads& disk) {
    std::string type(peer["Content-Type"]);
    if (boost::algorithm::istarts_with(type, "multipart/form-data")) {
        auto boundary = http::multipart_boundary(type);
        if (!boundary)
            co_return batch::api_error(http::status::bad_request, boundary.error().detail);
        auto made = co_await take_form(std::move(*boundary), peer, limits, disk);
        if (made)
            made->type = std::move(type);
        co_return made;
    }
    auto text = co_await batch::read_json_text(peer, limits);
    if (!text)
        co_return text.error();
    passing_body made;
    made.model = model_of_batch(*text);
    made.type = std::move(type);
    made.text = std::move(*text);
    co_return made;
}

awaitable<error_code>
send_form(http::client_connection& runner, const batch::spool& form, blocking_threads& disk) {
    for (std::uint64_t at = 0; at < form.size();) {
        auto read = [&form, at] {
            std::vector<std::uint8_t> piece(disk_piece);
            auto got = form.read(at, piece);
            piece.resize(got ? *got : 0);
            return piece;
        };
        auto piece = co_await disk.run(std::move(read));
        if (piece.empty())
            co_return make_error_code(errc::closed);
        at += piece.size();
        std::vector<bytes> blocks;
        blocks.push_back(bytes::copy_of(piece));
        auto failed = co_await runner.write_body(std::move(blocks));
        if (failed)
            co_return failed;
    }
    co_return error_code{};
}

// Up to the head of the runner's answer.
awaitable<outcome<http::connection_ptr>> ask_runner(
    std::shared_ptr<runner_link> link,
    std::string path,
    passing_body& body,
    blocking_threads& disk,
    time_point until
) {
    auto opened = co_await link->connect();
    if (!opened)
        co_return opened.error();
    auto& runner = **opened;
    auto request = link->request_for(http::verb::post, std::move(path), std::move(body.type));
    if (body.form)
        request.length = body.form->size();
    else
        request.body = std::move(body.text);
    auto failed = co_await runner.send(std::move(request));
    if (!failed && body.form)
        failed = co_await send_form(runner, *body.form, disk);
    // It may have answered without reading all.
    if (!failed || runner.reply_begun())
        failed = co_await runner.read_head(until - steady_clock::now());
    if (failed)
        co_return http::describe_failure(failed, runner.peer(), "a batch request");
    co_return std::move(*opened);
}

bool is_event_stream(const http::client_connection& runner) {
    return boost::algorithm::istarts_with(runner.head()["Content-Type"], "text/event-stream");
}

// One piece after the other, as long as both sides go on.
awaitable<bool>
relay_events(http::client_connection& runner, http::exchange& peer, time_point until) {
    http::response head;
    head.content_type = "text/event-stream";
    head.headers.emplace_back("Cache-Control", "no-cache");
    http::body_writer writer(peer);
    writer.start(head);
    auto written = co_await writer.flush();
    while (!written) {
        const auto left = std::min<duration>(event_silence, until - steady_clock::now());
        auto pieces = co_await runner.read_body(std::max(left, duration::zero()));
        if (!pieces)
            co_return false; // cut: the gateway must see that it was
        if (pieces->empty())
            break;
        for (const auto& piece : *pieces) {
            const auto view = piece.view();
            written =
                co_await writer.write({reinterpret_cast<const char*>(view.data()), view.size()});
            if (written)
                co_return false;
        }
    }
    if (!written)
        written = co_await writer.end();
    co_return !written;
}

http::response
of_runner(std::string_view pipeline, unsigned status, std::string_view type, std::string text) {
    if (status / 100 == 2) {
        http::response made;
        made.status = static_cast<http::status>(status);
        made.content_type = type;
        made.body = std::move(text);
        return made;
    }
    return runner_failure(pipeline, status, complaint_of(text));
}

http::response of_silence(std::string_view pipeline, const failure& why) {
    if (why.code == errc::timed_out)
        return runner_failure(pipeline, 500, "the runner took too long: " + why.detail);
    return runner_failure(pipeline, 503, why.detail);
}

// Everything that ends when the client leaves. Nothing: it was answered already, or can't be.
awaitable<std::optional<http::response>> answer_of_runner(
    std::shared_ptr<runner_link> link,
    std::string pipeline,
    passing_body& body,
    http::exchange& peer,
    blocking_threads& disk
) {
    const auto until = steady_clock::now() + batch_limit;
    auto asked = co_await ask_runner(link, "/" + pipeline, body, disk, until);
    if (!asked)
        co_return of_silence(pipeline, asked.error());
    auto& runner = **asked;
    const auto status = static_cast<unsigned>(runner.head().status);
    if (status / 100 == 2 && is_event_stream(runner)) {
        const bool whole = co_await relay_events(runner, peer, until);
        static_cast<void>(whole);
        co_return std::nullopt;
    }
    const std::string type(runner.head()["Content-Type"]);
    auto text = co_await runner.read_text(batch_reply_limit, until - steady_clock::now());
    if (!text) {
        const auto why = http::describe_failure(text.error(), runner.peer(), "its answer");
        co_return of_silence(pipeline, why);
    }
    co_return of_runner(pipeline, status, type, std::move(*text));
}

} // namespace

batch::reading_limits forward_limits() {
    batch::reading_limits made;
    made.json_bytes = 32u << 20; // a picture may be inside
    return made;
}

awaitable<void> forward_batch(
    runner_pool& pool,
    session::capability_id capability,
    http::exchange& peer,
    const batch::reading_limits& limits,
    blocking_threads& disk
) {
    const auto pipeline = session::pipeline_of(capability);
    auto body = co_await take_body(peer, limits, disk);
    if (!body) {
        const auto& why = body.error();
        if (why.status == batch::client_left)
            co_return;
        auto refusal = runner_failure(pipeline, static_cast<unsigned>(why.status), why.message);
        co_await peer.reply(std::move(refusal));
        co_return;
    }
    auto lease = pool.take(capability, body->model);
    if (!lease) {
        auto refusal = runner_failure(pipeline, 503, {});
        co_await peer.reply(std::move(refusal));
        co_return;
    }
    std::optional<std::optional<http::response>> answer;
    {
        batch::client_watch watch(peer);
        answer = co_await watch.run(answer_of_runner(lease.link(), pipeline, *body, peer, disk));
    }
    lease.release();
    if (answer && *answer)
        co_await peer.reply(std::move(**answer));
}

} // namespace rivulet::worker
