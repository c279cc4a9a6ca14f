// Counters, gauges and histograms of the process, and their Prometheus text. Handles are small
// values; a default one counts nothing, so code need not ask whether metrics are on.
// Thread: any; adding is atomic, making a handle takes a lock (make it once, keep it).
#pragma once

#include <cstddef>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

namespace rivulet::observe {

using labels = std::map<std::string, std::string>;

class counter {
  public:
    counter() = default;
    void add(double by = 1) const; // what is negative or no number is left out

  private:
    friend class metrics;
    std::shared_ptr<void> series_;
};

class gauge {
  public:
    gauge() = default;
    void set(double value) const;
    void add(double by) const;

  private:
    friend class metrics;
    std::shared_ptr<void> series_;
};

class histogram {
  public:
    histogram() = default;
    void observe(double value) const;

  private:
    friend class metrics;
    std::shared_ptr<void> series_;
};

class metrics {
  public:
    // `constant` labels stand on every series (node_id, node_type).
    explicit metrics(labels constant = {});
    ~metrics();
    metrics(const metrics&) = delete;
    metrics& operator=(const metrics&) = delete;

    // The same name and labels give the same series. A series whose last handle is gone leaves the
    // text: that bounds what per-stream labels cost, and it means that a handle must be kept as
    // long as its count matters (counters, gauges and histograms below keep theirs). Handles may
    // outlive the metrics. One name has one kind, else std::logic_error, and the help text that it
    // was made with first.
    counter make_counter(const std::string& name, const std::string& help, const labels& with = {});
    gauge make_gauge(const std::string& name, const std::string& help, const labels& with = {});
    histogram make_histogram(
        const std::string& name,
        const std::string& help,
        const std::vector<double>& buckets,
        const labels& with = {}
    );
    // A gauge that does not carry the constant labels.
    gauge make_bare_gauge(const std::string& name, const std::string& help, const labels& with);

    // Called at the start of every text(), to set gauges that are read rather than kept. It stays
    // until the returned token goes.
    [[nodiscard]] std::shared_ptr<void> before_text(std::function<void()> collect);
    // In the text format of version 0.0.4.
    std::string text() const;

    // Every name that was ever made, with its kind and help: for the documentation's test.
    struct description {
        std::string kind, help;
    };

    std::map<std::string, description> described() const;

    struct impl;

  private:
    std::shared_ptr<impl> impl_;
};

// A family whose label values appear while the process runs (an orchestrator, an error code). It
// keeps every series, up to `most`; what comes later shares one series whose label values are all
// "other".
template <class Series>
class series_set {
  public:
    series_set() = default;

    series_set(std::function<Series(const labels&)> make, std::size_t most)
        : state_(std::make_shared<state>()) {
        state_->make = std::move(make);
        state_->most = most;
    }

    Series with(const labels& wanted) const {
        if (!state_)
            return {};
        std::lock_guard hold(state_->guard);
        if (const auto found = state_->series.find(wanted); found != state_->series.end())
            return found->second;
        auto key = wanted;
        if (state_->series.size() >= state_->most)
            for (auto& [name, value] : key)
                value = "other";
        if (const auto found = state_->series.find(key); found != state_->series.end())
            return found->second;
        return state_->series.emplace(key, state_->make(key)).first->second;
    }

  private:
    struct state {
        std::mutex guard;
        std::function<Series(const labels&)> make;
        std::size_t most = 0;
        std::map<labels, Series> series;
    };

    std::shared_ptr<state> state_;
};

using counters = series_set<counter>;
using gauges = series_set<gauge>;
using histograms = series_set<histogram>;

constexpr std::size_t most_series = 500;

// `in` outlives the set's uses of with().
counters
counter_set(metrics& in, std::string name, std::string help, std::size_t most = most_series);
gauges gauge_set(metrics& in, std::string name, std::string help, std::size_t most = most_series);
histograms histogram_set(
    metrics& in,
    std::string name,
    std::string help,
    std::vector<double> buckets,
    std::size_t most = most_series
);

} // namespace rivulet::observe
