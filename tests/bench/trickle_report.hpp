// What a benchmark run found, for people and for programs.
#pragma once

#include "trickle_generator.hpp"

#include <string>
#include <vector>

namespace rivulet::bench {

struct load_report {
    const trickle_load* load;
    std::optional<run_result> floor;
    std::optional<run_result> server;
};

std::string table(const load_report& report);
std::string json(const std::vector<load_report>& reports);

} // namespace rivulet::bench
