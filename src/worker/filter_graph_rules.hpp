// What a user may ask libavfilter to do. The graph text comes from the network, so only filters of
// an allow-list pass: one picture in, one picture out, no files, devices, sockets or sources of
// their own, no options that name files, no expressions that can loop. Thread: any; pure. Fails
// with: invalid_argument, too_large, too_many; the detail names the filter and the reason.
#pragma once

#include "base/error.hpp"
#include "worker/filter_load.hpp"

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace rivulet::worker {

inline constexpr std::size_t graph_text_limit = 4096;
inline constexpr std::size_t graph_filter_limit = 32;

struct filter_step {
    std::vector<std::string> inputs;  // link labels in front
    std::string name;                 // "hflip"
    std::string written;              // "hflip" or "crop=iw/2:ih" as it stands in the text
    std::vector<std::string> outputs; // link labels behind
    bool continues = false;           // followed by a comma: linked to the next step
    filter_load load;
};

struct filter_graph {
    std::string text;
    std::vector<filter_step> steps; // empty: the picture passes unchanged

    // The same graph with only those filters that change the size of a picture: configuring it
    // costs next to nothing and tells every size that the real one would allocate.
    std::string size_probe() const;
};

// An empty or blank text is the graph that changes nothing.
outcome<filter_graph> parse_filter_graph(std::string_view text);

} // namespace rivulet::worker
