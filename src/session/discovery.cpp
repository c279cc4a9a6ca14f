#include "session/discovery.hpp"

#include "base/deadline.hpp"
#include "base/notifier.hpp"
#include "base/utf8.hpp"
#include "session/acceptance.hpp"
#include "session/discovery_watch.hpp"
#include "session/gather_fsm.hpp"
#include "session/network_json.hpp"
#include "session/orchestrator_address.hpp"

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/json/array.hpp>
#include <boost/system/system_error.hpp>
#include <fmt/core.h>

#include <algorithm>
#include <atomic>
#include <list>
#include <mutex>
#include <random>

namespace rivulet::session {

namespace json = boost::json;

using namespace std::chrono_literals;

namespace {

constexpr duration ask_again_limit = 2500ms;
constexpr std::size_t most_reasons = 256;
// What the background poll keeps: answers carry the serialized message, up to 1 MiB each.
constexpr std::size_t most_network = 1'000;
constexpr std::size_t most_network_bytes = 64 * 1024 * 1024;
// Nobody answered: the next polls come sooner.
constexpr duration first_poll_pause = 5s;

} // namespace

struct discovery::impl : std::enable_shared_from_this<discovery::impl> {
    impl(
        asio::any_io_executor ex,
        std::shared_ptr<info_source> i,
        std::shared_ptr<candidate_source> s,
        discovery_options o,
        observe::metrics& metrics,
        std::shared_ptr<observe::event_queue> events,
        logger l
    )
        : executor(std::move(ex)), infos(std::move(i)), source(std::move(s)), options(std::move(o)),
          log(std::move(l)), watch(metrics, std::move(events), log) {}

    // One gathering; belongs to the executor it runs on and outlives its caller.
    struct gathering {
        gathering(gather_fsm f, asio::any_io_executor ex)
            : fsm(std::move(f)), executor(ex), changed(ex) {}

        gather_fsm fsm;
        asio::any_io_executor executor;
        notifier changed;
        info_question question;
        // Empty when the answer may be used.
        std::function<std::string(const orchestrator_info&)> judge;
        std::function<void(discovered)> found;
        // Says how many were accepted: when the caller goes on, and again with each late one.
        std::function<void(std::size_t)> count;
        std::string asked_for;
        summary result;
        std::vector<discovered> accepted;
        bool told = false; // the caller went on: `accepted` is not kept any longer
        std::list<asio::cancellation_signal> signals; // of the questions under way

        void cancel() {
            // A question may end inside emit() and erase its signal, so step over it first.
            for (auto it = signals.begin(); it != signals.end();)
                (it++)->emit(asio::cancellation_type::all);
            changed.notify_all();
        }
    };

    using gathering_ptr = std::shared_ptr<gathering>;

    void ask_more(const gathering_ptr& g);
    awaitable<void> ask_one(gathering_ptr g, gather_fsm::question whom);
    void judge_answer(gathering& g, const gather_fsm::question& whom, info_answer answer);
    void reject(gathering& g, const std::string& address, std::string why);
    awaitable<outcome<void>> gather(gathering_ptr g, gather_rules rules);
    awaitable<outcome<std::vector<candidate>>> shuffled();
    awaitable<void> poll();
    awaitable<std::size_t> poll_once();
    void enlist(const gathering_ptr& g);
    void complain(std::exception_ptr thrown);

    asio::any_io_executor executor;
    std::shared_ptr<info_source> infos;
    std::shared_ptr<candidate_source> source;
    discovery_options options;
    logger log;
    discovery_watch watch;
    blocklist blocked;
    asio::cancellation_signal cancel; // of the poll; on `executor` only
    std::atomic<bool> stopped = false;

