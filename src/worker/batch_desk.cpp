#include "worker/batch_desk.hpp"

#include "base/base64.hpp"
#include "batch/client_watch.hpp"
#include "worker/batch_reply.hpp"
#include "worker/job_request.hpp"

#include <algorithm>
#include <atomic>

namespace rivulet::worker {

namespace {

// All of one answer's inline files, so that it stays readable for the gateway.
constexpr std::size_t inline_total = 16u << 20;

std::string data_url(const model_file& file) {
    return "data:" + std::string(file.type) + ";base64," + to_base64(file.bytes);
}

} // namespace

desk_options::desk_options() {
    reading.form_bytes = 64u << 20;
    results.bytes = 256u << 20;
    results.keep = std::chrono::minutes(10);
}

// What a model at work needs, whether or not somebody waits for it.
struct batch_desk::parts {
    observe::metrics metrics; // nobody asks for them
    std::shared_ptr<batch::result_store> results;
    logger log;
    std::atomic<bool> stopping{false};

    explicit parts(logger l) : log(std::move(l)) {}
};

struct batch_desk::errand {
    std::shared_ptr<parts> desk;
    std::shared_ptr<batch::request> asked;
    const batch_model* model = nullptr;
    std::string base; // of the URLs
    time_point until{};
    std::size_t inline_bytes = 0;
    capacity_ledger::lease place; // taken until the model has ended
    std::atomic<bool> left{false};

