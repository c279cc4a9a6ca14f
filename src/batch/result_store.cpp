#include "batch/result_store.hpp"

#include "base/ids.hpp"
#include "batch/api_error.hpp"
#include "batch/media_format.hpp"
#include "batch/result_files.hpp"
#include "batch/result_index.hpp"
#include "http/file_reply.hpp"

#include <fmt/core.h>

#include <algorithm>
#include <mutex>
#include <optional>
#include <vector>

namespace rivulet::batch {
namespace {

constexpr std::string_view prefix = "/stream/";
constexpr std::size_t id_octets = 16, file_octets = 8;

// "jpg" as it is; anything that has no place in a path becomes "bin".
std::string safe_extension(std::string_view wanted) {
    const bool good = !wanted.empty() && wanted.size() <= 8 &&
                      std::all_of(wanted.begin(), wanted.end(), [](char c) {
                          return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
                      });
    return std::string(good ? wanted : "bin");
}

http::response error_body(http::status why, std::string_view message) {
    return to_response(api_error(why, std::string(message)), {});
}

struct store_metrics {
    explicit store_metrics(observe::metrics& in)
        : files(in.make_gauge("rivulet_result_files", "Results kept now.")),
          bytes(in.make_gauge("rivulet_result_bytes", "Bytes of the results kept now.")),
          stored(in.make_counter("rivulet_results_stored_total", "Results that were stored.")),
          removed(observe::counter_set(
              in, "rivulet_results_removed_total", "Results removed, by reason."
          )),
          refused(observe::counter_set(
              in, "rivulet_results_refused_total", "Results that could not be stored, by reason."
          )) {}

    observe::gauge files, bytes;
    observe::counter stored;
    observe::counters removed, refused;
};

} // namespace

struct result_store::impl {
    impl(result_store_options o, observe::metrics& m, logger l)
        : options(std::move(o)), counts(m), log(std::move(l)), index(options.bytes, options.keep) {}

    const result_store_options options;
    const store_metrics counts;
    const logger log;
    std::unique_ptr<result_files> files; // null: in memory

    mutable std::mutex guard;
    result_index index;

    void take_over(time_point now) {
        auto left = files->list();
        std::sort(left.begin(), left.end(), [](const auto& a, const auto& b) {
            return a.age < b.age;
        });
        std::size_t kept = 0;
        for (const auto& each : left) {
            // The newest stay when there are more than now fit.
            if (each.age >= options.keep || index.bytes() + each.size > options.bytes) {
                files->remove(each.name);
                continue;
            }
            index.add(each.name, each.size, now - each.age);
            index.ready(each.name);
            ++kept;
        }
        if (!left.empty())
            log.info("{} results of an earlier run are kept, {} removed", kept, left.size() - kept);
    }

    // Under the lock.
    void count() const {
        counts.files.set(static_cast<double>(index.files()));
        counts.bytes.set(static_cast<double>(index.bytes()));
    }

    void discard(const std::vector<std::string>& names, const char* reason) const {
        for (const auto& name : names)
            if (files)
                files->remove(name);
        counts.removed.with({{"reason", reason}}).add(static_cast<double>(names.size()));
    }

    failure refuse(failure why, const char* reason) const {
        counts.refused.with({{"reason", reason}}).add();
        log.warn("a result could not be stored: {}", why.detail);
        return why;
    }