    mutable std::mutex guard;
    std::mt19937_64 random{std::random_device{}()};
    std::vector<discovered> network;
    std::size_t known = 0;
    std::vector<std::weak_ptr<gathering>> gatherings;
};

discovery::discovery(
    asio::any_io_executor executor,
    std::shared_ptr<info_source> infos,
    std::shared_ptr<candidate_source> source,
    discovery_options options,
    observe::metrics& metrics,
    std::shared_ptr<observe::event_queue> events,
    logger log
)
    : impl_(std::make_shared<impl>(
          std::move(executor),
          std::move(infos),
          std::move(source),
          std::move(options),
          metrics,
          std::move(events),
          std::move(log)
      )) {
    // One bad entry must not unblock the others.
    for (const auto& entry : impl_->options.blocklist) {
        auto parsed = blocklist::parse({entry});
        if (parsed)
            impl_->blocked.add(*parsed);
        else
            impl_->log.error("{}", parsed.error().detail);
    }
}

discovery::~discovery() {
    stop();
}

void discovery::start() {
    if (impl_->options.network_poll <= 0s)
        return;
    auto self = impl_;
    asio::dispatch(impl_->executor, [self] {
        if (self->stopped)
            return;
        auto slot = self->cancel.slot();
        asio::co_spawn(
            self->executor,
            self->poll(),
            asio::bind_cancellation_slot(
                slot, [self](std::exception_ptr thrown) { self->complain(thrown); }
            )
        );
    });
}

void discovery::stop() {
    if (impl_->stopped.exchange(true))
        return;
    if (impl_->source)
        impl_->source->stop();
    asio::post(impl_->executor, [self = impl_] {
        self->cancel.emit(asio::cancellation_type::all);
    });
    const std::lock_guard lock(impl_->guard);
    for (const auto& one : impl_->gatherings)
        if (auto g = one.lock())
            asio::post(g->executor, [g] { g->cancel(); });
}

awaitable<outcome<std::vector<candidate>>> discovery::impl::shuffled() {
    if (!source)
        co_return failure(
            errc::not_found,
            "no orchestrator is configured: -orchAddr or -orchWebhookUrl names some"
        );
    auto list = co_await source->candidates();
    if (!list)
        co_return list;
    const std::lock_guard lock(guard);
    known = list->size();
    std::ranges::shuffle(*list, random);
    co_return list;
}

void discovery::impl::ask_more(const gathering_ptr& g) {
    for (auto& whom : g->fsm.take_questions(steady_clock::now())) {
        const auto signal = g->signals.emplace(g->signals.end());
        auto on_end = [self = shared_from_this(), g, signal](std::exception_ptr thrown) {
            self->complain(thrown);
            g->signals.erase(signal);
        };
        const auto slot = signal->slot();
        asio::co_spawn(
            g->executor,
            ask_one(g, std::move(whom)),
            asio::bind_cancellation_slot(slot, std::move(on_end))
        );
    }
}

void discovery::impl::complain(std::exception_ptr thrown) {
    try {
        if (thrown)
            std::rethrow_exception(thrown);
    } catch (const boost::system::system_error& e) {
        if (e.code() != asio::error::operation_aborted)
            log.error("{}", e.what());
    } catch (const std::exception& e) {
        log.error("{}", e.what());
    }
}

// stop() reaches it from now on.
void discovery::impl::enlist(const gathering_ptr& g) {
    const std::lock_guard lock(guard);
    std::erase_if(gatherings, [](const auto& one) { return one.expired(); });
    gatherings.push_back(g);
}

// A coroutine of its own, so that a slow one holds nobody up; it keeps the implementation alive.
awaitable<void> discovery::impl::ask_one(gathering_ptr g, gather_fsm::question whom) {
    auto self = shared_from_this();
    const auto left = std::max<duration>(g->fsm.until() - steady_clock::now(), 1ms);
    auto answer = co_await infos->ask(whom.address, g->question, left);
    if (stopped) {
        g->fsm.failed(whom);
    } else if (!answer) {
        g->fsm.failed(whom);
        watch.failed(whom.address, answer.error());
        if (g->result.rejected.size() < most_reasons)
            g->result.rejected.emplace_back(whom.address, valid_utf8(answer.error().detail, 300));
    } else {
        judge_answer(*g, whom, std::move(*answer));
        ask_more(g);
    }
    g->changed.notify_all();
}

void discovery::impl::judge_answer(
    gathering& g, const gather_fsm::question& whom, info_answer answer
) {
    std::vector<std::string> nodes;
    if (whom.configured)
        for (const auto& node : answer.info->nodes) {
            if (nodes.size() >= options.extra_nodes)
                break;
            auto base = orchestrator_base(node);
            nodes.push_back(base ? std::move(*base) : std::string());
        }
    if (auto why = g.judge(*answer.info); !why.empty()) {
        // One that only names others did nothing wrong.
        if (!answer.info->transcoder.empty() || nodes.empty())
            reject(g, whom.address, std::move(why));
        g.fsm.answered(whom, {}, nodes);
        return;
    }
    g.fsm.answered(whom, answer.info->transcoder, nodes);
    watch.accepted(whom.address, g.asked_for);
    discovered one;
    one.info = std::move(answer.info);
    one.dialled = whom.address;
    one.latency = answer.latency;
    one.score = whom.score;
    one.listed_as = whom.listed_as;
    if (!g.told)
        g.accepted.push_back(one);
    else if (g.count)
        g.count(g.fsm.accepted());
    g.found(std::move(one));
}

void discovery::impl::reject(gathering& g, const std::string& address, std::string why) {
    watch.rejected(address, g.asked_for, why);
    if (g.result.rejected.size() < most_reasons)
        g.result.rejected.emplace_back(address, std::move(why));
}

awaitable<outcome<void>> discovery::impl::gather(gathering_ptr g, gather_rules rules) {
    auto list = co_await shuffled();
    if (!list)
        co_return list.error();
    if (list->empty())
        co_return failure(errc::not_found, "the list of orchestrators is empty");
    g->fsm = gather_fsm(rules, std::move(*list), steady_clock::now());
    enlist(g);
    if (!stopped)
        ask_more(g);
    while (!stopped) {
        const auto now = steady_clock::now();
        if (g->fsm.enough(now)) // late answers go on being heard
            break;
        co_await g->changed.wait_until(g->fsm.next_look(now));
    }
    g->result.asked = g->fsm.asked();
    g->result.accepted = g->fsm.accepted();
    if (stopped)
        co_return failure(errc::cancelled, "discovery was stopped");
    co_return outcome<void>();
}

awaitable<outcome<discovery::summary>> discovery::gather(
    capability_id capability,
    std::string model,
    std::size_t wanted_count,
    std::function<void(discovered)> found
) {
    auto self = impl_;
    auto executor = co_await asio::this_coro::executor;
    auto table = wanted(capability, model);
    gather_rules rules;
    rules.first_tick = self->options.first_tick;
    rules.longest = self->options.longest;
    rules.extra_nodes = self->options.extra_nodes;
    rules.wanted = wanted_count;
    std::vector<candidate> nobody;
    auto g = std::make_shared<impl::gathering>(
        gather_fsm(rules, std::move(nobody), steady_clock::now()), executor
    );
    g->question.capabilities = table;
    g->asked_for = pipeline_of(capability) + ' ' + valid_utf8(model, 100);
    g->found = std::move(found);
    g->count = [self, capability, model](std::size_t accepted) {
        self->watch.available(capability, model, accepted);
    };
    g->judge = [self, table = std::move(table), capability, model](const orchestrator_info& info) {
        const acceptance_rules accept{self->blocked, self->options.require_ticket_params};
        return rejection(info, table, capability, model, accept);
    };
    auto done = co_await self->gather(g, rules);
    g->told = true;
    if (!done)
        co_return done.error();
    g->count(g->fsm.accepted());
    self->watch.gathered(g->accepted);
    g->accepted.clear();
    co_return std::move(g->result);
}

awaitable<outcome<std::set<std::string>>> discovery::listed() {
    auto self = impl_;
    if (!self->source)
        co_return failure(errc::not_found, "no orchestrator is configured");
    auto list = co_await self->source->candidates();
    if (!list)
        co_return list.error();
    std::set<std::string> out;
    for (const auto& one : *list)
        if (one.score >= 0)
            out.insert(one.address);
    co_return std::move(out);
}

awaitable<outcome<info_answer>> discovery::ask_again(
    std::string url, capability_id capability, std::string model, bool ignore_capacity
) {
    auto self = impl_;
    info_question question;
    question.capabilities = wanted(capability, model);
    question.ignore_capacity = ignore_capacity;
    auto answer = co_await self->infos->ask(url, question, ask_again_limit);
    if (!answer) {
        self->watch.failed(url, answer.error());
        co_return answer;
    }
    const acceptance_rules accept{self->blocked, self->options.require_ticket_params};
    if (auto why = rejection(*answer->info, accept); !why.empty())
        co_return failure(errc::protocol_violation, fmt::format("{}: {}", url, why));
    co_return answer;
}

capability_table discovery::wanted(capability_id capability, const std::string& model) const {
    const auto& versions = impl_->options.min_runner_versions;
    const auto runner = versions.find({pipeline_of(capability), model});
    return wanted_capabilities(
        capability,
        model,
        impl_->options.min_version,
        runner == versions.end() ? std::string() : runner->second
    );
}

awaitable<void> discovery::impl::poll() {
    auto self = shared_from_this();
    duration pause = first_poll_pause;
    while (!stopped) {
        const auto answered = co_await poll_once();
        const auto next =
            answered > 0 ? options.network_poll : std::min(pause, options.network_poll);
        pause =
            answered > 0 ? first_poll_pause : std::min<duration>(pause * 2, options.network_poll);
        if (!stopped)
            co_await expire_after(next);
    }
}

awaitable<std::size_t> discovery::impl::poll_once() {
    gather_rules rules;
    rules.first_tick = rules.longest = options.longest;
    rules.extra_nodes = options.extra_nodes;
    rules.wanted = 0;
    rules.at_once = 64;
    std::vector<candidate> nobody;
    auto g = std::make_shared<gathering>(
        gather_fsm(rules, std::move(nobody), steady_clock::now()), executor
    );
    g->question.ignore_capacity = true; // full ones belong to the network, too
    g->judge = [self = shared_from_this()](const orchestrator_info& info) -> std::string {
        if (info.transcoder.empty())
            return "it names no address for jobs";
        return self->blocked.contains(info.address) ? "its address is blocked" : "";
    };
    g->found = [](const discovered&) {};
    auto done = co_await gather(g, rules);
    g->told = true;
    if (!done) {
        if (done.error().code != errc::cancelled)
            log.warn("the network is unknown: {}", done.error().detail);
        co_return 0;
    }
    // One transcoder behind two addresses is one orchestrator; the address that it names itself
    // speaks for it.
    auto& all = g->accepted;
    std::ranges::stable_sort(all, [](const discovered& a, const discovered& b) {
        const auto own = [](const discovered& d) { return d.dialled == d.info->transcoder; };
        return std::pair(a.info->transcoder, own(b)) < std::pair(b.info->transcoder, own(a));
    });
    const auto same = [](const discovered& a, const discovered& b) {
        return a.info->transcoder == b.info->transcoder;
    };
    all.erase(std::unique(all.begin(), all.end(), same), all.end());
    std::size_t size = 0;
    const auto too_much = std::ranges::find_if(all, [&size](const discovered& d) {
        size += d.info->raw.size();
        return size > most_network_bytes;
    });
    all.erase(too_much, all.end());
    all.resize(std::min(all.size(), most_network));
    watch.network(all);
    const auto count = all.size();
    const std::lock_guard lock(guard);
    network = std::move(all);
    co_return count;
}

json::object discovery::network_capabilities() const {
    json::array rows;
    for (const auto& one : network())
        rows.push_back(network_entry(*one.info));
    return network_body(std::move(rows));
}

std::vector<discovered> discovery::network() const {
    const std::lock_guard lock(impl_->guard);
    return impl_->network;
}

std::size_t discovery::known() const {
    const std::lock_guard lock(impl_->guard);
    return impl_->known;
}

} // namespace rivulet::session
