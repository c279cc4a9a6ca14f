// Counters, gauges and histograms of the process, and their Prometheus text. Handles are small
// values that stay good for as long as the metrics object; a default one counts nothing, so code
// need not ask whether metrics are on.
// Thread: any; adding is atomic, making a handle takes a lock (make it once, keep it).
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace rivulet::observe {

using labels = std::map<std::string, std::string>;

class counter {
  public:
    counter() = default;
    void add(double by = 1) const;

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
    // text: that bounds what per-stream labels cost.
    counter make_counter(const std::string& name, const std::string& help, const labels& with = {});
    gauge make_gauge(const std::string& name, const std::string& help, const labels& with = {});
    histogram make_histogram(
        const std::string& name,
        const std::string& help,
        const std::vector<double>& buckets,
        const labels& with = {}
    );

    // Called at the start of every text(), to set gauges that are read rather than kept.
    void before_text(std::function<void()> collect);
    // In the text format of version 0.0.4.
    std::string text() const;

  private:
    struct impl;
    std::unique_ptr<impl> impl_;
};

} // namespace rivulet::observe
