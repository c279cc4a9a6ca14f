// What a user sets on the element. Defaults are written here once: the properties show these.
#pragma once

#include "pacing.hpp"

#include <string>

namespace rivulet::element {

struct element_settings {
    std::string gateway = "http://127.0.0.1:8935";
    std::string stream, pipeline, params, token;
    unsigned bitrate_kbit = 2'500;
    unsigned keyframe_interval_ms = 1'000;
    unsigned max_latency_ms = 500;
    stall_policy on_stall = stall_policy::freeze;
    bool tls_verify = true;
};

} // namespace rivulet::element
