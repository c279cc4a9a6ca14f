#include "batch/result_media.hpp"

#include "base/notifier.hpp"
#include "base/task_group.hpp"
#include "batch/data_url.hpp"
#include "batch/download.hpp"
#include "batch/result_check.hpp"

#include <algorithm>
#include <optional>
#include <vector>

namespace rivulet::batch {
namespace {

constexpr int tries = 2;
constexpr std::size_t at_once = 8;
constexpr std::size_t most_files = 1'000;

boost::json::string* url_in(boost::json::value& of) {
    auto* object = of.if_object();
    auto* url = object ? object->if_contains("url") : nullptr;
    return url ? url->if_string() : nullptr;
}

outcome<std::vector<boost::json::string*>> find_urls(reply_kind kind, boost::json::object& body) {
    std::vector<boost::json::string*> found;
    const failure missing(errc::media_error, "the answer names no URL of its result");
    if (kind == reply_kind::images || kind == reply_kind::video) {
        auto* list = body.if_contains("images");
        auto* images = list ? list->if_array() : nullptr;
        if (!images || images->size() > most_files)
            return missing;
        for (auto& image : *images)
            found.push_back(url_in(image));
    } else if (kind == reply_kind::audio) {
        auto* audio = body.if_contains("audio");
        found.push_back(audio ? url_in(*audio) : nullptr);
    }
    if (std::find(found.begin(), found.end(), nullptr) != found.end())
        return missing;
    return found;
}

// One answer's files; the coroutines that work on it share it.
struct intake {
    std::shared_ptr<result_store> store;
    blocking_threads* threads = nullptr;
    result_media_options options;
    reply_kind kind = reply_kind::images;
    http::http_url orchestrator;
    std::vector<std::string> urls;  // each is taken by one coroutine
    std::vector<std::string> paths; // in the same order
    std::size_t next = 0;
    std::shared_ptr<download_room> room;
    failure first_failure;
    bool failed = false;
    std::size_t working = 0; // coroutines
    std::optional<notifier> ended;

    intake() {}
};

using intake_ptr = std::shared_ptr<intake>;

awaitable<outcome<std::string>> unpack(intake_ptr all, std::string url) {
    byte_share bytes(all->options.memory);
    const bool room = bytes.take(url.size() / 4 * 3);
    if (!room)
        co_return failure(errc::no_capacity, "there is no memory for a file of the answer");
    auto work = [store = all->store, kind = all->kind, url = std::move(url)] {
        auto media = parse_data_url(url, store->limit_of_file());
        if (!media)
            return outcome<std::string>(media.error());
        return keep_result(*store, kind, std::move(media->bytes));
    };
    co_return co_await all->threads->run(std::move(work));
}

awaitable<outcome<std::string>> fetch_once(intake_ptr all, result_source source) {
    auto content = co_await download(
        all->options.client,
        std::move(source),
        all->store->limit_of_file(),
        all->room,
        all->options.limit
    );
    if (!content)
        co_return content.error();
    const auto size = content->size();
    auto work = [store = all->store, kind = all->kind, bytes = std::move(*content)]() mutable {
        return keep_result(*store, kind, std::move(bytes));
    };
    auto kept = co_await all->threads->run(std::move(work));
    all->room->held.give_back(size);
    co_return kept;
}

awaitable<outcome<std::string>> fetch(intake_ptr all, std::string url) {
    auto source = find_source(url, all->orchestrator, all->options.foreign_hosts);
    if (!source)
        co_return source.error();
    auto kept = co_await fetch_once(all, *source);
    for (int i = 1; i < tries && !kept && is_worth_another_try(kept.error()); ++i)
        kept = co_await fetch_once(all, *source);
    co_return kept;
}

// Says that a coroutine has ended, however it did.
struct end_of_work {
    intake_ptr all;

    explicit end_of_work(intake_ptr a) : all(std::move(a)) {}

    ~end_of_work() {
        --all->working;
        all->ended->notify_all();
    }
};

// Takes one file after another until none is left or one has failed.
awaitable<void> work_off(intake_ptr all) {
    const end_of_work mark(all);
    while (all->next < all->urls.size() && !all->failed) {
        const auto mine = all->next++;
        auto url = std::move(all->urls[mine]);
        outcome<std::string> kept = failure();
        if (is_data_url(url))
            kept = co_await unpack(all, std::move(url));
        else
            kept = co_await fetch(all, std::move(url));
        if (!kept && !all->failed) {
            all->failed = true;
            all->first_failure = kept.error();
        }
        if (!kept)
            break;
        all->paths[mine] = std::move(*kept);
    }
}

// The answer's files, all of them or the failure; cancelled with whoever waits.
awaitable<outcome<void>> take_all(intake_ptr all) {
    auto executor = co_await asio::this_coro::executor;
    all->ended.emplace(executor);
    task_group tasks(executor, logger("batch results")); // a file that failed ends the others
    const auto count = std::min(all->urls.size(), at_once);
    all->working = count;
    for (std::size_t i = 0; i < count; ++i)
        tasks.spawn("file", work_off(all));
    while (!all->failed && all->working > 0)
        co_await all->ended->wait();
    if (all->failed)
        co_return all->first_failure;
    for (const auto& path : all->paths)
        if (path.empty())
            co_return failure(errc::media_error, "a file of the result was given up");
    co_return outcome<void>();
}

} // namespace

result_media::result_media(
    std::shared_ptr<result_store> store, blocking_threads& threads, result_media_options options
)
    : store_(std::move(store)), threads_(threads), options_(std::move(options)) {}

awaitable<outcome<void>> result_media::take_in(
    reply_kind kind, boost::json::object& body, std::string orchestrator, std::string base
) {
    auto found = find_urls(kind, body);
    if (!found)
        co_return found.error();
    if (found->empty())
        co_return outcome<void>();
    auto peer = http::parse_http_url(orchestrator);
    if (!peer)
        co_return failure(
            errc::invalid_argument, "the orchestrator's address: " + peer.error().detail
        );
    auto all = std::make_shared<intake>();
    all->store = store_;
    all->threads = &threads_;
    all->options = options_;
    all->kind = kind;
    all->orchestrator = std::move(*peer);
    // What could never fit is too large, however empty the memory is.
    all->room = std::make_shared<download_room>(
        options_.memory, std::min(store_->limit_of_file(), options_.memory->most())
    );
    for (auto* url : *found) {
        all->urls.emplace_back(url->data(), url->size());
        *url = boost::json::string(); // megabytes, that need not be there twice
    }
    all->paths.resize(all->urls.size());
    auto taken = co_await take_all(all);
    if (!taken)
        co_return taken.error();
    for (std::size_t i = 0; i < found->size(); ++i)
        *(*found)[i] = base + all->paths[i];
    co_return outcome<void>();
}

} // namespace rivulet::batch