    outcome<boost::json::object> perform();
    outcome<std::string> read_file() const;
    outcome<std::string> url_of(model_file& file, std::size_t& inlined) const;
};

outcome<std::string> batch_desk::errand::read_file() const {
    std::string made;
    if (!asked->file)
        return made;
    const auto& content = *asked->file->content;
    made.resize(content.size());
    std::size_t at = 0;
    while (at < made.size()) {
        const auto got =
            content.read(at, {reinterpret_cast<std::uint8_t*>(made.data()) + at, made.size() - at});
        if (!got || *got == 0)
            return failure(errc::no_capacity, "the upload can't be read back");
        at += *got;
    }
    return made;
}

outcome<std::string> batch_desk::errand::url_of(model_file& file, std::size_t& inlined) const {
    const bool video = asked->kind->reply == batch::reply_kind::video;
    if (!video && file.bytes.size() <= inline_bytes &&
        inlined + file.bytes.size() <= inline_total) {
        inlined += file.bytes.size();
        return data_url(file);
    }
    auto path = desk->results->put(std::move(file.bytes), file.extension, steady_clock::now());
    if (!path)
        return failure(errc::no_capacity, path.error().detail);
    return base + *path;
}

outcome<boost::json::object> batch_desk::errand::perform() {
    desk->results->sweep(steady_clock::now());
    model_call call;
    call.fields = asked->fields;
    call.cancelled = [this] { return left || desk->stopping || steady_clock::now() >= until; };
    if (call.cancelled()) // while it waited for a thread
        return failure(errc::no_capacity, "its turn did not come in time");
    auto file = read_file();
    if (!file)
        return file.error();
    call.file = std::move(*file);
    auto made = model->run(call);
    if (!made && made.error().code == errc::cancelled && steady_clock::now() >= until)
        return failure(errc::timed_out, "the model took too long");
    if (!made)
        return made.error();
    if (made->files.empty())
        return std::move(made->body);
    std::size_t inlined = 0;
    boost::json::array images;
    for (auto& each : made->files) {
        auto url = url_of(each, inlined);
        if (!url)
            return url.error();
        if (asked->kind->reply == batch::reply_kind::audio)
            return boost::json::object{{"audio", boost::json::object{{"url", *url}}}};
        images.push_back(boost::json::object{{"url", *url}, {"seed", each.seed}, {"nsfw", false}});
    }
    return boost::json::object{{"images", std::move(images)}};
}

outcome<std::unique_ptr<batch_desk>>
batch_desk::open(desk_options options, capacity_ledger& places, logger log) {
    auto shared = std::make_shared<parts>(log);
    auto store = batch::result_store::open(options.results, shared->metrics, std::move(log));
    if (!store)
        return store.error();
    shared->results = std::move(*store);
    return std::unique_ptr<batch_desk>(new batch_desk(std::move(shared), std::move(options), places)
    );
}

batch_desk::batch_desk(std::shared_ptr<parts> shared, desk_options options, capacity_ledger& places)
    : parts_(std::move(shared)), options_(std::move(options)), places_(places), reading_(1),
      working_(std::max<std::size_t>(1, options_.threads)) {
    for (const auto& each : batch_models()) {
        const bool wanted = std::find(options_.models.begin(), options_.models.end(), each.name) !=
                            options_.models.end();
        if (!wanted)
            continue;
        if (each.installed())
            models_.push_back(&each);
        else
            parts_->log.info("no {}: its data are not installed", each.name);
    }
}

batch_desk::~batch_desk() {
    stop();
}

void batch_desk::stop() {
    parts_->stopping = true;
}

void batch_desk::add_routes(http::server& server) {
    parts_->results->add_routes(server);
}

bool batch_desk::serves(session::capability_id capability) const {
    return std::any_of(models_.begin(), models_.end(), [&](const auto* each) {
        return each->capability == capability;
    });
}

const batch_model*
batch_desk::choose(session::capability_id capability, std::string_view name) const {
    const auto found = std::find_if(models_.begin(), models_.end(), [&](const auto* each) {
        return each->capability == capability && each->name == name;
    });
    return found == models_.end() ? nullptr : *found;
}

std::vector<offered_model> batch_desk::offers() const {
    const auto in_use = places_.in_use(job_weight::batch);
    const auto limit = places_.limit(job_weight::batch);
    std::vector<offered_model> made;
    for (const auto* each : models_) {
        offered_model row;
        row.capability = each->capability;
        row.model = each->name;
        row.in_use = static_cast<std::uint32_t>(in_use);
        row.capacity = static_cast<std::uint32_t>(limit > in_use ? limit - in_use : 0);
        row.runner_version = RIVULET_VERSION;
        made.push_back(std::move(row));
    }
    return made;
}

awaitable<void>
batch_desk::refuse(const batch::pipeline& kind, http::exchange& peer, const failure& why) const {
    parts_->log.debug("{}: {}", kind.name, why.detail);
    auto reply = model_failure(kind.name, why);
    co_await peer.reply(std::move(reply));
}

awaitable<void>
batch_desk::serve(const batch::pipeline& kind, const http::request& head, http::exchange& peer) {
    if (!serves(kind.id)) {
        const failure none(
            errc::no_capacity, "no model for " + std::string(kind.name) + " is here"
        );
        co_await refuse(kind, peer, none);
        co_return;
    }
    auto place = places_.take(job_weight::batch);
    if (!place || parts_->stopping) {
        const failure full(errc::no_capacity, std::string());
        co_await refuse(kind, peer, full);
        co_return;
    }
    auto limits = options_.reading;
    for (const auto* each : models_)
        limits.rules.default_models.emplace(
            session::pipeline_of(each->capability), std::string(each->name)
        );
    auto asked = co_await batch::read_request(kind, peer, limits, reading_);
    if (!asked) {
        const auto& why = asked.error();
        if (why.status == batch::client_left)
            co_return;
        auto reply = runner_failure(kind.name, static_cast<unsigned>(why.status), why.message);
        co_await peer.reply(std::move(reply));
        co_return;
    }
    const auto* model = choose(kind.id, (*asked)->model);
    if (!model) {
        const failure none(errc::no_capacity, "no model \"" + (*asked)->model + "\" is here");
        co_await refuse(kind, peer, none);
        co_return;
    }

    auto work = std::make_shared<errand>();
    work->desk = parts_;
    work->asked = std::move(*asked);
    work->model = model;
    work->base = url_base(head, options_.public_url);
    work->until = steady_clock::now() + options_.limit;
    work->inline_bytes = options_.inline_bytes;
    work->place = std::move(*place);

    // However this ends, the model hears that nobody waits any more.
    struct leaving {
        std::shared_ptr<errand> whose;

        explicit leaving(std::shared_ptr<errand> w) : whose(std::move(w)) {}

        ~leaving() { whose->left = true; }
    };

    const leaving leave(work);
    auto perform = [work] { return work->perform(); };
    auto done = std::optional<outcome<boost::json::object>>();
    {
        batch::client_watch watch(peer);
        done = co_await watch.run(working_.run(std::move(perform)));
    }
    if (!done)
        co_return;
    if (!*done) {
        co_await refuse(kind, peer, done->error());
        co_return;
    }
    auto reply = http::json_response(std::move(**done));
    co_await peer.reply(std::move(reply));
}

} // namespace rivulet::worker
