// The graph text of a job's parameters: whatever passes must name allowed filters only, within the
// limits, and its size probe must pass again.
#include "worker/filter_graph_rules.hpp"

#include <cstdlib>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace rivulet::worker;
    const std::string_view text(reinterpret_cast<const char*>(data), size);
    const auto graph = parse_filter_graph(text);
    if (!graph)
        return 0;
    if (graph->steps.size() > graph_filter_limit || graph->text.size() > graph_text_limit)
        std::abort();
    for (const auto& step : graph->steps)
        if (step.name == "movie" || step.name.empty())
            std::abort();
    const auto probe = graph->size_probe();
    if (!graph->steps.empty() && probe.size() <= graph_text_limit) {
        const auto again = parse_filter_graph(probe);
        if (!again || again->steps.size() != graph->steps.size())
            std::abort();
    }
    return 0;
}
