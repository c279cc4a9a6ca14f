// The process in numbers that every Prometheus dashboard knows: process_cpu_seconds_total,
// process_resident_memory_bytes, process_open_fds and their kin; read from /proc at each scrape.
// Thread: any.
#pragma once

#include "observe/metrics.hpp"

#include <memory>

namespace rivulet::observe {

// The numbers stay in `in` until the token goes.
[[nodiscard]] std::shared_ptr<void> add_process_metrics(metrics& in);

} // namespace rivulet::observe
