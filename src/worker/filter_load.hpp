// What one filter of a graph costs, and the numbers that an option may take so that the cost stays
// bounded. Pure. Fails with: invalid_argument; the detail names filter and option.
#pragma once

#include "base/error.hpp"

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace rivulet::worker {

struct option_use {
    std::string name; // empty: by position
    std::string value;
};

// Estimates, not measurements: they only have to keep bombs out.
struct filter_load {
    double work = 1;         // for each pixel of a picture; a plain copy is 1
    double held = 0;         // bytes for each pixel that stay between pictures
    double fixed_work = 0;   // in pixels, whatever the size of the picture
    double fixed_memory = 0; // bytes
};

// `written` is the length of the filter with its options: what an expression costs.
outcome<filter_load> load_of_filter(
    std::string_view filter, const std::vector<option_use>& options, std::size_t written
);

} // namespace rivulet::worker
