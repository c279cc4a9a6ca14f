#include "batch/webhook_teller.hpp"

#include "batch/job_routes.hpp"

#include <boost/json/serialize.hpp>

namespace rivulet::batch {
namespace {

constexpr std::size_t most_under_way = 8;
// A longer result is fetched by who wants it.
constexpr std::size_t most_result_bytes = 1u << 20;

observe::counter counter_of(observe::metrics& metrics, const char* result) {
    return metrics.make_counter(
        "rivulet_job_webhooks_total", "Completion webhooks of jobs", {{"result", result}}
    );
}

std::string body_of(const job_row& row) {
    job_view view;
    view.row = row;
    auto body = to_json(view);
    if (row.body.size() > most_result_bytes) {
        body.erase("result");
        body["result_at"] = row.base + "/jobs/" + row.id;
    }
    return boost::json::serialize(body);
}

std::int64_t seconds_now() {
    using namespace std::chrono;
    return duration_cast<seconds>(system_clock::now().time_since_epoch()).count();
}

} // namespace

// Counts one delivery as long as it lives.
class webhook_teller::turn {
  public:
    explicit turn(webhook_teller& of) : of_(of) { ++of.under_way_; }

    ~turn() {
        --of_.under_way_;
        of_.changed_.notify_all();
    }

    turn(const turn&) = delete;
    turn& operator=(const turn&) = delete;

  private:
    webhook_teller& of_;
};

webhook_teller::webhook_teller(
    asio::any_io_executor home,
    journal_thread& journal,
    webhook_rules rules,
    observe::metrics& metrics,
    logger log
)
    : journal_(journal), rules_(std::move(rules)), log_(std::move(log)),
      taken_(counter_of(metrics, "taken")), given_up_(counter_of(metrics, "given_up")),
      tasks_(home, log_), changed_(home) {}

void webhook_teller::add(std::string id, unsigned tries) {
    const auto pause = webhook_pause(tries);
    due_.emplace(
        steady_clock::now() + pause.value_or(duration::zero()), entry(std::move(id), tries)
    );
    if (!running_)
        running_ = tasks_.spawn("webhooks", run());
    changed_.notify_all();
}

void webhook_teller::close() {
    tasks_.close();
}

awaitable<bool> webhook_teller::join(duration limit) {
    co_return co_await tasks_.join(limit);
}

awaitable<void> webhook_teller::run() {
    for (;;) {
        const auto now = steady_clock::now();
        while (under_way_ < most_under_way && !due_.empty() && due_.begin()->first <= now) {
            auto next = std::move(due_.begin()->second);
            due_.erase(due_.begin());
            tasks_.spawn("webhook", tell(std::move(next), std::make_unique<turn>(*this)));
        }
        if (due_.empty() || under_way_ >= most_under_way)
            co_await changed_.wait();
        else
            co_await changed_.wait_until(due_.begin()->first);
    }
}

awaitable<void> webhook_teller::tell(entry due, std::unique_ptr<turn>) {
    auto found = std::make_shared<std::optional<job_row>>();
    journal_thread::work look = [found, id = due.id](job_journal& journal) -> outcome<void> {
        auto row = journal.find(id);
        if (!row)
            return row.error();
        *found = std::move(*row);
        return {};
    };
    auto looked = co_await journal_.run(std::move(look));
    if (looked && !*found)
        co_return; // it has expired
    webhook_report report;
    if (looked) {
        const auto& row = **found;
        auto body = body_of(row);
        auto headers = webhook_headers(rules_, row.id, row.state, body, seconds_now());
        report = co_await deliver(row.webhook, std::move(headers), std::move(body), rules_);
    } else {
        report.text = looked.error().detail;
    }
    ++due.tries;
    if (report.end == webhook_end::taken) {
        taken_.add();
        co_await note_done(due.id);
        co_return;
    }
    if (report.end == webhook_end::refused || !webhook_pause(due.tries)) {
        log_.warn("{}: the webhook is given up after {} tries: {}", due.id, due.tries, report.text);
        given_up_.add();
        co_await note_done(due.id);
        co_return;
    }
    log_.info("{}: the webhook will be tried again: {}", due.id, report.text);
    journal_thread::work note = [due](job_journal& journal) {
        return journal.set_webhook_tries(due.id, due.tries);
    };
    auto noted = co_await journal_.run(std::move(note));
    if (!noted)
        log_.warn("{}", noted.error().detail);
    add(std::move(due.id), due.tries);
}

awaitable<void> webhook_teller::note_done(std::string id) {
    journal_thread::work note = [id](job_journal& journal) { return journal.set_webhook_done(id); };
    auto noted = co_await journal_.run(std::move(note));
    if (!noted)
        log_.warn("{}: {}", id, noted.error().detail);
}

} // namespace rivulet::batch
