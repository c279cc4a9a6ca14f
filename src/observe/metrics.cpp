#include "observe/metrics.hpp"

#include "base/utf8.hpp"

#include <cmath>
#include <list>
#include <prometheus/counter.h>
#include <prometheus/gauge.h>
#include <prometheus/histogram.h>
#include <prometheus/registry.h>
#include <prometheus/text_serializer.h>
#include <stdexcept>
#include <utility>

namespace rivulet::observe {
namespace {

// A label comes from peers now and then; a scrape with broken UTF-8 is refused as a whole.
constexpr std::size_t label_bytes = 256;

prometheus::Labels to_prometheus(const labels& from) {
    prometheus::Labels out;
    for (const auto& [name, value] : from)
        out.emplace(name, valid_utf8(value, label_bytes));
    return out;
}

} // namespace

struct metrics::impl : std::enable_shared_from_this<metrics::impl> {
    struct named {
        std::string kind, help;
        void* family = nullptr; // owned by the registry
    };

    template <class Series>
    struct held {
        prometheus::Family<Series>* family = nullptr;
        Series* series = nullptr;
        std::size_t handles = 0;
    };

    template <class Series>
    using table = std::map<std::pair<std::string, prometheus::Labels>, held<Series>>;

    template <class Series>
    table<Series>& table_of() {
        if constexpr (std::is_same_v<Series, prometheus::Counter>)
            return counters;
        else if constexpr (std::is_same_v<Series, prometheus::Gauge>)
            return gauges;
        else
            return histograms;
    }

    template <class Series, class Builder, class... Rest>
    std::shared_ptr<void> make(
        const char* kind,
        Builder builder,
        const std::string& name,
        const std::string& help,
        const labels& constants,
        const labels& with,
        const Rest&... rest
    );

    template <class Series>
    void release(const std::pair<std::string, prometheus::Labels>& key) {
        std::lock_guard hold(guard);
        auto& all = table_of<Series>();
        const auto at = all.find(key);
        if (at == all.end() || --at->second.handles)
            return;
        at->second.family->Remove(at->second.series);
        all.erase(at);
    }

    labels constant;
    prometheus::Registry registry;
    std::mutex guard;
    std::map<std::string, named> families;
    table<prometheus::Counter> counters;
    table<prometheus::Gauge> gauges;
    table<prometheus::Histogram> histograms;
    std::mutex collecting; // held while the collectors run
    std::list<std::function<void()>> collectors;
};

template <class Series, class Builder, class... Rest>
std::shared_ptr<void> metrics::impl::make(
    const char* kind,
    Builder builder,
    const std::string& name,
    const std::string& help,
    const labels& constants,
    const labels& with,
    const Rest&... rest
) {
    std::pair<std::string, prometheus::Labels> key(name, to_prometheus(with));
    std::lock_guard hold(guard);
    auto& entry = families[name];
    if (!entry.family) {
        entry.kind = kind;
        entry.help = help;
        entry.family =
            &builder.Name(name).Help(help).Labels(to_prometheus(constants)).Register(registry);
    }
    if (entry.kind != kind)
        throw std::logic_error("the metric " + name + " is a " + entry.kind);
    auto* family = static_cast<prometheus::Family<Series>*>(entry.family);
    auto& slot = table_of<Series>()[key];
    if (!slot.handles) {
        slot.family = family;
        slot.series = &family->Add(key.second, rest...);
    }
    ++slot.handles;
    return std::shared_ptr<void>(slot.series, [self = shared_from_this(), key](void*) {
        self->template release<Series>(key);
    });
}

metrics::metrics(labels constant) : impl_(std::make_shared<impl>()) {
    impl_->constant = std::move(constant);
}

metrics::~metrics() = default;

counter
metrics::make_counter(const std::string& name, const std::string& help, const labels& with) {
    counter out;
    out.series_ = impl_->make<prometheus::Counter>(
        "counter", prometheus::BuildCounter(), name, help, impl_->constant, with
    );
    return out;
}

gauge metrics::make_gauge(const std::string& name, const std::string& help, const labels& with) {
    gauge out;
    out.series_ = impl_->make<prometheus::Gauge>(
        "gauge", prometheus::BuildGauge(), name, help, impl_->constant, with
    );
    return out;
}

gauge metrics::make_bare_gauge(
    const std::string& name, const std::string& help, const labels& with
) {
    gauge out;
    out.series_ =
        impl_->make<prometheus::Gauge>("gauge", prometheus::BuildGauge(), name, help, {}, with);
    return out;
}

histogram metrics::make_histogram(
    const std::string& name,
    const std::string& help,
    const std::vector<double>& buckets,
    const labels& with
) {
    histogram out;
    out.series_ = impl_->make<prometheus::Histogram>(
        "histogram", prometheus::BuildHistogram(), name, help, impl_->constant, with, buckets
    );
    return out;
}

std::shared_ptr<void> metrics::before_text(std::function<void()> collect) {
    std::lock_guard hold(impl_->collecting);
    const auto at = impl_->collectors.insert(impl_->collectors.end(), std::move(collect));
    return std::shared_ptr<void>(&*at, [owner = impl_, at](void*) {
        std::lock_guard hold(owner->collecting);
        owner->collectors.erase(at);
    });
}

std::string metrics::text() const {
    {
        std::lock_guard hold(impl_->collecting);
        for (const auto& collect : impl_->collectors)
            collect();
    }
    return prometheus::TextSerializer().Serialize(impl_->registry.Collect());
}

std::map<std::string, metrics::description> metrics::described() const {
    std::lock_guard hold(impl_->guard);
    std::map<std::string, description> out;
    for (const auto& [name, entry] : impl_->families)
        out.emplace(name, description{entry.kind, entry.help});
    return out;
}

void counter::add(double by) const {
    if (series_ && by > 0 && std::isfinite(by))
        static_cast<prometheus::Counter*>(series_.get())->Increment(by);
}

void gauge::set(double value) const {
    if (series_)
        static_cast<prometheus::Gauge*>(series_.get())->Set(value);
}

void gauge::add(double by) const {
    if (series_)
        static_cast<prometheus::Gauge*>(series_.get())->Increment(by);
}

void histogram::observe(double value) const {
    if (series_ && !std::isnan(value))
        static_cast<prometheus::Histogram*>(series_.get())->Observe(value);
}

counters counter_set(metrics& in, std::string name, std::string help, std::size_t most) {
    return counters(
        [&in, name = std::move(name), help = std::move(help)](const labels& with) {
            return in.make_counter(name, help, with);
        },
        most
    );
}

gauges gauge_set(metrics& in, std::string name, std::string help, std::size_t most) {
    return gauges(
        [&in, name = std::move(name), help = std::move(help)](const labels& with) {
            return in.make_gauge(name, help, with);
        },
        most
    );
}

histograms histogram_set(
    metrics& in, std::string name, std::string help, std::vector<double> buckets, std::size_t most
) {
    return histograms(
        [&in, name = std::move(name), help = std::move(help), buckets = std::move(buckets)](
            const labels& with
        ) { return in.make_histogram(name, help, buckets, with); },
        most
    );
}

} // namespace rivulet::observe