    outcome<std::string> put(std::string bytes, std::string_view extension, time_point now);
    awaitable<void>
    serve(const http::request& asked, http::exchange& peer, blocking_threads* disk) const;
    std::optional<http::file_reply> find(const std::string& name, time_point now) const;
};

outcome<std::string>
result_store::impl::put(std::string bytes, std::string_view extension, time_point now) {
    const std::uint64_t size = bytes.size();
    if (size > options.file_bytes)
        return refuse(
            failure(
                errc::too_large,
                fmt::format("{} bytes; at most {} a file are kept", size, options.file_bytes)
            ),
            "too_large"
        );
    const auto id = random_hex(id_octets);
    const auto file = random_hex(file_octets) + "." + safe_extension(extension);
    const auto name = id + "-" + file;
    auto block = std::make_shared<const std::string>(std::move(bytes));
    std::vector<std::string> expired, evicted;
    std::optional<failure> full;
    {
        const std::lock_guard hold(guard);
        expired = index.expire(now);
        auto room = index.make_room(size, now);
        if (room) {
            evicted = std::move(*room);
            // Its place is taken from here on; it is found once it is written.
            index.add(name, size, now, files ? nullptr : block);
            if (!files)
                index.ready(name);
        } else {
            full = room.error();
        }
        count();
    }
    discard(expired, "expired");
    discard(evicted, "room");
    if (full)
        return refuse(*full, full->code == errc::too_large ? "too_large" : "full");
    if (files) {
        auto written = files->write(name, *block);
        const std::lock_guard hold(guard);
        if (written)
            index.ready(name);
        else
            index.remove(name);
        count();
        if (!written)
            return refuse(written.error(), "disk");
    }
    counts.stored.add();
    return fmt::format("{}{}/{}", prefix, id, file);
}

std::optional<http::file_reply>
result_store::impl::find(const std::string& name, time_point now) const {
    std::unique_ptr<result_index::found> known;
    {
        const std::lock_guard hold(guard);
        known = index.find(name, now);
    }
    if (!known)
        return std::nullopt;
    std::optional<http::file_reply> made;
    if (known->bytes) {
        const auto& text = *known->bytes;
        const std::span<const std::uint8_t> all(
            reinterpret_cast<const std::uint8_t*>(text.data()), text.size()
        );
        made.emplace(rivulet::bytes(known->bytes, all));
    } else {
        const int descriptor = files ? files->open_file(name) : -1;
        if (descriptor < 0)
            return std::nullopt;
        made.emplace(std::make_shared<http::shared_file>(descriptor), known->size);
    }
    const auto left = std::chrono::duration_cast<std::chrono::seconds>(known->expires - now);
    made->content_type = content_type_of(name.substr(name.rfind('.') + 1));
    made->etag = "\"" + name.substr(id_octets * 2 + 1, file_octets * 2) + "\"";
    // Nothing is ever put in its place; who may have the URL may have the file, caches of others
    // may not.
    made->headers = {
        {"Cache-Control", fmt::format("private, max-age={}, immutable", left.count())},
        {"Content-Disposition", "inline"},
        {"X-Content-Type-Options", "nosniff"},
        {"Access-Control-Allow-Origin", "*"},
        {"Access-Control-Expose-Headers", "Content-Length, Content-Range, Accept-Ranges, ETag"},
        {"Cross-Origin-Resource-Policy", "cross-origin"}};
    return made;
}

awaitable<void> result_store::impl::serve(
    const http::request& asked, http::exchange& peer, blocking_threads* disk
) const {
    // Both segments are decoded; what is no name of ours is not looked for.
    const auto name = asked.params.at("id") + "-" + asked.params.at("name");
    auto found = is_result_name(name) ? find(name, steady_clock::now()) : std::nullopt;
    if (!found) {
        auto missing = error_body(
            http::status::not_found, "no such result: it never was there, or its time is over"
        );
        missing.headers.emplace_back("Access-Control-Allow-Origin", "*");
        co_await peer.reply(std::move(missing));
        co_return;
    }
    found->disk = disk;
    found->error_body = error_body;
    co_await http::send_file(peer, std::move(*found));
}

result_store::result_store(std::unique_ptr<impl> parts) : impl_(std::move(parts)) {}

result_store::~result_store() = default;

outcome<std::shared_ptr<result_store>>
result_store::open(result_store_options options, observe::metrics& metrics, logger log) {
    auto parts = std::make_unique<impl>(std::move(options), metrics, std::move(log));
    if (!parts->options.folder.empty()) {
        auto files = result_files::open(parts->options.folder);
        if (!files)
            return files.error();
        parts->files = std::move(*files);
        parts->take_over(steady_clock::now());
    }
    parts->count();
    return std::make_shared<result_store>(std::move(parts));
}

outcome<std::string>
result_store::put(std::string bytes, std::string_view extension, time_point now) {
    return impl_->put(std::move(bytes), extension, now);
}

void result_store::sweep(time_point now) {
    std::vector<std::string> gone;
    {
        const std::lock_guard hold(impl_->guard);
        gone = impl_->index.expire(now);
        impl_->count();
    }
    impl_->discard(gone, "expired");
}

std::uint64_t result_store::limit_of_file() const {
    return std::min(impl_->options.file_bytes, impl_->options.bytes);
}

void result_store::add_routes(http::server& server, blocking_threads* disk) {
    server.exchange_route(
        http::verb::get,
        std::string(prefix) + "{id}/{name}",
        [parts = impl_.get(), disk](const http::request& asked, http::exchange& peer) {
            return parts->serve(asked, peer, disk);
        }
    );
}

} // namespace rivulet::batch
