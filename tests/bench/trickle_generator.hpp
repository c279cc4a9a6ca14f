// Plays one load against one server from one thread and measures what comes out.
// Thread: the caller's.
#pragma once

#include "trickle_ends.hpp"
#include "trickle_loads.hpp"
#include "trickle_process.hpp"

#include <optional>

namespace rivulet::bench {

enum class protocol { http, raw };

struct run_result {
    run_counts counts;
    latency_histogram late;     // how far behind its plan the generator itself was
    std::uint64_t expected = 0; // messages
    double delivered_gb = 0;
    double seconds = 0;
    std::optional<double> cpu_seconds;
    std::optional<double> peak_rss_mb;

    void merge(const run_result& other);
    double share() const;
};

run_result run_load(
    const trickle_load& load,
    protocol speaks,
    const measured_process& server,
    const std::string& path,
    double seconds
);

} // namespace rivulet::bench
